"""Several runs side by side: where their differences agree, where they contradict, and what only one has."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.report.headline import GROUP_TITLES
from evaluation.report.measures import GROUPS, Measure, Pair, Row
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import FLAG, Table
from evaluation.report.wording import difference
from evaluation.statistics.intervals import NEW_RUNS, Comparison

READINGS = {
    "contradict": "the intervals lie apart",
    "agree": "all intervals lie on the same side of zero",
    "agree on none": "no interval excludes zero",
    "overlap": "the intervals overlap, and only some exclude zero",
    "undecided": "there are not two intervals for the same estimand, or choices lie at an end of a grid",
}
_Key = tuple[str, Pair]  # name of the measure, and what is compared


@dataclass(frozen=True)
class SharedDifference:
    """One difference that several runs have measured.

    Attributes:
        section: Title of the section.
        measure: What is measured.
        pair: What is compared.
        comparisons: The difference in each run that has it.
        flagged: The runs in which it rests on a choice at an end of a grid, so that it is no part of the reading.
        reading: One of `READINGS`.
    """

    section: str
    measure: Measure
    pair: Pair
    comparisons: dict[str, Comparison]
    flagged: frozenset[str]
    reading: str

    @property
    def stands_out(self) -> bool:
        """Whether a verdict rests on it, or the runs contradict each other."""
        return self.measure.rank is not None or self.reading == "contradict"


@dataclass(frozen=True)
class RunComparison:
    """What several runs share.

    Attributes:
        runs: Their names.
        shared: Every difference that two or more have.
        alone: What is not compared: a sentence for each run with sections or differences that no other run has, and
            for each section in which runs use one name for measurements on different tasks.
    """

    runs: list[str]
    shared: list[SharedDifference]
    alone: list[str]

    @property
    def answer(self) -> str:
        """How many differences the runs share, and how they read."""
        if not self.shared:
            return "The runs have no difference in common: sections are matched by title, rows and pairs by name."
        counts = Counter(one.reading for one in self.shared)
        parts = [f"{counts[reading]} {reading} ({meaning})" for reading, meaning in READINGS.items() if counts[reading]]
        return f"Of {len(self.shared)} shared differences: {'; '.join(parts)}."

    def table(self, everything: bool = True) -> Table:
        """The differences side by side: all, or those that stand out."""
        groups: dict[str, list[list[str]]] = {}
        for one in self.shared:
            if everything or one.stands_out:
                cells = [_cell(one, run) if run in one.comparisons else "" for run in self.runs]
                title = f"{one.section}: {GROUP_TITLES[one.measure.group]}"
                groups.setdefault(title, []).append([one.measure.name, one.pair.name, *cells, one.reading])
        headers = ["measure", "pair", *self.runs, "reading"]
        return Table(headers, groups, words=(0, 1, len(headers) - 1))


@dataclass(frozen=True)
class _Found:
    """The differences of one measure and pair in one run."""

    measure: Measure
    comparisons: list[Comparison]
    flagged: bool  # whether it rests on a choice at an end of a grid
    measured_on: str  # where the name of the measure does not say it


def compare_runs(runs: Mapping[str, Summary]) -> RunComparison:
    """Put the differences of several runs side by side.

    Sections are matched by title, rows and pairs by name. If every run has exactly one section, titles are ignored, so
    that two settings of one command can be compared. Means over different tasks and measures on different corpora are
    not matched.

    Args:
        runs: Summaries by the name of their run, two or more.

    Returns:
        The shared differences, in the order of the first run that has them, and what is in one run only.
    """
    shared: list[SharedDifference] = []
    alone: dict[str, list[str]] = {run: [] for run in runs}
    unlike: list[str] = []
    for title, sections in _matched_sections(runs).items():
        if len(sections) == 1:
            alone[next(iter(sections))].append(f"section “{title}”")
            continue
        differences = {run: _differences(section) for run, section in sections.items()}
        names = []
        for key in _ordered_keys(differences.values()):
            having = {run: found[key] for run, found in differences.items() if key in found}
            if len({found.measured_on for found in having.values() if found.measured_on}) > 1:
                names.append(key[0])
            elif len(having) > 1:
                shared.append(_shared(title, key[1], having))
        if names:
            listed = ", ".join(dict.fromkeys(names))
            unlike.append(f"Measured on different tasks, so not compared, in “{title}”: {listed}.")
        for run, found in differences.items():
            others = [key for other, keys in differences.items() if other != run for key in keys]
            alone[run] += [f"{what} in “{title}”" for what in _alone(found, others)]
    only = [f"Only in {run}: {', '.join(parts)}." for run, parts in alone.items() if parts]
    return RunComparison(list(runs), shared, [*only, *unlike])


def _matched_sections(runs: Mapping[str, Summary]) -> dict[str, dict[str, Section]]:
    """Per title, the section of every run that has it."""
    if all(len(summary.sections) == 1 for summary in runs.values()):
        title = " / ".join(dict.fromkeys(summary.sections[0].title for summary in runs.values()))
        return {title: {run: summary.sections[0] for run, summary in runs.items()}}
    matched: dict[str, dict[str, Section]] = {}
    for run, summary in runs.items():
        for section in summary.sections:
            matched.setdefault(section.title, {})[run] = section
    return matched


def _differences(section: Section) -> dict[_Key, _Found]:
    return {
        (row.name, compared.pair): _Found(
            row.measure, compared.comparisons, bool(section.ends_of(compared.pair)), _measured_on(section, row)
        )
        for row in section.rows
        for compared in row.differences
    }


def _ordered_keys(differences: Iterable[Mapping[_Key, _Found]]) -> list[_Key]:
    """Every measure and pair, by the group of the measure."""
    groups = {key: GROUPS.index(found.measure.group) for of_run in differences for key, found in of_run.items()}
    return sorted(groups, key=lambda key: groups[key])


def _alone(own: Iterable[_Key], others: Sequence[_Key]) -> list[str]:
    """Pairs that no other run compares, and measures that no other run has of the pairs that it does."""
    pairs = {pair for _, pair in others}
    missing = [key for key in own if key not in others]
    return list(dict.fromkeys(measure if pair in pairs else pair.name for measure, pair in missing))


def _measured_on(section: Section, row: Row) -> str:
    """The tasks of a mean, or the corpus of an index or of isotropy; empty if unknown or if the name says it."""
    measure = row.measure
    if measure.group == "isotropy":
        return section.isotropy_of
    of_group = [other for other in section.rows if other.measure.group == measure.group]
    averaged = [other.name for other in of_group] if measure.is_mean else []
    if measure.group != "retrieval":
        return ", ".join(averaged)
    corpora = dict.fromkeys(other.measure.task for other in of_group if other.measure.task)
    return ", ".join([*corpora, *averaged]) if measure.is_mean or measure.only_corpus else ""


def _shared(title: str, pair: Pair, having: Mapping[str, _Found]) -> SharedDifference:
    """Compare by the estimand for which most runs have an interval; in a tie, by new training runs."""
    comparisons = {run: found.comparisons for run, found in having.items()}
    counts = Counter(c.estimand for of_run in comparisons.values() for c in of_run if c.low is not None)
    estimand = max(counts, key=lambda name: (counts[name], name == NEW_RUNS), default=NEW_RUNS)
    chosen = {
        run: next((c for c in of_run if c.estimand == estimand), of_run[0]) for run, of_run in comparisons.items()
    }
    flagged = frozenset(run for run, found in having.items() if found.flagged)
    intervals = [
        (c.low, c.high)
        for run, c in chosen.items()
        if run not in flagged and c.estimand == estimand and c.low is not None and c.high is not None
    ]
    measure = next(iter(having.values())).measure
    return SharedDifference(title, measure, pair, chosen, flagged, _reading(intervals))


def _cell(shared: SharedDifference, run: str) -> str:
    text = difference(shared.comparisons[run])
    return f"{FLAG} {text}" if run in shared.flagged else text


def _reading(intervals: list[tuple[float, float]]) -> str:
    if len(intervals) < 2:
        return "undecided"
    if all(low > 0 for low, _ in intervals) or all(high < 0 for _, high in intervals):
        return "agree"
    if max(low for low, _ in intervals) > min(high for _, high in intervals):
        return "contradict"
    return "agree on none" if all(low <= 0 <= high for low, high in intervals) else "overlap"
