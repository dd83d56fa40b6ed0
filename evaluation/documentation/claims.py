"""Claims about the studies in the documentation's sentences: a number, and in a comment behind it where it is from.

`+1.8 [+1.7, +1.9]<!-- gain: recipe, static, whitening -->`: the points that whitening gained over the objective alone
in that study on that start model, with the interval, and an error where the results say anything else. A claim names a
study, words of a regime's title (or `any`), a variant, and where it is not the mean of STS and retrieval, a measure:

- `gain`, `loss`: a difference that is one; `null`: one that was not found. The variant can be `A beside B`.

All are adjusted after Holm, over the variants of the regime that are compared with the same one by the same measure.
"""

import re

from evaluation.documentation.differences import TASK_METRICS, retention_row, row_findings, tasks_findings
from evaluation.documentation.results import StudySection, sections_of_studies
from evaluation.errors import UserError
from evaluation.report.grid_ends import Counted
from evaluation.report.measures import Pair
from evaluation.report.summary import Finding
from evaluation.report.wording import difference

OUTCOMES: dict[str, Counted] = {"gain": "better", "loss": "worse", "null": "no difference found"}
# What a claim calls the groups, of which the report has verdicts.
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
    said = difference(found.comparison)
    if found.outcome != OUTCOMES[kind]:
        adjusted = f", Holm's p {found.adjusted_p:.2g} among {found.family}" if found.adjusted_p is not None else ""
        raise ValueError(f"in {section.name} it is {found.outcome}: {said}{adjusted}")
    return said + (ADJUSTED if kind == "null" and found.alone in ("better", "worse") else "")


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


def _compared(of_study: StudySection, variant: str, measure: str) -> Finding | None:
    """The difference of a variant from what it is compared with, or of "A beside B"; None where it has none."""
    section = of_study.section
    new, _, other = variant.partition(" beside ")
    compared = next((pair for pair in section.pairs if pair.new == new), Pair(new, other))
    pair = Pair(new, other or compared.old)
    if measure in TASK_METRICS:
        found = tasks_findings(section, measure, pair.old)
    else:
        verdicts = [finding for finding in section.findings() if finding.measure.group == GROUPS.get(measure)]
        row = of_study.row(verdicts[0].measure) if verdicts else retention_row(section, measure)
        others = row_findings(section, row, pair.old) if row and row.measure.counts else []
        found = [*verdicts, *others]  # a verdict of the report goes first
    return next((finding for finding in found if finding.pair == pair), None)
