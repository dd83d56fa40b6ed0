"""What was measured of one model: scores, isotropy and FAISS indexes, as records that are written and read back."""

from dataclasses import dataclass, field
from typing import Literal

EXACT = "flat"  # the index of exact search
Setting = dict[str, int]  # parameters of an index
Status = Literal["exact", "in range", "no headroom", "out of range", "left out"]


@dataclass(frozen=True)
class SentencePairs:
    """An STS subset: the model's similarity and the gold score of each pair, in the data set's order."""

    similarity: list[float]
    gold: list[float]


@dataclass(frozen=True)
class TaskScores:
    """What one model scored on one task.

    Attributes:
        task: The task's name.
        type: MTEB's task type, such as "Retrieval".
        metric: The task's main score, such as "ndcg_at_10".
        score: Its value as mteb gives it, mostly between 0 and 1.
        seconds: Evaluation time.
        units: Score of each unit of which `score` is the mean, by id: nDCG@10 of a query, share of the classifiers
            that were right about a test text. Empty for other task types and main scores, and for several subsets.
        pairs: For STS, the pairs by split and subset; `metric` is the mean over the subsets of a correlation.
        ndcg_at_10: For retrieval, nDCG@10 of every query, by "subset/split/query id", whatever the main score.
        others: Further scores that the task reports beside its main score, such as "f1"; of a classification the main
            score at the model's own norm, which is mteb's.
        norm: Of a classification, the mean norm of the embeddings of its training texts, before they were brought to
            the norm of the reference; None for other types.
        data: What tells the task's data from others': the data set, and for retrieval a hash of its documents. Tasks
            that share one of them are parts of one corpus.
    """

    task: str
    type: str
    metric: str
    score: float
    seconds: float
    units: dict[str, float] = field(default_factory=dict)
    pairs: dict[str, SentencePairs] = field(default_factory=dict)
    ndcg_at_10: dict[str, float] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    norm: float | None = None
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Something that one model lacks.

    Attributes:
        task: Name of the task without a score or a FAISS check; empty where the training failed.
        reason: Why, in one sentence that says how to fix it.
    """

    task: str
    reason: str


@dataclass(frozen=True)
class IsotropyValue:
    """An isotropy measure beside the value that an isotropic cloud of the same size would give."""

    value: float
    isotropic: float | None


@dataclass(frozen=True)
class ChosenIndex:
    """An index with the parameters that every variant is measured with, chosen from the start model.

    Attributes:
        name: Name of the kind of index.
        setting: Its parameters; None where it is left out.
        status: "in range" if the start model keeps 70-95 % of its exact nDCG@10, "no headroom" if it keeps more,
            "out of range" if even the nearest setting keeps less, "exact" for exact search, "left out" where
            the corpus is too small to train the index.
        retention: What the start model keeps, as a share; None where it is left out or exact search finds nothing.
        note: One sentence for the reader of a table, empty where there is nothing to say.
    """

    name: str
    setting: Setting | None
    status: Status
    retention: float | None
    note: str = ""


@dataclass(frozen=True)
class IndexQuality:
    """What one index keeps of a variant's exact search, averaged over the index seeds, and over runs where it says so.

    Attributes:
        name: Name of the kind of index.
        setting: Its parameters.
        ndcg_at_10: Mean nDCG@10 against the qrels.
        recall_at_10: Share of the variant's own exact top 10 that is found among the first 10.
        recall_at_100: Share of the exact top 100 found by a search for 100. It is a separate search: asking a graph
            for more neighbors makes it look further.
        hubness: Skewness of how often each document is among the first 10 found, over all queries (k-occurrence).
        seed_spread: Standard deviation of `ndcg_at_10` over the index seeds; 0 with one seed.
        distances_per_query: Documents compared with a query in a search for 10 (centroids of inverted lists included).
        bytes_per_vector: Size of the whole serialized index, tables and graph included, over the number of documents.
        retention: `ndcg_at_10` as a share of the variant's own exact search; None if that is zero.
        list_imbalance: For inverted lists, the factor by which unequal lists slow search down; 1 is even, else None.
        quantization_error: For codes, the mean squared error of the decoded vectors over the variance around their
            mean; else None. (Over the variance, because a narrow cone has small errors of no use.)
    """

    name: str
    setting: Setting
    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float
    hubness: float
    seed_spread: float
    distances_per_query: float
    bytes_per_vector: float
    retention: float | None = None
    list_imbalance: float | None = None
    quantization_error: float | None = None


@dataclass(frozen=True)
class IndexScore:
    """What one index gives on one variant.

    Attributes:
        quality: Its scores.
        per_query: nDCG@10 of each judged query.
        build_seconds: Time to train and fill the index, on one thread.
        search_seconds: Time to search 10 neighbors for all queries, on one thread.
    """

    quality: IndexQuality
    per_query: dict[str, float]
    build_seconds: float
    search_seconds: float


@dataclass(frozen=True)
class CurvePoint:
    """One setting of an index whose search effort can be varied, averaged over the index seeds.

    Attributes:
        name: Name of the kind of index.
        setting: Its parameters, the search parameter included.
        ndcg_at_10: Mean nDCG@10 against the qrels.
        recall_at_10: Share of the variant's own exact top 10 that is found.
        distances_per_query: Documents compared with a query.
    """

    name: str
    setting: Setting
    ndcg_at_10: float
    recall_at_10: float
    distances_per_query: float


@dataclass(frozen=True)
class Histogram:
    """Counts between edges, of which there is one more."""

    edges: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Distributions:
    """What a picture of a cloud needs.

    Attributes:
        cosines: Histogram over all pairs of rows.
        bars: Lengths of the H0 bars in growing order, thinned out to quantiles.
    """

    cosines: Histogram
    bars: list[float]


@dataclass(frozen=True)
class Measured:
    """What was measured of one model; what needs a task that failed is left out.

    Attributes:
        isotropy: Per measure of `st_isotropy.metrics`; empty where the task that it is measured on failed.
        tasks: Scores of the tasks that did not fail.
        failures: What is missing.
        retrieval: What each FAISS index gives, per retrieval task.
        curves: Points of search effort against recall and nDCG@10, per retrieval task.
        distributions: Of the texts that isotropy is measured on.
        indexes: How each index was chosen, per retrieval task.
        duplicates: How many documents have the embedding of an earlier one, per retrieval task with a FAISS check.
        training: The logged terms of the loss, each as pairs of step and value; empty for a model as it is.
        seconds: What training and measuring took.
    """

    isotropy: dict[str, IsotropyValue] = field(default_factory=dict)
    tasks: list[TaskScores] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    retrieval: dict[str, list[IndexScore]] = field(default_factory=dict)
    curves: dict[str, list[CurvePoint]] = field(default_factory=dict)
    distributions: Distributions | None = None
    indexes: dict[str, list[ChosenIndex]] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    training: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    seconds: float = 0.0
