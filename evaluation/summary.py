"""What a run found: one row a measure, with paired comparisons, and a verdict for each group of measures."""

from dataclasses import asdict, dataclass
from typing import Any

from evaluation.statistics import NEW_RUNS, Comparison, verdict

GROUPS = ("isotropy", "tasks", "retrieval")
# Named before anything is run: the one measure of each group on which its verdict rests, or the next one that is there.
DECIDING = {
    "isotropy": ("IsoScore",),
    "tasks": ("mean of the tasks",),
    "retrieval": ("mean of the approximate indexes", "flat nDCG@10"),
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
    """

    pair: str
    group: str
    measure: str
    outcome: str
    sentence: str


@dataclass(frozen=True)
class Summary:
    """The result of a run, as it stands in `summary.json`.

    Attributes:
        title: What was done, in a sentence.
        variants: Names of the variants, in the order of the table.
        rows: All measures.
        notes: What a reader must know beside the table.
        timing: `seconds` and `peak_memory_gib`.
    """

    title: str
    variants: list[str]
    rows: list[Row]
    notes: list[str]
    timing: dict[str, float]

    def findings(self) -> list[Finding]:
        """One finding a group and compared pair, on the measure named beforehand.

        Where that measure has no interval, because there is one run only, each measure of the group that has one speaks
        for itself; where none has, the group is undecided.
        """
        pairs = dict.fromkeys(pair for row in self.rows for pair in row.comparisons)
        return [
            _finding(row, pair)
            for pair in pairs
            for group in GROUPS
            for row in _speaking([row for row in self.rows if row.group == group], pair)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings()]}


def _speaking(rows: list[Row], pair: str) -> list[Row]:
    if not rows:
        return []
    deciding = next((row for name in DECIDING[rows[0].group] for row in rows if row.name == name), rows[0])
    if _has_interval(deciding, pair):
        return [deciding]
    return [row for row in rows if _has_interval(row, pair)] or [deciding]


def _has_interval(row: Row, pair: str) -> bool:
    return any(comparison.low is not None for comparison in row.comparisons[pair])


def _finding(row: Row, pair: str) -> Finding:
    """New training runs where there are several, the harder question; otherwise these runs on new queries."""
    comparisons = row.comparisons[pair]
    with_interval = [c for c in comparisons if c.low is not None] or comparisons
    comparison = next((c for c in with_interval if c.estimand == NEW_RUNS), with_interval[0])
    found = verdict(comparison, row.greater_is_better, row.name)
    return Finding(pair, row.group, row.name, found.outcome, found.sentence)
