"""What a run found: one row a measure, with paired comparisons, and one verdict a group of measures."""

from dataclasses import asdict, dataclass
from typing import Any

from evaluation.statistics import NEW_RUNS, Comparison, Verdict, verdict

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
class Summary:
    """The result of a run, as it stands in `summary.json`.

    Attributes:
        title: What was done, in a sentence.
        variants: Names of the variants, in the order of the table.
        rows: All measures.
        notes: What a reader must know beside the table.
        timing: Seconds and peak memory.
    """

    title: str
    variants: list[str]
    rows: list[Row]
    notes: list[str]
    timing: dict[str, Any]

    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """Per compared pair and group, the outcome on the measure named beforehand."""
        pairs = list(dict.fromkeys(pair for row in self.rows for pair in row.comparisons))
        found: dict[str, dict[str, Verdict]] = {pair: {} for pair in pairs}
        for group in GROUPS:
            rows = {row.name: row for row in self.rows if row.group == group}
            if not rows:
                continue
            deciding = next((rows[name] for name in DECIDING[group] if name in rows), next(iter(rows.values())))
            for pair in pairs:
                comparison = _strictest(deciding.comparisons[pair])
                if comparison is not None:
                    found[pair][group] = _verdict(deciding, comparison)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **asdict(self),
            "verdicts": {p: {g: asdict(v) for g, v in vs.items()} for p, vs in self.verdicts().items()},
        }


def _strictest(comparisons: list[Comparison]) -> Comparison | None:
    """New training runs where there are several: the harder question. Otherwise these runs on new queries."""
    with_interval = [c for c in comparisons if c.low is not None] or comparisons
    return next((c for c in with_interval if c.estimand == NEW_RUNS), with_interval[0] if with_interval else None)


def _verdict(row: Row, comparison: Comparison) -> Verdict:
    found = verdict(comparison, row.greater_is_better)
    return Verdict(found.outcome, f"{row.name} {found.sentence}")
