"""The answer of a run in at most five lines: did isotropy rise, did scores follow, and do they go together?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.report.compared_pairs import common_old, compared_pairs
from evaluation.report.summary import APPROXIMATE_MEAN, GROUPS, Finding, Section, Summary, TransferAnswer
from evaluation.report.wording import difference, shortened, significant
from evaluation.statistics.intervals import Comparison

GROUP_TITLES = {
    "isotropy": "Isotropy",
    "similarity": "STS and retrieval tasks",
    "labels": "Classification and clustering",
    "retrieval": "FAISS retrieval",
}
LONGEST = 48  # characters of a name in the answer, which must fit on one screen
TRANSFER_TITLE = "Dose-response"
OUTCOMES = ("better", "worse", "no difference found", "undecided")
WORDS = {"isotropy": {"better": "rose", "worse": "fell"}}
EXTREMES = {"isotropy": ("most", "least")}
TRANSFER_WORDS = {
    "yes": "scores rise with isotropy",
    "the opposite": "scores fall as isotropy rises",
    "no evidence": "no evidence",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class _Named:
    """A finding or transfer answer with what tells it from the others."""

    label: str
    said: str
    rise: float  # the estimate, in the direction of improvement


def answer(summary: Summary) -> list[str]:
    """Answer what a run was for, over all its sections and variants.

    Args:
        summary: The result of the run.

    Returns:
        At most five lines: isotropy, the two kinds of tasks, FAISS retrieval, and whether scores rise with isotropy
        over the weights that were tried. What was not measured has no line.
    """
    findings = [(section, finding) for section in summary.sections for finding in section.findings()]
    grouped = {group: [(section, each) for section, each in findings if each.group == group] for group in GROUPS}
    lines = [_group_line(group, found) for group, found in grouped.items() if found]
    transfers = [(section, each) for section in summary.sections for each in section.transfer]
    return [*lines, _transfer_line(transfers)] if transfers else lines


def correlation(comparison: Comparison) -> str:
    """Write a rank correlation and its interval."""
    interval = "" if comparison.low is None else f" [{comparison.low:+.2f}, {comparison.high:+.2f}]"
    return f"{comparison.estimate:+.2f}{interval}".replace("-", "−")


def _group_line(group: str, found: Sequence[tuple[Section, Finding]]) -> str:
    title, words = GROUP_TITLES[group], WORDS.get(group, {})
    if group == "retrieval" and not any(row.name == APPROXIMATE_MEAN for section, _ in found for row in section.rows):
        title += " (exact search, because no approximate index is in range)"
    if len(found) == 1:
        return f"{title}: {_single(found[0][1], words)}."
    tally = _tally(Counter(each.outcome for _, each in found), {each: words.get(each, each) for each in OUTCOMES})
    decided = [(section, each) for section, each in found if each.comparison.low is not None]
    if not decided:
        return f"{title}: {tally}; {found[0][1].comparison.method}."
    if group == "isotropy":  # its measures have units of their own; everything else is in points
        measure = Counter(each.measure for _, each in decided).most_common(1)[0][0]
        decided = [(section, each) for section, each in decided if each.measure == measure]
    measures = {each.measure for _, each in decided}
    several = {each.pair for _, each in found}, {section.title for section, _ in found}
    named = []
    for section, each in decided:
        label = [_pair(section, each.pair)] * (len(several[0]) > 1) + [_short(each.measure)] * (len(measures) > 1)
        label += [f"({_short(section.title)})"] * (len(several[1]) > 1)
        direction = 1 if each.greater_is_better else -1
        named.append(_Named(" ".join(label), difference(each.comparison), direction * each.comparison.estimate))
    of = f"By {_short(measures.pop())}: " if len(measures) == 1 else ""
    said = f"{of}{_range(named, *EXTREMES.get(group, ('best', 'worst')))}"
    return f"{title}: {tally}. {said[0].upper()}{said[1:]}."


def _single(finding: Finding, words: Mapping[str, str]) -> str:
    comparison = finding.comparison
    said = f"{words.get(finding.outcome, finding.outcome)}, {_short(finding.measure)} {difference(comparison)}"
    if comparison.low is None:
        return f"{said} ({_short(finding.pair)}), {comparison.method}"
    said += f" ({_short(finding.pair)}) for {comparison.estimand}"
    if finding.outcome == "no difference found" and comparison.detectable is not None:
        # A null says as much as a win only together with what it could have missed.
        said += f"; a true difference under {significant(comparison.detectable, 2)} would often go unseen"
    return said


def _transfer_line(found: Sequence[tuple[Section, TransferAnswer]]) -> str:
    tally = _tally(Counter(each.answer for _, each in found), TRANSFER_WORDS, "curve")
    several = len({section.title for section, _ in found}) > 1
    named = [
        _Named(
            f"{_short(each.variant)} by {_short(each.measure)}" + f" ({_short(section.title)})" * several,
            correlation(each.comparison),
            each.comparison.estimate,
        )
        for section, each in found
        if each.comparison.low is not None
    ]
    if not named:
        return f"{TRANSFER_TITLE}: {tally}; {found[0][1].comparison.method}."
    return f"{TRANSFER_TITLE}: {tally}. Rank correlation: {_range(named, 'highest', 'lowest')}."


def _tally(counts: Mapping[str, int], words: Mapping[str, str], noun: str = "comparison") -> str:
    """Each outcome with its count, "in all" where there is one outcome only."""
    total = sum(counts.values())
    (word, many), *others = [(words[outcome], counts[outcome]) for outcome in words if counts.get(outcome)]
    if not others:
        return f"{word} in {'the one' if total == 1 else f'all {total}'} {noun}{'s' * (total > 1)}"
    return f"{word} in {many} of {total} {noun}s, " + ", ".join(f"{word} in {many}" for word, many in others)


def _range(named: Sequence[_Named], most: str, least: str) -> str:
    top, bottom = max(named, key=lambda each: each.rise), min(named, key=lambda each: each.rise)
    said = f"{most} {top.label} {top.said}"
    return said if len(named) == 1 else f"{said}, {least} {bottom.label} {bottom.said}"


def _pair(section: Section, pair: str) -> str:
    """The new variant alone, where all are compared with the same one."""
    return _short(pair if common_old(section) is None else compared_pairs(section)[pair][0])


def _short(name: str) -> str:
    return shortened(name, LONGEST)
