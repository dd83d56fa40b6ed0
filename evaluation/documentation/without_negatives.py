"""What the studies of training without negatives say, all regimes in one table, and about the weight of each term."""

import math
from collections.abc import Callable, Mapping, Sequence

from evaluation.documentation.chosen_settings import validation_score, weight_scores
from evaluation.documentation.results import StudySection
from evaluation.report.summary import NONE, Section
from evaluation.report.tables import Table, mark
from evaluation.report.wording import estimate, number, weight_text

POSITIVES_ONLY = "positives-only"  # how the names of the studies begin in which all is tuned
DEFAULTS = "positives-defaults"  # and of those in which the learning rate alone is
ALIGNMENT = "alignment"


def overview_table(sections: Sequence[StudySection]) -> Table:
    """The difference of each trained variant from in-batch negatives on STS and retrieval tasks, a line for a regime.

    Args:
        sections: From `sections_of_studies`. A variant's name can go on, after a comma, with what sets it apart in its
            study.
    """
    said: dict[str, dict[str, list[str]]] = {}
    for of_study in sections:
        trained = {one.variant for one in of_study.section.tuning} - {ALIGNMENT}
        cells = said.setdefault(of_study.section.title, {})
        for finding in of_study.findings("similarity"):
            name, _, setting = finding.pair.new.partition(", ")
            if finding.pair.new in trained:
                shown = f"{mark(finding.outcome, finding.ends)} {estimate(finding.comparison)}"
                cells.setdefault(name, []).append(f"{setting}: {shown}" if setting else shown)
    variants = list(dict.fromkeys(variant for cells in said.values() for variant in cells))
    rows = [[title, *["; ".join(cells.get(variant, [])) for variant in variants]] for title, cells in said.items()]
    return Table(["regime", *variants], {"": rows} if rows else {})


def batches_table(sections: Sequence[StudySection]) -> Table:
    """The validation score of every weight of each term beside alignment, minus that of tuned in-batch negatives.

    In points, each at its best learning rate; a star marks the best weight.

    Args:
        sections: From `sections_of_studies`; those without a search are left out.
    """
    rows = [
        row
        for of_study in sections
        for variant in dict.fromkeys(one.variant for one in of_study.section.tuning)
        if variant.startswith(ALIGNMENT)
        for row in _rows(of_study, variant, weight_scores(of_study.section, variant), weight_text)
    ]
    return Table(["regime", "variant", "weight: difference"], {"": rows} if rows else {}, words=(0, 1, 2))


def rates_table(sections: Sequence[StudySection]) -> Table:
    """The validation score at every learning rate of each variant, minus the best one of in-batch negatives.

    In points, each at its best weight; a star marks the best rate.

    Args:
        sections: From `sections_of_studies`; those without a search are left out.
    """
    rows = [
        row
        for of_study in sections
        for variant in dict.fromkeys(one.variant for one in of_study.section.tuning)
        for row in _rows(of_study, variant, _rate_scores(of_study.section, variant), "{:g}".format)
    ]
    return Table(["regime", "variant", "learning rate: difference"], {"": rows} if rows else {}, words=(0, 1, 2))


def _rate_scores(section: Section, variant: str) -> dict[float, float]:
    """The best validation score of a variant at each learning rate."""
    best: dict[float, float] = {}
    for one in section.tuning:
        if one.variant == variant:
            best[one.learning_rate] = max(best.get(one.learning_rate, -math.inf), validation_score(one))
    return best


def _rows(
    of_study: StudySection, variant: str, scores: Mapping[float, float], text: Callable[[float], str]
) -> list[list[str]]:
    """The line of a variant: each setting's score minus that of in-batch negatives; none where nothing was searched."""
    alone = [validation_score(one) for one in of_study.section.tuning if one.variant == NONE]
    if not alone or len(scores) < 2:
        return []
    most = max(scores.values())
    cells = [
        f"{text(key)}: {number(score - max(alone), 1, sign=True)}{' ★' if score == most else ''}"
        for key, score in sorted(scores.items())
    ]
    return [[of_study.section.title, "in-batch negatives" if variant == NONE else variant, ", ".join(cells)]]
