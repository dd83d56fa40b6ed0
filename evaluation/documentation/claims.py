"""Claims about the studies in the documentation's sentences: checked and filled in with numbers when the site is built.

`{{gain: recipe, static, whitening}}` stands for the points that whitening gained over the objective alone in that study
on that start model, and stops the build where the results say anything else. A claim names studies (names or patterns),
words of a regime's title (or `any`), a variant, and where it is not the mean of STS and retrieval, a measure:

- `gain`, `loss`: the size of a difference that is one; `null`: a difference that was not found, with its interval;
  `end`: a difference with its interval that rests on a choice at an end of a grid, and so counts as neither. The
  variant can be `A beside B`.
- `gains`, `losses`, `nulls`, `ends`, `regimes`: the number of regimes with one, or with a search for one. The variant
  can be `A or B`, which counts both.
- `least`, `most`: the size of the smallest and of the largest gain.
- `value`: the mean of a variant in a row of the study's tables, to two digits if below 0.1.
- `validation`: the best validation score of a variant at a learning rate, which is given last.
"""

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial

from evaluation.documentation.chosen_settings import validation_score
from evaluation.documentation.differences import TASK_METRICS, paired_difference, retention_row, tasks_difference
from evaluation.documentation.results import StudySection, sections_of_studies
from evaluation.errors import UserError
from evaluation.report.grid_ends import AT_AN_END, Counted
from evaluation.report.measures import Pair
from evaluation.report.tables import decimals
from evaluation.report.wording import difference, number, significant
from evaluation.statistics.intervals import Comparison

CLAIM = re.compile(r"\{\{([a-z]+):\s+([^{}]+)\}\}")
OUTCOMES: dict[str, Counted] = {"gain": "better", "loss": "worse", "null": "no difference found", "end": AT_AN_END}
# What a claim calls the groups, whose verdicts are adjusted; those of one kind of task or one index are not.
GROUPS = {"mean": "similarity", "classification": "labels", "isotropy": "isotropy", "approximate": "retrieval"}
NUMBER_WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()


def checked(markdown: str) -> str:
    """Replace every claim of a page by its number.

    Raises:
        UserError: The results do not support a claim, or a claim names something that they do not have.
    """
    return CLAIM.sub(lambda found: _checked(found[0], found[1], " ".join(found[2].split()).split(", ")), markdown)


def _checked(claim: str, kind: str, given: Sequence[str]) -> str:
    if kind not in KINDS:
        raise UserError(f"The documentation claims {claim}, but the kinds of claims are {', '.join(KINDS)}.")
    try:
        return KINDS[kind](*given)
    except (TypeError, ValueError) as error:  # TypeError: too many or too few parts
        raise UserError(f"The documentation claims {claim}, but {error}.") from error


def _outcome(kind: str, studies: str, regime: str, variant: str, measure: str = "mean") -> str:
    section = _only(_sections(studies, regime))
    found = _compared(section, variant, measure)
    if found is None:
        raise ValueError(f"{section.name} does not compare {variant} by {measure}")
    outcome, comparison = found
    if outcome != OUTCOMES[kind]:
        raise ValueError(f"in {section.name} it is {outcome}: {difference(comparison)}")
    if kind in ("gain", "loss"):
        return _magnitude(comparison)
    if kind == "end":
        return difference(comparison)
    excludes_zero = comparison.low is not None and comparison.high is not None and comparison.low * comparison.high > 0
    return difference(comparison) + (" before Holm's adjustment" if excludes_zero else "")


def _count(outcome: str, studies: str, regime: str, variants: str, measure: str = "mean") -> str:
    times = sum(found.startswith(outcome) for found, _ in _all(studies, regime, variants, measure))
    return NUMBER_WORDS[times] if times < len(NUMBER_WORDS) else str(times)


def _extreme(choose: Callable[..., Comparison], studies: str, regime: str, variants: str, measure: str = "mean") -> str:
    gains = [comparison for found, comparison in _all(studies, regime, variants, measure) if found == OUTCOMES["gain"]]
    if not gains:
        raise ValueError("it gained nowhere")
    return _magnitude(choose(gains, key=lambda gain: abs(gain.estimate)))


def _value(studies: str, regime: str, variant: str, measure: str) -> str:
    section = _only(_sections(studies, regime))
    row = next((row for row in section.section.rows if row.name == measure), None)
    if row is None or variant not in row.values:
        raise ValueError(f"{section.name} has no {measure} of {variant}")
    mean = row.mean(variant)
    return number(mean, min(2, decimals(row))) if abs(mean) >= 0.1 else significant(mean, 2)


def _validation(studies: str, regime: str, variant: str, learning_rate: str) -> str:
    section = _only(_sections(studies, regime))
    found = [
        validation_score(candidate)
        for candidate in section.section.tuning
        if candidate.variant == variant and f"{candidate.learning_rate:.2g}" == f"{float(learning_rate):.2g}"
    ]
    if not found:
        raise ValueError(f"{section.name} did not try {variant} at a learning rate of {learning_rate}")
    return number(max(found), 1)


def _sections(studies: str, regime: str) -> list[StudySection]:
    """The regimes of studies by their names or patterns, that have every one of some words."""
    wanted = set() if regime == "any" else set(regime.split())
    meant = [one for one in sections_of_studies() if wanted <= _words(one)]
    of_pattern = {pattern: [one for one in meant if fnmatchcase(one.study, pattern)] for pattern in studies.split()}
    if vain := [pattern for pattern, found in of_pattern.items() if not found]:
        raise ValueError(f"{' or '.join(vain)} has no regime {regime}")
    return list({section.name: section for found in of_pattern.values() for section in found}.values())


def _words(of_study: StudySection) -> set[str]:
    """The start model, and the words of the regime's name."""
    return {of_study.section.model, *of_study.section.regime.replace(",", "").split()}


def _only(sections: Sequence[StudySection]) -> StudySection:
    if len(sections) != 1:
        raise ValueError(f"it names {len(sections)} regimes: {'; '.join(section.name for section in sections)}")
    return sections[0]


def _all(studies: str, regime: str, variants: str, measure: str) -> list[tuple[str, Comparison]]:
    sections = _sections(studies, regime)
    found = {
        variant: [compared for section in sections if (compared := _compared(section, variant, measure)) is not None]
        for variant in variants.split(" or ")
    }
    if vain := [variant for variant, compared in found.items() if not compared]:
        raise ValueError(f"no regime compares {' or '.join(vain)} by {measure}")
    return [one for compared in found.values() for one in compared]


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


def _magnitude(comparison: Comparison) -> str:
    """In points to one decimal, or to one significant digit where that would be zero."""
    size = abs(comparison.estimate)
    return number(size, 1) if size >= 0.1 else significant(size, 1)


KINDS: dict[str, Callable[..., str]] = {
    **{kind: partial(_outcome, kind) for kind in OUTCOMES},
    "gains": partial(_count, OUTCOMES["gain"]),
    "losses": partial(_count, OUTCOMES["loss"]),
    "nulls": partial(_count, OUTCOMES["null"]),
    "ends": partial(_count, OUTCOMES["end"]),
    "regimes": partial(_count, ""),
    "least": partial(_extreme, min),
    "most": partial(_extreme, max),
    "value": _value,
    "validation": _validation,
}
