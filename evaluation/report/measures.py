"""What is measured, which variants are compared, and the values: typed facts from which names and verdicts are made."""

from dataclasses import dataclass, field
from typing import Literal

from evaluation.measured import EXACT, Status
from evaluation.report.wording import measure_name, metric_name
from evaluation.statistics.intervals import Comparison

# Tasks on similarities and tasks on labels answer to isotropy in different ways, so they are never averaged.
Group = Literal["isotropy", "similarity", "labels", "retrieval"]
GROUPS: tuple[Group, ...] = ("isotropy", "similarity", "labels", "retrieval")
MEAN_NAMES = {
    "similarity": "mean of STS and retrieval",
    "labels": "mean of classification and clustering",
    "retrieval": "mean of the approximate indexes",
}
NO_COUNT: tuple[Status, ...] = ("no headroom", "out of range")  # where an index can show neither a gain nor a loss
LOWER_IS_MORE_ISOTROPIC = {"average_cosine", "hubness_skewness", "first_component_share"}


@dataclass(frozen=True)
class Pair:
    """Two variants of which the first is compared with the second."""

    new: str
    old: str

    @property
    def name(self) -> str:
        """The difference, as tables name it."""
        return f"{self.new} − {self.old}"


@dataclass(frozen=True)
class Measure:
    """What is measured.

    Attributes:
        group: One of `GROUPS`.
        metric: Name of an isotropy measure, of a task's score as mteb has it, or "retention", what an index keeps of
            exact search; empty for the mean over the tasks of a group.
        task: The task, or the corpus that an index searches; empty for isotropy and for a mean over several.
        index: The index; empty outside the retrieval group and for the mean over the approximate indexes.
        status: Whether the index counts; None without one.
        only_corpus: Whether no other corpus is searched, so that the name leaves it out.
    """

    group: Group
    metric: str = ""
    task: str = ""
    index: str = ""
    status: Status | None = None
    only_corpus: bool = False

    @property
    def name(self) -> str:
        """Its name for readers, with the reason if an index does not count."""
        if self.group == "isotropy":
            return measure_name(self.metric)
        if self.is_mean and not self.index:
            return MEAN_NAMES[self.group]
        if not self.index:
            return f"{self.task} {metric_name(self.metric)}"
        corpus = "" if self.only_corpus else f"{self.task or 'mean over corpora'}: "
        remark = f" ({self.status})" if self.status in NO_COUNT else ""
        return f"{corpus}{self.index} {metric_name(self.metric)}{remark}"

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean over several tasks, corpora or indexes."""
        return self.group != "isotropy" and not self.task

    @property
    def counts(self) -> bool:
        """Whether a verdict can rest on it."""
        return self.status not in NO_COUNT

    @property
    def greater_is_better(self) -> bool:
        """The direction in which it improves: for isotropy, towards the isotropic cloud."""
        return not (self.group == "isotropy" and self.metric in LOWER_IS_MORE_ISOTROPIC)

    @property
    def rank(self) -> int | None:
        """Its rank among the measures that decide its group's verdict, fixed before anything is run; None for others.

        Of retrieval this is the mean of the approximate indexes, or exact search where none of them is in range.
        """
        if self.group == "isotropy":
            return 0 if self.metric == "isoscore" else None
        if self.group != "retrieval":
            return 0 if self.is_mean else None
        if self.is_mean and not self.index:
            return 0
        exact = self.index == EXACT and self.metric == "ndcg_at_10"
        return 1 if exact and self.is_mean else 2 if exact and self.only_corpus else None


@dataclass(frozen=True)
class Difference:
    """The difference of a pair by one measure.

    Attributes:
        pair: What is compared.
        comparisons: The difference over each estimand that the data allow.
    """

    pair: Pair
    comparisons: list[Comparison]


@dataclass(frozen=True)
class Row:
    """One measure over all variants.

    Attributes:
        measure: What is measured.
        values: Per variant, the values of its runs.
        differences: One per compared pair.
        isotropic: The value that an isotropic cloud of the same size would give; None outside the isotropy group, and
            where the variants differ in it, as models of different dimension do.
        isotropic_of: That value for each variant, where they differ in it.
    """

    measure: Measure
    values: dict[str, list[float]]
    differences: list[Difference] = field(default_factory=list)
    isotropic: float | None = None
    isotropic_of: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a reader sees."""
        return self.measure.name

    def comparisons(self, pair: Pair) -> list[Comparison]:
        """The differences of a pair; empty where it is not compared."""
        return next((difference.comparisons for difference in self.differences if difference.pair == pair), [])

    def mean(self, variant: str) -> float:
        """The mean over the runs of a variant."""
        return sum(self.values[variant]) / len(self.values[variant])
