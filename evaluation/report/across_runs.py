"""Several runs side by side: where their differences agree, where they contradict, and what only one has."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.report.headline import GROUP_TITLES
from evaluation.report.summary import DECIDING, GROUPS, Row, Section, Summary
from evaluation.report.tables import Table
from evaluation.report.wording import difference
from evaluation.statistics.intervals import NEW_RUNS, Comparison

READINGS = {
    "contradict": "the intervals lie apart",
    "agree": "all intervals lie on the same side of zero",
    "agree on none": "no interval excludes zero",
    "overlap": "the intervals overlap, and only some exclude zero",
    "undecided": "there are not two intervals for the same estimand",
}
_Key = tuple[str, str, str]  # group, measure, pair


@dataclass(frozen=True)
class SharedDifference:
    """One difference that several runs have measured.

    Attributes:
        section: Title of the section.
        group: One of `GROUPS`.
        measure: Name of the row.
        pair: What is compared, "new − old".
        comparisons: Per run that has it, its difference.
        reading: One of `READINGS`.
    """

    section: str
    group: str
    measure: str
    pair: str
    comparisons: dict[str, Comparison]
    reading: str

    @property
    def stands_out(self) -> bool:
        """Whether a verdict rests on it, or the runs contradict each other."""
        return self.measure in DECIDING[self.group] or self.reading == "contradict"


@dataclass(frozen=True)
class RunComparison:
    """What several runs share.

    Attributes:
        runs: Their names.
        shared: Every difference that two or more have.
        alone: A sentence for each run that has sections or differences of its own, and one for each section in which
            runs give one name to what they measured on different tasks.
    """

    runs: list[str]
    shared: list[SharedDifference]
    alone: list[str]

    @property
    def answer(self) -> str:
        """How many differences the runs share, and how they read."""
        if not self.shared:
            return "The runs share no difference: sections are matched by title, rows and pairs by name."
        counts = Counter(each.reading for each in self.shared)
        parts = [f"{counts[reading]} {reading} ({meaning})" for reading, meaning in READINGS.items() if counts[reading]]
        return f"Of {len(self.shared)} shared differences: {'; '.join(parts)}."

    def table(self, everything: bool = True) -> Table:
        """The differences side by side, all of them or only those that stand out."""
        groups: dict[str, list[list[str]]] = {}
        for each in self.shared:
            if everything or each.stands_out:
                cells = [difference(each.comparisons[run]) if run in each.comparisons else "" for run in self.runs]
                title = f"{each.section}: {GROUP_TITLES[each.group]}"
                groups.setdefault(title, []).append([each.measure, each.pair, *cells, each.reading])
        headers = ["measure", "pair", *self.runs, "reading"]
        return Table(headers, groups, words=(0, 1, len(headers) - 1))


def compare_runs(runs: Mapping[str, Summary]) -> RunComparison:
    """Put the differences of several runs side by side.

    Sections are matched by title, rows and pairs by name. Where every run has one section, those are matched whatever
    their titles, so that two settings of one command can be compared. Means over other tasks, and measures on another
    corpus, are not matched.

    Args:
        runs: Summaries by the name of their run, two or more.

    Returns:
        The shared differences, in the order of the first run that has them, and what is in one run only.
    """
    sections = {run: {section.title: section for section in summary.sections} for run, summary in runs.items()}
    if all(len(summary.sections) == 1 for summary in runs.values()):
        title = " / ".join(dict.fromkeys(summary.sections[0].title for summary in runs.values()))
        sections = {run: {title: summary.sections[0]} for run, summary in runs.items()}
    shared: list[SharedDifference] = []
    alone: dict[str, list[str]] = {run: [] for run in runs}
    unlike: dict[str, list[str]] = {}
    for title in dict.fromkeys(title for titles in sections.values() for title in titles):
        found = {run: _differences(titles[title]) for run, titles in sections.items() if title in titles}
        if len(found) == 1:
            alone[next(iter(found))].append(f"section “{title}”")
            continue
        keys = sorted(dict.fromkeys(key for each in found.values() for key in each), key=lambda k: GROUPS.index(k[0]))
        for key in keys:
            having = {run: each[key] for run, each in found.items() if key in each}
            if len({each.on for each in having.values() if each.on}) > 1:
                unlike.setdefault(title, []).append(key[1])
            elif len(having) > 1:
                shared.append(_shared(title, key, {run: each.comparisons for run, each in having.items()}))
        for run, own in found.items():
            others = [key for other, each in found.items() if other != run for key in each]
            alone[run] += [f"{what} in “{title}”" for what in _alone(own, others)]
    said = [f"Only in {run}: {', '.join(each)}." for run, each in alone.items() if each]
    said += [
        f"Measured on different tasks, so not compared, in “{title}”: {', '.join(dict.fromkeys(names))}."
        for title, names in unlike.items()
    ]
    return RunComparison(list(runs), shared, said)


def _alone(own: Iterable[_Key], others: Sequence[_Key]) -> list[str]:
    """Pairs that no other run compares, and measures that no other run has of the pairs that it does."""
    pairs = {pair for _, _, pair in others}
    missing = [key for key in own if key not in others]
    return list(dict.fromkeys(measure if pair in pairs else pair for _, measure, pair in missing))


@dataclass(frozen=True)
class _Differences:
    """The differences of one measure and pair, and what they were measured on where the name does not say it."""

    comparisons: list[Comparison]
    on: str


def _differences(section: Section) -> dict[_Key, _Differences]:
    return {
        (row.group, row.name, pair): _Differences(comparisons, _measured_on(section, row))
        for row in section.rows
        for pair, comparisons in row.comparisons.items()
    }


def _measured_on(section: Section, row: Row) -> str:
    """The tasks of a mean, the corpus of an index or of isotropy; empty where it is unknown or the name has it."""
    if row.group == "isotropy":
        return section.isotropy_of
    averaged = [each.name for each in section.rows if each.group == row.group] if row.name.startswith("mean ") else []
    if row.group != "retrieval":
        return ", ".join(averaged)
    corpora = dict.fromkeys(corpus for each in section.indexes.values() for corpus in each)
    return "" if row.name.startswith(tuple(f"{corpus}: " for corpus in corpora)) else ", ".join([*corpora, *averaged])


def _shared(title: str, key: _Key, having: Mapping[str, list[Comparison]]) -> SharedDifference:
    """Compare on the estimand for which most runs have an interval, new training runs where that leaves a choice."""
    counts = Counter(c.estimand for each in having.values() for c in each if c.low is not None)
    estimand = max(counts, key=lambda each: (counts[each], each == NEW_RUNS), default=NEW_RUNS)
    chosen = {run: next((c for c in each if c.estimand == estimand), each[0]) for run, each in having.items()}
    intervals = [(c.low, c.high) for c in chosen.values() if c.estimand == estimand and c.low is not None]
    return SharedDifference(title, *key, chosen, _reading([(low, high) for low, high in intervals if high is not None]))


def _reading(intervals: list[tuple[float, float]]) -> str:
    if len(intervals) < 2:
        return "undecided"
    if all(low > 0 for low, _ in intervals) or all(high < 0 for _, high in intervals):
        return "agree"
    if max(low for low, _ in intervals) > min(high for _, high in intervals):
        return "contradict"
    return "agree on none" if all(low <= 0 <= high for low, high in intervals) else "overlap"
