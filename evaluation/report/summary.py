"""What a run found, as it stands in `summary.json`: sections of rows with paired comparisons, verdicts, and curves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from evaluation.measured import CurvePoint, Distributions, IndexQuality
from evaluation.report.measures import GROUPS, Measure, Pair, Row
from evaluation.report.wording import measure_name
from evaluation.statistics.dose_response import Answer, transfer
from evaluation.statistics.intervals import LEVEL, NEW_RUNS, Comparison
from evaluation.statistics.verdict import Outcome, describe_difference, holm, verdict

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
    """

    pair: Pair
    measure: Measure
    comparison: Comparison
    family: int = 1
    adjusted_p: float | None = None

    @property
    def alone(self) -> Outcome:
        """The outcome if it were the only one of its group."""
        return verdict(self.comparison, self.measure.greater_is_better).outcome

    @property
    def outcome(self) -> Outcome:
        """The outcome; a difference that does not survive the adjustment counts as none."""
        return "no difference found" if self._fails_adjustment else self.alone

    @property
    def sentence(self) -> str:
        """The outcome with its numbers."""
        comparison, name = self.comparison, self.measure.name
        if self.family == 1 or self.adjusted_p is None:
            return verdict(comparison, self.measure.greater_is_better, name).sentence
        adjusted = f"Holm's p {self.adjusted_p:.2g} among {self.family} comparisons"
        if not self._fails_adjustment:
            return f"{verdict(comparison, self.measure.greater_is_better, name).sentence}; {adjusted}"
        return (
            f"no difference found among {self.family} comparisons, {self.alone} if it were the only one: "
            f"{describe_difference(comparison, name)}; {adjusted}; "
            f"a true difference under {comparison.detectable:.2g} would often go unseen"
        )

    @property
    def _fails_adjustment(self) -> bool:
        found = self.alone in ("better", "worse")
        return found and self.family > 1 and self.adjusted_p is not None and self.adjusted_p > 1 - LEVEL


@dataclass(frozen=True)
class Candidate:
    """One setting of a regularizer that was tried on the validation tasks.

    Attributes:
        variant: Name of the regularizer, or `NONE`.
        weight: Its weight; 0 for an objective alone.
        learning_rate: Peak learning rate.
        scores: Mean validation score in points, per tuning seed.
        isotropy: Per isotropy measure, its value per tuning seed.
        chosen: Whether the test tasks were run with this setting.
        objective: The variant's own objective; empty for that of the section.
        temperature_scale: What cosines were multiplied by; None for the default, and without in-batch negatives.
    """

    variant: str
    weight: float | str
    learning_rate: float
    scores: list[float]
    isotropy: dict[str, list[float]]
    chosen: bool
    objective: str = ""
    temperature_scale: float | None = None

    @property
    def conditions(self) -> tuple[str, float | None, float]:
        """What was set besides the regularizer and its weight: own objective, temperature scale and learning rate."""
        return self.objective, self.temperature_scale, self.learning_rate


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
        """What the report calls it."""
        return self.transform if self.variant == NONE else f"{self.variant} + {self.transform}"


@dataclass(frozen=True)
class Section:
    """What one start model gave under one training regime, or one comparison of given models.

    Attributes:
        title: The model and the regime.
        variants: Names of the variants, in the order of the table.
        rows: All measures.
        isotropy_of: The task whose texts the isotropy was measured on; empty where that is not known.
        model: The start model; empty for a comparison of given models, like the two that follow.
        regime: Name of the regime.
        objective: Its objective.
        transformed: The variants that end in a post-hoc transform.
        tuning: Every setting that was tried on the validation tasks.
        transfer: Whether isotropy transfers, per regularizer and measure.
        curves: Per variant and retrieval task, points of search effort against recall and nDCG@10, averaged over runs.
        indexes: Per variant and retrieval task, what each index keeps, averaged over runs.
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

    def findings(self) -> list[Finding]:
        """One finding a group and compared pair, on the measure named beforehand.

        Where that measure has no interval for any pair, because there is one run only, each measure of the group that
        has one and counts speaks for itself; where none has, the group is undecided, as it is for a pair that lacks a
        part of the measure. Where a group has several findings beside one reference, of several pairs or measures,
        their p-values are adjusted after Holm, and a difference that does not survive it counts as none.
        """
        found = [
            Finding(pair, row.measure, main_comparison(row.comparisons(pair)))
            for pair in self.pairs
            for group in GROUPS
            for row in _deciding_rows([row for row in self.rows if row.measure.group == group], pair)
        ]
        adjusted = _adjusted_p_values(found)
        return [
            Finding(finding.pair, finding.measure, finding.comparison, *adjusted.get(place, (1, finding.comparison.p)))
            for place, finding in enumerate(found)
        ]

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; names, outcomes and sentences stand in it for its readers and are not read back."""
        return {
            **asdict(self),
            "rows": [{"name": row.name, **asdict(row)} for row in self.rows],
            "transfer": [{**asdict(one), "answer": one.answer, "sentence": one.sentence} for one in self.transfer],
            "findings": [
                {"group": one.measure.group, "outcome": one.outcome, **asdict(one), "sentence": one.sentence}
                for one in self.findings()
            ],
        }


@dataclass(frozen=True)
class Cost:
    """What a run took.

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
    """The result of a run, as it stands in `summary.json`.

    Attributes:
        title: What was done, in a sentence.
        sections: One per start model and regime.
        notes: What a reader must know beside the tables.
        timing: What it took.
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
    """New training runs where there are several, the harder question; otherwise these runs on new queries."""
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
    return any(comparison.low is not None for comparison in row.comparisons(pair))


def _adjusted_p_values(findings: Sequence[Finding]) -> dict[int, tuple[int, float]]:
    """For the place of each finding that has a p-value: the size of its family, and Holm's p-value in it.

    A family is a group beside one reference: what a variant changes beside the objective and beside the start model are
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
    return adjusted
