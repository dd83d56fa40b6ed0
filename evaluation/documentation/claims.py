"""Claims about the studies in the documentation's sentences: a number, and in a comment behind it where it is from.

`+1.8 [+1.7, +1.9]<!-- gain: recipe, static, whitening -->`: the points that whitening gained over the objective alone
in that study on that start model, with the interval, and an error where the results say anything else. A claim names a
study, words of a regime's title (or `any`), a variant, and where it is not the mean of STS and retrieval, a measure:

- `gain`, `loss`: a difference that is one; `null`: one that was not found. The variant can be `A beside B`.
"""

import re

from evaluation.documentation.differences import TASK_METRICS, paired_difference, retention_row, tasks_difference
from evaluation.documentation.results import StudySection, sections_of_studies
from evaluation.errors import UserError
from evaluation.report.grid_ends import Counted
from evaluation.report.measures import Pair
from evaluation.report.wording import difference
from evaluation.statistics.intervals import Comparison

OUTCOMES: dict[str, Counted] = {"gain": "better", "loss": "worse", "null": "no difference found"}
# What a claim calls the groups, whose verdicts are adjusted; those of one kind of task or one index are not.
GROUPS = {"mean": "similarity", "classification": "labels", "isotropy": "isotropy", "approximate": "retrieval"}
ADJUSTED = " before Holm's adjustment"
# A question mark is a number that is still to be filled in. An editor may have wrapped the line.
NUMBER = r"\?|[-+−]?\d[\d.]*(?:\s\[[-+−\d.,\s]+\](?:\sbefore\sHolm's\sadjustment)?)?"
SOURCE = r"<!-- (?P<kind>gain|loss|null): (?P<parts>.*?) -->"
CLAIM = re.compile(rf"(?P<shown>{NUMBER})?(?P<source>{SOURCE})", re.DOTALL)


def claimed(found: re.Match[str]) -> str:
    """The number of a claim.

    Args:
        found: A match of `CLAIM`.

    Raises:
        UserError: The results do not support the claim, it names something that they do not have, or no number is
            before it.
    """
    if found["shown"] is None:
        raise UserError(f"{found['source']} has no number before it: write ? there, to be filled in.")
    try:
        return _outcome(found["kind"], *" ".join(found["parts"].split()).split(", "))
    except (TypeError, ValueError) as error:  # TypeError: too many or too few parts
        raise UserError(f"{found['source']} does not hold: {error}.") from error


def _outcome(kind: str, study: str, regime: str, variant: str, *more: str) -> str:
    section = _section(study, regime)
    whole = ", ".join([variant, *more])  # the name of a variant can have commas
    names = {name for pair in section.section.pairs for name in (pair.new, pair.old)}
    if more and not names.issuperset(whole.split(" beside ")):
        variant, _, measure = whole.rpartition(", ")
    else:
        variant, measure = whole, "mean"
    found = _compared(section, variant, measure)
    if found is None:
        raise ValueError(f"{section.name} does not compare {variant} by {measure}")
    outcome, comparison = found
    if outcome != OUTCOMES[kind]:
        raise ValueError(f"in {section.name} it is {outcome}: {difference(comparison)}")
    excludes_zero = comparison.low is not None and comparison.high is not None and comparison.low * comparison.high > 0
    return difference(comparison) + (ADJUSTED if kind == "null" and excludes_zero else "")


def _section(study: str, regime: str) -> StudySection:
    """The only regime of a study that has every one of some words."""
    wanted = set() if regime == "any" else set(regime.split())
    found = [one for one in sections_of_studies() if one.study == study and wanted <= _words(one)]
    if len(found) != 1:
        names = f": {'; '.join(section.name for section in found)}" if found else ""
        raise ValueError(f"{study}, {regime} names {len(found)} regimes{names}")
    return found[0]


def _words(of_study: StudySection) -> set[str]:
    """The start model, and the words of the regime's name."""
    return {of_study.section.model, *of_study.section.regime.replace(",", "").split()}


def _compared(of_study: StudySection, variant: str, measure: str) -> tuple[str, Comparison] | None:
    """Outcome and difference of a variant from what it is compared with, or of "A beside B"; None where it has none."""
    section = of_study.section
    new, _, other = variant.partition(" beside ")
    compared = next((pair for pair in section.pairs if pair.new == new), Pair(new, other))
    pair = Pair(new, other or compared.old)
    findings = [finding for finding in section.findings() if finding.measure.group == GROUPS.get(measure)]
    if pair == compared and measure in GROUPS:  # the verdict that was adjusted
        return next(((finding.outcome, finding.comparison) for finding in findings if finding.pair == pair), None)
    if measure in TASK_METRICS:
        found = tasks_difference(section, measure, pair)
    else:
        row = of_study.row(findings[0].measure) if findings else retention_row(section, measure)
        found = None if row is None or not row.measure.counts else paired_difference(section, row, pair)
    return None if found is None else (found.outcome, found.comparison)
