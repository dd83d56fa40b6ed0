"""The FAISS check: what each index keeps of a variant's exact retrieval quality.

Everything here works on saved embeddings, outside mteb. Rows are unit vectors and the metric is the inner product. The
index seed shuffles the order in which documents are trained on and inserted, which is what k-means, graph construction
and the order of ties depend on; scores are averaged over the seeds.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np
import pytrec_eval
from numpy.typing import NDArray
from scipy import stats

from evaluation.embeddings import RetrievalEmbeddings
from evaluation.errors import UserError
from evaluation.indexes import KINDS, SEARCH_PARAMETERS, IndexKind, Setting, index_kinds

Qrels = Mapping[str, Mapping[str, int]]
Status = Literal["exact", "in range", "no headroom", "out of range", "left out"]

EXACT = "flat"
QUICK_INDEXES = (EXACT, "hnsw", "ivf", "pq", "one-bit")
ALL_INDEXES = tuple(KINDS)
SEEDS = (0, 1, 2)
BAND = (0.70, 0.95)  # share of exact nDCG@10 that the start model should keep, so that a variant can gain or lose
DEPTH = 10
DEEP = 100
NOWHERE = -2  # the place of a document that the corpus lacks; faiss says -1 where it finds nothing

_COUNTERS: Any = faiss.cvar  # SWIG globals, which type checkers cannot see


@dataclass(frozen=True)
class ChosenIndex:
    """An index with the parameters that every variant is measured with.

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
class IndexScore:
    """What one index gives on one variant, averaged over the index seeds.

    Attributes:
        name: Name of the kind of index.
        setting: Its parameters.
        ndcg_at_10: Mean nDCG@10 against the qrels.
        per_query: nDCG@10 of each judged query.
        retention: `ndcg_at_10` as a share of the variant's own exact search; None if that is zero.
        recall_at_10: Share of the variant's own exact top 10 that is found among the first 10.
        recall_at_100: Share of the exact top 100 found by a search for 100. It is a separate search: asking a graph
            for more neighbors makes it look further.
        hubness: Skewness of how often each document is among the first 10 found, over all queries (k-occurrence).
        list_imbalance: For inverted lists, the factor by which unequal lists slow search down; 1 is even, else None.
        quantization_error: For codes, the mean squared error of the decoded vectors over the variance around their
            mean; else None. (Over the variance, because a narrow cone has small errors of no use.)
        seed_spread: Standard deviation of `ndcg_at_10` over the index seeds; 0 with one seed.
        distances_per_query: Documents compared with a query in a search for 10 (centroids of inverted lists included).
        bytes_per_vector: Size of the whole serialized index, tables and graph included, over the number of documents.
        build_seconds: Time to train and fill the index, on one thread.
        search_seconds: Time to search 10 neighbors for all queries, on one thread.
    """

    name: str
    setting: Setting
    ndcg_at_10: float
    per_query: dict[str, float]
    retention: float | None
    recall_at_10: float
    recall_at_100: float
    hubness: float
    list_imbalance: float | None
    quantization_error: float | None
    seed_spread: float
    distances_per_query: float
    bytes_per_vector: float
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


def choose_indexes(
    start: RetrievalEmbeddings, qrels: Qrels, names: Sequence[str] = QUICK_INDEXES, seeds: Sequence[int] = SEEDS
) -> list[ChosenIndex]:
    """Choose the parameters of each index once, from the start model.

    Each index has a documented ladder of settings from coarse to fine (`evaluation.indexes`). The rung is taken whose
    share of the start model's exact nDCG@10 is nearest to the middle of 70-95 %; the ladder is climbed with the first
    seed, until that middle is passed, and the share that is reported is averaged over all seeds.

    Args:
        start: Embeddings of the start model.
        qrels: Grades of documents for queries, `{query id: {document id: grade}}`.
        names: Names of the indexes.
        seeds: Index seeds to average over.

    Returns:
        One choice per name, in the same order.

    Raises:
        UserError: An index is unknown, or no query has a relevant document in the corpus.
    """
    with _one_thread():
        bench = _Bench(start, qrels, seeds)
        return [_choose(kind, bench) for kind in index_kinds(names)]


def faiss_check(
    variant: RetrievalEmbeddings, qrels: Qrels, chosen: Sequence[ChosenIndex], seeds: Sequence[int] = SEEDS
) -> list[IndexScore]:
    """Measure one variant under every chosen index.

    Args:
        variant: Embeddings of the variant.
        qrels: Grades of documents for queries, `{query id: {document id: grade}}`; other queries are left out.
        chosen: The indexes with their parameters, from `choose_indexes` on the start model.
        seeds: Index seeds to average over.

    Returns:
        One score per index that is not left out and that the corpus is large enough for at this variant's dimension,
        in the same order.

    Raises:
        UserError: No query has a relevant document in the corpus.
    """
    with _one_thread():
        bench = _Bench(variant, qrels, seeds)
        documents, dimensions = variant.corpus.shape
        return [
            bench.score(KINDS[one.name], one.setting)
            for one in chosen
            if one.setting is not None and documents >= KINDS[one.name].fewest(dimensions, one.setting)
        ]


def search_curves(
    variant: RetrievalEmbeddings, qrels: Qrels, chosen: Sequence[ChosenIndex], seeds: Sequence[int] = SEEDS
) -> list[CurvePoint]:
    """Measure graphs over efSearch and inverted lists over nprobe, at otherwise the chosen parameters.

    Args:
        variant: Embeddings of the variant.
        qrels: Grades of documents for queries, `{query id: {document id: grade}}`.
        chosen: The indexes with their parameters, from `choose_indexes` on the start model.
        seeds: Index seeds to average over.

    Returns:
        The points of all curves, in the order of the indexes and of growing effort; other indexes have none.

    Raises:
        UserError: No query has a relevant document in the corpus.
    """
    with _one_thread():
        bench = _Bench(variant, qrels, seeds)
        return [
            point
            for one in chosen
            for parameter in SEARCH_PARAMETERS
            if one.setting is not None and parameter in one.setting
            for point in bench.curve(KINDS[one.name], one.setting, parameter)
        ]


def _choose(kind: IndexKind, bench: "_Bench") -> ChosenIndex:
    documents, dimensions = bench.variant.corpus.shape
    if kind.exact:
        return ChosenIndex(kind.name, {}, "exact", 1.0 if bench.exact_ndcg else None)
    if documents < kind.needs(dimensions):
        reason = f"it needs {kind.needs(dimensions)} documents and the corpus has {documents}"
        return ChosenIndex(kind.name, None, "left out", None, f"{kind.name} is left out: {reason}.")
    ladder = kind.ladder(documents, dimensions)
    if kind.follows:
        followed = _choose(KINDS[kind.follows], bench).setting
        ladder = [] if followed is None else [followed]
    if not bench.exact_ndcg:
        note = "The start model finds nothing by exact search, so there is no retention."
        return ChosenIndex(kind.name, ladder[-1], "out of range", None, note)
    middle = sum(BAND) / 2
    tried: list[tuple[float, Setting]] = []
    for setting in ladder:
        tried.append((bench.retention(kind, setting, bench.seeds[:1]), setting))
        if tried[-1][0] >= middle:
            break
    _, setting = min(tried, key=lambda rung: abs(rung[0] - middle))
    retention = bench.retention(kind, setting, bench.seeds)
    status: Status = "in range" if BAND[0] <= retention <= BAND[1] else "out of range"
    if retention > BAND[1]:
        status = "no headroom"
    note = "" if status == "in range" else f"{status}: the start model keeps {retention:.0%} of its exact nDCG@10."
    return ChosenIndex(kind.name, setting, status, retention, note)


class _Bench:
    """One variant with its exact neighbors, on which indexes are measured."""

    def __init__(self, variant: RetrievalEmbeddings, qrels: Qrels, seeds: Sequence[int]) -> None:
        judged = [row for row, query in enumerate(variant.query_ids) if query in qrels]
        documents = set(variant.corpus_ids)
        relevant = (doc for row in judged for doc, grade in qrels[variant.query_ids[row]].items() if grade > 0)
        if documents.isdisjoint(relevant):
            raise UserError(
                f"None of the {len(variant.query_ids)} queries has a relevant document in the corpus: "
                "check that the ids in the qrels are those of the queries and documents."
            )
        self.variant = variant
        self.seeds = seeds
        self.queries = np.ascontiguousarray(variant.queries[judged])
        self.query_ids = [variant.query_ids[row] for row in judged]
        self.qrels = {query: dict(qrels[query]) for query in self.query_ids}
        places = {id_: place for place, id_ in enumerate(variant.corpus_ids)} if variant.skips_own_id else {}
        self.own = np.array([places.get(query, NOWHERE) for query in self.query_ids])
        exact = faiss.IndexFlatIP(variant.corpus.shape[1])
        exact.add(variant.corpus)
        # Two searches, because faiss orders equal documents by how many it was asked for.
        self.exact = {depth: self.search(exact, None, depth) for depth in (DEPTH, DEEP)}
        self.exact_ndcg = float(np.mean(self.ndcg(self.exact[DEPTH])))

    def ndcg(self, neighbors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute nDCG@10 per query from rows of neighbors, best first."""
        ids = self.variant.corpus_ids
        # An index that finds too few fills up with -1. Ranks serve as scores, so that no tie is broken by document id.
        run = {
            query: {ids[place]: float(DEPTH - rank) for rank, place in enumerate(row[:DEPTH]) if place >= 0}
            for query, row in zip(self.query_ids, neighbors.tolist(), strict=True)
        }
        scores = pytrec_eval.RelevanceEvaluator(self.qrels, {"ndcg_cut.10"}).evaluate(run)
        return np.array([scores[query]["ndcg_cut_10"] if run[query] else 0.0 for query in self.query_ids])

    def retention(self, kind: IndexKind, setting: Setting, seeds: Sequence[int]) -> float:
        """Compute what an index keeps of the exact nDCG@10."""
        found = [self.search(self.build(kind, setting, seed), seed, DEPTH) for seed in seeds]
        return float(np.mean([self.ndcg(neighbors) for neighbors in found])) / self.exact_ndcg

    def build(self, kind: IndexKind, setting: Setting, seed: int | None) -> faiss.Index:
        """Train and fill an index."""
        corpus = self.variant.corpus[self.order(seed)]
        index = kind.create(corpus.shape[1], setting)
        index.train(corpus)
        index.add(corpus)
        for parameter in SEARCH_PARAMETERS:
            if parameter in setting:
                faiss.ParameterSpace().set_index_parameter(index, parameter, setting[parameter])
        return index

    def order(self, seed: int | None) -> NDArray[np.int64]:
        """Give the order of insertion that a seed stands for; None is the order of the corpus."""
        places = np.arange(len(self.variant.corpus))
        return places if seed is None else np.random.default_rng(seed).permutation(places)

    def search(self, index: faiss.Index, seed: int | None, depth: int) -> NDArray[np.int64]:
        """Search all queries; the result holds places in the corpus, -1 where nothing was found.

        Where a query does not count its own document, one more is searched for, and that document taken out.
        """
        more = int(self.variant.skips_own_id)
        found = index.search(self.queries, min(depth + more, index.ntotal))[1]
        places = np.where(found >= 0, self.order(seed)[found], -1)
        if not more:
            return places
        own_last = np.argsort(places == self.own[:, None], axis=1, kind="stable")
        return np.take_along_axis(places, own_last, axis=1)[:, :-1]

    def recall(self, neighbors: NDArray[np.int64], depth: int) -> float:
        """Compute the share of the exact neighbors that was found, at the depth of the search."""
        # Places are unique within a row, so that equal neighbors in the sorted union are places that both rows hold.
        both = np.sort(np.concatenate([neighbors, self.exact[depth]], axis=1), axis=1)
        return float(((both[:, 1:] == both[:, :-1]) & (both[:, 1:] >= 0)).sum() / neighbors.size)

    def score(self, kind: IndexKind, setting: Setting) -> IndexScore:
        """Measure an index, averaged over the seeds."""
        ndcg: list[NDArray[np.float64]] = []
        measured: list[dict[str, float | None]] = []
        for seed in [None] if kind.exact else self.seeds:
            started = time.perf_counter()
            index = self.build(kind, setting, seed)
            built = time.perf_counter()
            _reset_counters()
            found = self.search(index, seed, DEPTH)
            searched = time.perf_counter()
            distances = _distances(index, len(self.queries))
            lists: Any = faiss.try_extract_index_ivf(index)
            ndcg.append(self.ndcg(found))
            measured.append(
                {
                    "recall_at_10": self.recall(found, DEPTH),
                    "recall_at_100": self.recall(self.search(index, seed, DEEP), DEEP),
                    "hubness": self.hubness(found),
                    "list_imbalance": lists.invlists.imbalance_factor() if lists else None,
                    "quantization_error": self.quantization_error(index, seed) if kind.coded else None,
                    "distances_per_query": distances,
                    "bytes_per_vector": len(faiss.serialize_index(index)) / index.ntotal,
                    "build_seconds": built - started,
                    "search_seconds": searched - built,
                }
            )
        per_query = np.mean(ndcg, axis=0)
        mean = float(per_query.mean())
        means: dict[str, Any] = {name: _mean([one[name] for one in measured]) for name in measured[0]}
        return IndexScore(
            name=kind.name,
            setting=setting,
            ndcg_at_10=mean,
            per_query=dict(zip(self.query_ids, per_query.tolist(), strict=True)),
            retention=mean / self.exact_ndcg if self.exact_ndcg else None,
            seed_spread=float(np.std(np.mean(ndcg, axis=1), ddof=1)) if len(ndcg) > 1 else 0.0,
            **means,
        )

    def curve(self, kind: IndexKind, setting: Setting, parameter: str) -> list[CurvePoint]:
        """Measure one index at every value that the ladder has for a search parameter, building it once per seed."""
        ladder = kind.ladder(*self.variant.corpus.shape)
        values = sorted({rung[parameter] for rung in ladder})
        indexes = [(self.build(kind, setting, seed), seed) for seed in self.seeds]
        points = []
        for value in values:
            measured = []
            for index, seed in indexes:
                faiss.ParameterSpace().set_index_parameter(index, parameter, value)
                _reset_counters()
                found = self.search(index, seed, DEPTH)
                distances = _distances(index, len(self.queries))
                measured.append((float(self.ndcg(found).mean()), self.recall(found, DEPTH), distances))
            points.append(CurvePoint(kind.name, {**setting, parameter: value}, *np.mean(measured, axis=0).tolist()))
        return points

    def hubness(self, neighbors: NDArray[np.int64]) -> float:
        """Compute the skewness of how often each document was found; 0 where all are found equally often."""
        counts = np.bincount(neighbors[neighbors >= 0], minlength=len(self.variant.corpus))
        return float(stats.skew(counts)) if np.ptp(counts) else 0.0

    def quantization_error(self, index: faiss.Index, seed: int | None) -> float | None:
        """Compute the mean squared error of decoded vectors over the variance; None where there is no variance."""
        corpus = self.variant.corpus[self.order(seed)]
        variance = float(corpus.var(axis=0).sum())
        error = float(((index.reconstruct_n(0, len(corpus)) - corpus) ** 2).sum(axis=1).mean())
        return error / variance if variance > 1e-12 else None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run faiss on one thread: times can be compared, and graphs are built in one order."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _reset_counters() -> None:
    _COUNTERS.hnsw_stats.reset()
    _COUNTERS.indexIVF_stats.reset()


def _distances(index: faiss.Index, queries: int) -> float:
    """Read the distances per query of the last search; only graphs and inverted lists count, the rest compare all."""
    graph, lists = _COUNTERS.hnsw_stats.ndis, _COUNTERS.indexIVF_stats.ndis
    if lists:
        return lists / queries + faiss.extract_index_ivf(index).nlist
    return graph / queries if graph else index.ntotal
