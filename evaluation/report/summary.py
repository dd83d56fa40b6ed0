"""What a run found, as it stands in `summary.json`: sections of rows with paired comparisons, verdicts, and curves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from evaluation.measured import CurvePoint, Distributions, IndexQuality
from evaluation.statistics.intervals import LEVEL, NEW_RUNS, Comparison
from evaluation.statistics.verdict import holm, verdict

# Tasks on similarities and tasks on labels answer to isotropy in different ways, so they are never averaged.
GROUPS = ("isotropy", "similarity", "labels", "retrieval")
APPROXIMATE_MEAN = "mean of the approximate indexes"
# Named before anything is run: the one measure of each group on which its verdict rests, or the next one that is there.
DECIDING = {
    "isotropy": ("IsoScore",),
    "similarity": ("mean of STS and retrieval",),
    "labels": ("mean of classification and clustering",),
    "retrieval": (APPROXIMATE_MEAN, "mean over corpora: flat nDCG@10", "flat nDCG@10"),
}


@dataclass(frozen=True)
class Row:
    """One measure over all variants.

    Attributes:
        group: One of `GROUPS`.
        name: What is measured, with its unit where it has one.
        greater_is_better: The direction in which the measure improves (for isotropy: towards the isotropic cloud).
        isotropic: The value that an isotropic cloud of the same size would give; None outside the isotropy group.
        values: Per variant, the values of its runs.
        comparisons: Per compared pair, named "new − old", the differences over each estimand that the data allow.
    """

    group: str
    name: str
    greater_is_better: bool
    isotropic: float | None
    values: dict[str, list[float]]
    comparisons: dict[str, list[Comparison]]

    @property
    def remark(self) -> str:
        """Why an index does not count, such as "no headroom", as it stands behind the name; empty where it does."""
        remarked = self.group == "retrieval" and self.name.endswith(")")
        return self.name.rpartition(" (")[2].removesuffix(")") if remarked else ""

    def mean(self, variant: str) -> float:
        """The mean over the runs of a variant."""
        return sum(self.values[variant]) / len(self.values[variant])


@dataclass(frozen=True)
class Finding:
    """A verdict.

    Attributes:
        pair: What is compared, "new − old".
        group: One of `GROUPS`.
        measure: Name of the row it rests on.
        outcome: "better", "worse", "no difference found" or "undecided".
        sentence: The outcome with its numbers.
        comparison: The difference it rests on.
        greater_is_better: The direction in which the measure improves.
        adjusted_p: Holm's p-value over all findings of this group; None without an interval.
    """

    pair: str
    group: str
    measure: str
    outcome: str
    sentence: str
    comparison: Comparison
    greater_is_better: bool
    adjusted_p: float | None = None


@dataclass(frozen=True)
class Candidate:
    """One setting of a regularizer that was tried on the validation tasks.

    Attributes:
        variant: Name of the regularizer, or "none".
        weight: Its weight; 0 for "none".
        learning_rate: Peak learning rate.
        scores: Mean validation score in points, per tuning seed.
        isotropy: Per isotropy measure, its value per tuning seed.
        chosen: Whether the test tasks were run with this setting.
    """

    variant: str
    weight: float | str
    learning_rate: float
    scores: list[float]
    isotropy: dict[str, list[float]]
    chosen: bool


@dataclass(frozen=True)
class TransferAnswer:
    """Whether more isotropy goes with a better validation score, over the weights of one regularizer.

    Attributes:
        variant: Name of the regularizer.
        measure: The isotropy measure.
        answer: "yes", "no evidence", "the opposite" or "undecided".
        sentence: The answer with its numbers.
        comparison: The rank correlation with its interval.
    """

    variant: str
    measure: str
    answer: str
    sentence: str
    comparison: Comparison


@dataclass(frozen=True)
class Section:
    """What one start model gave under one training regime, or one comparison of given models.

    Attributes:
        title: The model and the regime.
        variants: Names of the variants, in the order of the table.
        rows: All measures.
        isotropy_of: The task whose texts the isotropy was measured on; empty where the summary is older than that.
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
    tuning: list[Candidate] = field(default_factory=list)
    transfer: list[TransferAnswer] = field(default_factory=list)
    curves: dict[str, dict[str, list[CurvePoint]]] = field(default_factory=dict)
    indexes: dict[str, dict[str, list[IndexQuality]]] = field(default_factory=dict)
    distributions: dict[str, Distributions] = field(default_factory=dict)
    training: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """One finding a group and compared pair, on the measure named beforehand.

        Where that measure has no interval for any pair, because there is one run only, each measure of the group that
        has one and counts speaks for itself; where none has, the group is undecided, as it is for a pair that lacks a
        part of the measure. Where a group has several findings, of several pairs or measures, their p-values are
        adjusted after Holm, and a difference that does not survive it counts as none.
        """
        pairs = dict.fromkeys(pair for row in self.rows for pair in row.comparisons)
        found = [
            _finding(row, pair)
            for pair in pairs
            for group in GROUPS
            for row in _speaking([row for row in self.rows if row.group == group and row.comparisons], pair)
        ]
        for group in GROUPS:
            places = [at for at, each in enumerate(found) if each.group == group and each.adjusted_p is not None]
            for place, p in zip(places, holm([found[each].adjusted_p or 0.0 for each in places]), strict=True):
                found[place] = _adjusted(found[place], p, len(places))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings()]}


@dataclass(frozen=True)
class Summary:
    """The result of a run, as it stands in `summary.json`.

    Attributes:
        title: What was done, in a sentence.
        sections: One per start model and regime.
        notes: What a reader must know beside the tables.
        timing: `seconds` and `peak_memory_gib`; of a study, `indexes` as well: seconds to build and search each index.
        missing: A sentence for each part that could not be measured.
    """

    title: str
    sections: list[Section]
    notes: list[str]
    timing: dict[str, Any]
    missing: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "sections": [section.to_dict() for section in self.sections]}


def _speaking(rows: list[Row], pair: str) -> list[Row]:
    """The rows of a group that a pair's verdicts rest on."""
    of_pair = [row for row in rows if pair in row.comparisons]
    if not of_pair:
        return []
    deciding = next((row for name in DECIDING[rows[0].group] for row in rows if row.name == name), rows[0])
    own = [deciding] if pair in deciding.comparisons else []
    if any(_has_interval(deciding, each) for each in deciding.comparisons):
        return own
    return [row for row in of_pair if _has_interval(row, pair) and not row.remark] or own or of_pair[:1]


def _has_interval(row: Row, pair: str) -> bool:
    return any(comparison.low is not None for comparison in row.comparisons[pair])


def main_comparison(comparisons: Sequence[Comparison]) -> Comparison:
    """New training runs where there are several, the harder question; otherwise these runs on new queries."""
    with_interval = [c for c in comparisons if c.low is not None]
    speaking = with_interval or [c for c in comparisons if c.n > 1] or comparisons
    return next((c for c in speaking if c.estimand == NEW_RUNS), speaking[0])


def _finding(row: Row, pair: str) -> Finding:
    comparison = main_comparison(row.comparisons[pair])
    found = verdict(comparison, row.greater_is_better, row.name)
    return Finding(
        pair, row.group, row.name, found.outcome, found.sentence, comparison, row.greater_is_better, comparison.p
    )


def _adjusted(finding: Finding, p: float, family: int) -> Finding:
    if family == 1:
        return finding
    outcome, sentence = finding.outcome, f"{finding.sentence}; Holm's p {p:.2g} among {family} comparisons"
    if outcome in ("better", "worse") and p > 1 - LEVEL:
        sentence = (
            f"no difference found among {family} comparisons, {outcome} if it were the only one: "
            + (sentence.partition(": ")[2])
        )
        sentence += f"; a true difference under {finding.comparison.detectable:.2g} would often go unseen"
        outcome = "no difference found"
    return replace(finding, outcome=outcome, sentence=sentence, adjusted_p=p)
