"""The result of a run, as `summary.json` stores it: sections of rows with paired comparisons, verdicts, and curves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

from evaluation.measured import CurvePoint, Distributions, IndexQuality
from evaluation.report.corpora import as_one
from evaluation.report.grid_ends import AT_AN_END, Candidate, Counted, GridEnd, discount_ends, grid_ends
from evaluation.report.measures import GROUPS, Measure, Pair, Row
from evaluation.report.wording import measure_name, scope
from evaluation.statistics.dose_response import Answer, transfer
from evaluation.statistics.intervals import FEWEST_TASKS, LEVEL, NEW_RUNS, NEW_TASKS, Comparison
from evaluation.statistics.verdict import Outcome, describe_difference, describe_unseen, holm, verdict

START = "start"  # the model before any training
NONE = "none"  # the objective alone, which every study has


@dataclass(frozen=True)
class Finding:
    """A verdict.

    Attributes:
        pair: What is compared.
        measure: What it rests on.
        comparison: The difference it rests on.
        family: The number of findings of its group that are adjusted together; 1 where nothing is adjusted.
        adjusted_p: Holm's p-value over them; None without an interval.
        tasks: How many tasks it is about, parts of one corpus as one; None for isotropy and indexes.
        ends: Choices of the pair that lie at an end of their grids.
    """

    pair: Pair
    measure: Measure
    comparison: Comparison
    family: int = 1
    adjusted_p: float | None = None
    tasks: int | None = None
    ends: tuple[GridEnd, ...] = ()

    @property
    def alone(self) -> Outcome:
        """The outcome if it were the only one of its group, wherever the choices lie."""
        return verdict(self.comparison, self.measure.greater_is_better).outcome

    @property
    def outcome(self) -> Counted:
        """The outcome; a difference that does not survive the adjustment counts as none."""
        return discount_ends("no difference found" if self._fails_adjustment else self.alone, self.ends)

    @property
    def scope(self) -> str:
        """Over what it generalizes."""
        return scope(self.comparison.estimand, self.tasks)

    @property
    def sentence(self) -> str:
        """The outcome with its numbers, and the choices that lie at an end."""
        comparison, name = replace(self.comparison, estimand=self.scope), self.measure.name
        adjusted = ""
        if self.family > 1 and self.adjusted_p is not None:
            adjusted = f"; Holm's p {self.adjusted_p:.2g} among {self.family} comparisons"
        if self._fails_adjustment:
            text = (
                f"no difference found among {self.family} comparisons, {self.alone} if it were the only one: "
                f"{describe_difference(comparison, name)}{adjusted}; "
                f"{describe_unseen(comparison)}"
            )
        elif self.outcome == AT_AN_END:
            text = f"{AT_AN_END}, so not counted as {self.alone}: {describe_difference(comparison, name)}{adjusted}"
        else:
            text = f"{verdict(comparison, self.measure.greater_is_better, name).sentence}{adjusted}"
        return "; ".join([text, *(end.sentence for end in self.ends)])

    @property
    def _fails_adjustment(self) -> bool:
        found = self.alone in ("better", "worse")
        return found and self.family > 1 and self.adjusted_p is not None and self.adjusted_p > 1 - LEVEL


@dataclass(frozen=True)
class TransferAnswer:
    """Whether more isotropy goes with a better validation score, over the weights of one regularizer.

    Attributes:
        variant: Name of the regularizer.
        metric: The isotropy measure.
        comparison: The rank correlation with its interval.
    """

    variant: str
    metric: str
    comparison: Comparison

    @property
    def measure(self) -> str:
        """The isotropy measure, as a reader sees it."""
        return measure_name(self.metric)

    @property
    def answer(self) -> Answer:
        """The answer, in a word."""
        return transfer(self.comparison).answer

    @property
    def sentence(self) -> str:
        """The answer with its numbers."""
        return transfer(self.comparison).sentence


@dataclass(frozen=True)
class Transformed:
    """A trained variant with a post-hoc transform appended.

    Attributes:
        variant: `NONE` or the name of a regularizer.
        transform: The transform.
    """

    variant: str
    transform: str

    @property
    def name(self) -> str:
        """Its name in the report."""
        return self.transform if self.variant == NONE else f"{self.variant} + {self.transform}"


@dataclass(frozen=True)
class Section:
    """The results of one start model under one training regime, or of one comparison of given models.

    Attributes:
        title: The model and the regime.
        variants: Names of the variants, in the order of the table.
        rows: All measures.
        isotropy_of: The task whose texts isotropy was measured on; empty if unknown.
        model: The start model; empty for a comparison of given models, like the two that follow.
        regime: Name of the regime.
        objective: Its objective.
        transformed: The variants that end in a post-hoc transform.
        corpora: Names of the tasks that are parts of one corpus and count as one, a list for each.
        tuning: Every setting that was tried on the validation tasks.
        transfer: Whether isotropy transfers, per regularizer and measure.
        curves: Per variant and retrieval task, points of search effort against recall and nDCG@10, averaged over runs.
        indexes: Per variant and retrieval task, the quality of each index, averaged over runs.
        distributions: Per variant, of its first run.
        training: Per variant, of its first run: the logged terms of the loss, each as pairs of step and value.
    """

    title: str
    variants: list[str]
    rows: list[Row]
    isotropy_of: str = ""
    model: str = ""
    regime: str = ""
    objective: str = ""
    transformed: list[Transformed] = field(default_factory=list)
    corpora: list[list[str]] = field(default_factory=list)
    tuning: list[Candidate] = field(default_factory=list)
    transfer: list[TransferAnswer] = field(default_factory=list)
    curves: dict[str, dict[str, list[CurvePoint]]] = field(default_factory=dict)
    indexes: dict[str, dict[str, list[IndexQuality]]] = field(default_factory=dict)
    distributions: dict[str, Distributions] = field(default_factory=dict)
    training: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    @property
    def pairs(self) -> list[Pair]:
        """The compared pairs, in the order of the rows."""
        return list(dict.fromkeys(difference.pair for row in self.rows for difference in row.differences))

    @property
    def reference(self) -> str | None:
        """The variant that all others are compared with; None if there is no such variant."""
        olds = {pair.old for pair in self.pairs}
        return olds.pop() if len(olds) == 1 else None

    @cached_property
    def grid_ends(self) -> list[GridEnd]:
        """The choices that lie at an end of their grids."""
        return grid_ends(self.tuning)

    def ends_of(self, pair: Pair) -> list[GridEnd]:
        """Those on which a difference rests; a transformed variant has the choices of the one it is made from."""
        made_from = {one.name: one.variant for one in self.transformed}
        tuned = {made_from.get(variant, variant) for variant in (pair.new, pair.old)}
        return [end for end in self.grid_ends if end.variant in tuned]

    def tasks_of(self, measure: Measure) -> int | None:
        """How many tasks a measure is about, parts of one corpus as one; None for isotropy and indexes."""
        if measure.group not in ("similarity", "labels"):
            return None
        if not measure.is_mean:
            return 1
        averaged = [row.measure.task for row in self.rows if row.measure.group == measure.group and row.measure.task]
        return len(as_one(averaged, self.corpora)) or None

    def findings(self) -> list[Finding]:
        """One finding per group and compared pair, on the measure fixed beforehand.

        Where that measure has no interval for any pair, because there is one run only, each measure of the group that
        has one and counts speaks for itself; where none has, the group is undecided, as it is for a pair that lacks a
        part of the measure. Where a group has several findings beside one reference, of several pairs or measures,
        their p-values are adjusted after Holm, and a difference that does not survive it counts as none.
        """
        found = [
            Finding(
                pair,
                row.measure,
                main_comparison(row.comparisons(pair)),
                tasks=self.tasks_of(row.measure),
                ends=tuple(self.ends_of(pair)),
            )
            for pair in self.pairs
            for group in GROUPS
            for row in _deciding_rows([row for row in self.rows if row.measure.group == group], pair)
        ]
        return adjust_findings(found)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; names, outcomes and sentences are there for readers and are not read back."""
        return {
            **asdict(self),
            "rows": [{"name": row.name, **asdict(row)} for row in self.rows],
            "grid_ends": [asdict(end) for end in self.grid_ends],
            "transfer": [{**asdict(one), "answer": one.answer, "sentence": one.sentence} for one in self.transfer],
            "findings": [
                {"group": one.measure.group, "outcome": one.outcome, **asdict(one), "sentence": one.sentence}
                for one in self.findings()
            ],
        }


@dataclass(frozen=True)
class Cost:
    """The cost of a run.

    Attributes:
        seconds: Time.
        peak_memory_gib: Peak memory.
        indexes: Of a study, seconds to build and search each index, per section, variant, retrieval task and index.
    """

    seconds: float
    peak_memory_gib: float
    indexes: dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """The result of a run, as `summary.json` stores it.

    Attributes:
        title: One sentence on what was run.
        sections: One per start model and regime.
        notes: Notes to the tables.
        timing: Its cost.
        missing: A sentence for each part that could not be measured.
    """

    title: str
    sections: list[Section]
    notes: list[str]
    timing: Cost
    missing: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {**asdict(self), "sections": [section.to_dict() for section in self.sections]}


def main_comparison(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison over new training runs if there are several, the harder question; otherwise over queries or tasks.

    Earlier versions compared over fewer tasks than a verdict can rest on; those comparisons are passed over.
    """
    comparisons = [c for c in comparisons if c.estimand != NEW_TASKS or c.n >= FEWEST_TASKS]
    with_interval = [c for c in comparisons if c.low is not None]
    speaking = with_interval or [c for c in comparisons if c.n > 1] or comparisons
    return next((c for c in speaking if c.estimand == NEW_RUNS), speaking[0])


def _deciding_rows(rows: Sequence[Row], pair: Pair) -> list[Row]:
    """The rows of a group that a pair's verdicts rest on."""
    compared = [row for row in rows if row.differences]
    of_pair = [row for row in compared if row.comparisons(pair)]
    if not of_pair:
        return []
    ranked = [row for row in compared if row.measure.rank is not None]
    deciding = min(ranked, key=lambda row: row.measure.rank or 0, default=compared[0])
    own = [deciding] if deciding.comparisons(pair) else []
    if any(_has_interval(deciding, difference.pair) for difference in deciding.differences):
        return own
    return [row for row in of_pair if _has_interval(row, pair) and row.measure.counts] or own or of_pair[:1]


def _has_interval(row: Row, pair: Pair) -> bool:
    comparisons = row.comparisons(pair)
    return bool(comparisons) and main_comparison(comparisons).low is not None


def adjust_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Give each finding that has a p-value the size of its family, and Holm's p-value in it.

    A family is a group of measures and one reference: differences from the objective and from the start model answer
    two questions.
    """
    adjusted: dict[int, tuple[int, float]] = {}
    for group, reference in dict.fromkeys((finding.measure.group, finding.pair.old) for finding in findings):
        p_values = {
            place: finding.comparison.p
            for place, finding in enumerate(findings)
            if (finding.measure.group, finding.pair.old) == (group, reference) and finding.comparison.p is not None
        }
        found = holm(list(p_values.values()))
        adjusted |= {place: (len(found), p) for place, p in zip(p_values, found, strict=True)}
    return [
        replace(finding, family=family, adjusted_p=adjusted_p)
        for place, finding in enumerate(findings)
        for family, adjusted_p in [adjusted.get(place, (1, finding.comparison.p))]
    ]
