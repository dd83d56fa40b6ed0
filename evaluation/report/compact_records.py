"""The records of a compact result file; frequent ones are arrays, which need no field names."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from evaluation.measured import Setting, Status
from evaluation.report.measures import Group

OverRuns = Literal[0]
OVER_RUNS: OverRuns = 0  # stands for the comparison over the paired runs


class Method(NamedTuple):
    """How an interval was computed, or why there is none; its estimand; and the number of runs or queries."""

    method: str
    estimand: str
    n: int


class Compared(NamedTuple):
    """A comparison; its texts are given by their index among the methods of the file."""

    method: int
    estimate: float
    low: float | None = None
    high: float | None = None
    detectable: float | None = None
    p: float | None = None
    sign_flip_p: float | None = None


class CompactMeasure(NamedTuple):
    """The fields of `Measure` in their order."""

    group: Group
    metric: str = ""
    task: str = ""
    of_index: str = ""  # tuples have a method `index`
    status: Status | None = None
    only_corpus: bool = False


class CompactRow(NamedTuple):
    """A row: values by the index of the variant, comparisons by the index of the pair, None where there are none.

    A comparison that is `OVER_RUNS` follows from the values.
    """

    measure: CompactMeasure
    isotropic: float | None
    values: list[list[float] | None]
    differences: list[list[Compared | OverRuns] | None]


class CompactCandidate(NamedTuple):
    """The fields of `Candidate`; isotropy averaged over seeds, as the section's `tuned_measures` are ordered."""

    variant: str
    weight: float | str
    learning_rate: float
    chosen: bool
    scores: list[float]
    isotropy: list[float]
    extension: int = 0
    objective: str = ""
    temperature_scale: float | None = None


class CompactTransfer(NamedTuple):
    """The fields of `TransferAnswer`."""

    variant: str
    metric: str
    comparison: Compared


class CompactPoint(NamedTuple):
    """An index in one setting: its numbers by the index of the variant, None for a variant that was not measured."""

    task: str
    name: str
    setting: Setting
    numbers: list[list[float | None] | None]


class CompactCloud(NamedTuple):
    """The cosines of a variant, counted between evenly spaced edges, and its bars."""

    variant: str
    first_edge: float
    last_edge: float
    counts: list[int]
    bars: list[float]


class CompactTerm(NamedTuple):
    """A logged term of the loss of a variant; its steps are given by their index among the `steps` of the section."""

    variant: str
    term: str
    steps: int
    values: list[float]


@dataclass(frozen=True)
class CompactSection:
    """A section; its fields are those of `Section`."""

    title: str
    isotropy_of: str
    model: str
    regime: str
    objective: str
    variants: list[str]
    transformed: list[tuple[str, str]]
    pairs: list[tuple[str, str]]
    rows: list[CompactRow]
    tuned_measures: list[str]
    tuning: list[CompactCandidate]
    transfer: list[CompactTransfer]
    curves: list[CompactPoint]
    indexes: list[CompactPoint]
    clouds: list[CompactCloud]
    steps: list[list[float]]
    training: list[CompactTerm]
    corpora: list[list[str]] = field(default_factory=list)  # none in files of earlier versions


@dataclass(frozen=True)
class CompactSummary:
    """A whole file."""

    title: str
    notes: list[str]
    missing: list[str]
    seconds: float
    peak_memory_gib: float
    methods: list[Method]
    sections: list[CompactSection]
