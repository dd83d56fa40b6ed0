"""The headlines of a run, at most five: did isotropy rise, did scores follow, and do they go together?"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluation.report.grid_ends import AT_AN_END
from evaluation.report.measures import GROUPS, Group, Pair, Row
from evaluation.report.summary import START, Finding, Section, Summary, TransferAnswer
from evaluation.report.wording import difference, shorten, significant
from evaluation.statistics.intervals import Comparison

GROUP_TITLES = {
    "isotropy": "Isotropy",
    "similarity": "STS and retrieval tasks",
    "labels": "Classification and clustering",
    "retrieval": "FAISS retrieval",
}
LONGEST = 48  # characters of a name in the answer, which must fit on one screen
TRANSFER_TITLE = "Dose-response"
OUTCOMES = ("better", "worse", "no difference found", AT_AN_END, "undecided")
WORDS = {"isotropy": {"better": "rose", "worse": "fell"}}
EXTREMES = {"isotropy": ("most", "least")}
TRANSFER_WORDS = {
    "yes": "scores rise with isotropy",
    "the opposite": "scores fall as isotropy rises",
    "no evidence": "no evidence",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class Headline:
    """A part of the answer of a run.

    Attributes:
        title: Its subject.
        sentence: The result.
    """

    title: str
    sentence: str


@dataclass(frozen=True)
class _Named:
    """A finding or transfer answer with a label that distinguishes it."""

    label: str
    text: str
    rise: float  # the estimate, in the direction of improvement


def headlines(summary: Summary) -> list[Headline]:
    """Summarize the result of a run over all its sections and variants.

    Args:
        summary: The result of the run.

    Returns:
        At most five: isotropy, the two kinds of tasks, FAISS retrieval, and whether scores rise with isotropy over the
        weights that were tried. Parts that were not measured have none.
    """
    findings = [(section, finding) for section in summary.sections for finding in section.findings()]
    found = []
    for group in GROUPS:
        of_group = [(section, one) for section, one in findings if one.measure.group == group]
        beside_start = [(section, one) for section, one in of_group if one.pair.old == START]
        beside_objective = [(section, one) for section, one in of_group if one.pair.old != START]
        if beside_objective or beside_start:
            headline = _group_headline(group, beside_objective or beside_start)
            more = _beside_start(beside_start, beside_objective) if beside_objective and beside_start else ""
            found.append(replace(headline, sentence=headline.sentence + more))
    transfers = [(section, answer) for section in summary.sections for answer in section.transfer]
    return [*found, _transfer_headline(transfers)] if transfers else found


def correlation(comparison: Comparison) -> str:
    """Write a rank correlation and its interval."""
    interval = "" if comparison.low is None else f" [{comparison.low:+.2f}, {comparison.high:+.2f}]"
    return f"{comparison.estimate:+.2f}{interval}".replace("-", "−")


def _beside_start(
    beside_start: Sequence[tuple[Section, Finding]], beside_objective: Sequence[tuple[Section, Finding]]
) -> str:
    """How variants compare with the start model; without this, undoing a harmful objective would read as a gain."""
    tally = _tally(Counter(one.outcome for _, one in beside_start), {outcome: outcome for outcome in OUTCOMES})
    better = {(section.title, one.pair.new) for section, one in beside_objective if one.outcome == "better"}
    worse = {(section.title, one.pair.new) for section, one in beside_start if one.outcome == "worse"}
    both = list(dict.fromkeys(_short(new) for title, new in sorted(better & worse)))
    text = f" Beside the start model: {tally}."
    return f"{text} Better than the objective, worse than the start: {', '.join(both)}." if both else text


def _group_headline(group: Group, found: Sequence[tuple[Section, Finding]]) -> Headline:
    title, words = GROUP_TITLES[group], WORDS.get(group, {})
    if group == "retrieval" and not any(row.measure.rank == 0 for section, _ in found for row in _of(section, group)):
        title += " (exact search, because no approximate index is in range)"
    if len(found) == 1:
        return Headline(title, f"{_single(found[0][1], words)}.")
    tally = _tally(
        Counter(one.outcome for _, one in found), {outcome: words.get(outcome, outcome) for outcome in OUTCOMES}
    )
    decided = [(section, one) for section, one in found if one.comparison.low is not None]
    if not decided:
        return Headline(title, f"{tally}; {found[0][1].comparison.method}.")
    if group == "isotropy":  # its measures have units of their own; everything else is in points
        [(measure, _)] = Counter(one.measure.name for _, one in decided).most_common(1)
        decided = [(section, one) for section, one in decided if one.measure.name == measure]
    measures = {one.measure.name for _, one in decided}
    several_pairs = len({one.pair for _, one in found}) > 1
    several_sections = len({section.title for section, _ in found}) > 1
    references = {one.pair.old for _, one in found}
    named = []
    for section, one in decided:
        label = [_pair(one.pair, references)] * several_pairs + [_short(one.measure.name)] * (len(measures) > 1)
        label += [f"({_short(section.title)})"] * several_sections
        direction = 1 if one.measure.greater_is_better else -1
        text = difference(one.comparison) + f" ({AT_AN_END})" * bool(one.ends)
        named.append(_Named(" ".join(label), text, direction * one.comparison.estimate))
    extremes = _range(named, *EXTREMES.get(group, ("best", "worst")))
    if len(measures) == 1:
        scopes = {one.scope for _, one in decided if one.tasks is not None}
        over = f", for {scopes.pop()}" if len(scopes) == 1 else ""
        return Headline(title, f"{tally}. By {_short(measures.pop())}{over}: {extremes}.")
    return Headline(title, f"{tally}. {extremes[0].upper()}{extremes[1:]}.")


def _of(section: Section, group: Group) -> list[Row]:
    return [row for row in section.rows if row.measure.group == group]


def _single(finding: Finding, words: Mapping[str, str]) -> str:
    comparison, pair = finding.comparison, _short(finding.pair.name)
    outcome = words.get(finding.outcome, finding.outcome)
    text = f"{outcome}, {_short(finding.measure.name)} {difference(comparison)} ({pair})"
    if comparison.low is None:
        return f"{text}, {comparison.method}"
    text += f" for {finding.scope}"
    if finding.outcome == "no difference found" and comparison.detectable is not None:
        # A null says as much as a win only together with what it could have missed.
        text += f"; a true difference under {significant(comparison.detectable, 2)} would often go unseen"
    return "; ".join([text, *(replace(end, variant=_short(end.variant)).sentence for end in finding.ends)])


def _transfer_headline(found: Sequence[tuple[Section, TransferAnswer]]) -> Headline:
    tally = _tally(Counter(one.answer for _, one in found), TRANSFER_WORDS, "curve")
    several = len({section.title for section, _ in found}) > 1
    named = [
        _Named(
            f"{_short(one.variant)} by {_short(one.measure)}" + f" ({_short(section.title)})" * several,
            correlation(one.comparison),
            one.comparison.estimate,
        )
        for section, one in found
        if one.comparison.low is not None
    ]
    if not named:
        return Headline(TRANSFER_TITLE, f"{tally}; {found[0][1].comparison.method}.")
    return Headline(TRANSFER_TITLE, f"{tally}. Rank correlation: {_range(named, 'highest', 'lowest')}.")


def _tally(counts: Mapping[str, int], words: Mapping[str, str], noun: str = "comparison") -> str:
    """Each outcome with its count, "in all" where there is one outcome only."""
    total = sum(counts.values())
    (word, many), *others = [(words[outcome], counts[outcome]) for outcome in words if counts.get(outcome)]
    if not others:
        return f"{word} in {'the one' if total == 1 else f'all {total}'} {noun}{'s' * (total > 1)}"
    return f"{word} in {many} of {total} {noun}s, " + ", ".join(f"{word} in {many}" for word, many in others)


def _range(named: Sequence[_Named], most: str, least: str) -> str:
    top, bottom = max(named, key=lambda one: one.rise), min(named, key=lambda one: one.rise)
    text = f"{most} {top.label} {top.text}"
    return text if len(named) == 1 else f"{text}, {least} {bottom.label} {bottom.text}"


def _pair(pair: Pair, references: Collection[str]) -> str:
    """The new variant alone, where all are compared with the same one."""
    return _short(pair.new if len(references) == 1 else pair.name)


def _short(name: str) -> str:
    return shorten(name, LONGEST)
