"""The FAISS check: what each index keeps of a variant's exact retrieval quality, averaged over index seeds.

Everything here works on saved embeddings, outside mteb.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from evaluation.measured import ChosenIndex, CurvePoint, IndexQuality, IndexScore, Setting
from evaluation.models.embeddings import RetrievalEmbeddings
from evaluation.processes import one_thread
from evaluation.retrieval.indexes import KINDS, SEARCH_PARAMETERS, IndexKind
from evaluation.retrieval.search import DEEP, DEPTH, Qrels, VariantSearch

_COUNTERS: Any = faiss.cvar  # SWIG globals, which type checkers cannot see


def faiss_check(
    variant: RetrievalEmbeddings, qrels: Qrels, chosen: Sequence[ChosenIndex], seeds: Sequence[int]
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
    with one_thread():
        search = VariantSearch(variant, qrels, seeds)
        documents, dimensions = variant.corpus.shape
        return [
            _score(search, KINDS[index.name], index.setting)
            for index in chosen
            if index.setting is not None and documents >= KINDS[index.name].fewest(dimensions, index.setting)
        ]


def search_curves(
    variant: RetrievalEmbeddings, qrels: Qrels, chosen: Sequence[ChosenIndex], seeds: Sequence[int]
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
    with one_thread():
        search = VariantSearch(variant, qrels, seeds)
        return [
            point
            for index in chosen
            for parameter in SEARCH_PARAMETERS
            if index.setting is not None and parameter in index.setting
            for point in _curve(search, KINDS[index.name], index.setting, parameter)
        ]


@dataclass(frozen=True)
class _Trial:
    """What one index gives with one seed; see `IndexScore`."""

    per_query: NDArray[np.float64]
    recall_at_10: float
    recall_at_100: float
    hubness: float
    list_imbalance: float | None
    quantization_error: float | None
    distances_per_query: float
    bytes_per_vector: float
    build_seconds: float
    search_seconds: float


def _score(search: VariantSearch, kind: IndexKind, setting: Setting) -> IndexScore:
    """Measure an index, averaged over the seeds."""
    trials = [_try(search, kind, setting, seed) for seed in ([None] if kind.exact else search.seeds)]
    scores = [trial.per_query for trial in trials]
    per_query = np.mean(scores, axis=0)
    mean = float(per_query.mean())
    quality = IndexQuality(
        name=kind.name,
        setting=setting,
        ndcg_at_10=mean,
        recall_at_10=_mean(trial.recall_at_10 for trial in trials),
        recall_at_100=_mean(trial.recall_at_100 for trial in trials),
        hubness=_mean(trial.hubness for trial in trials),
        seed_spread=float(np.std(np.mean(scores, axis=1), ddof=1)) if len(trials) > 1 else 0.0,
        distances_per_query=_mean(trial.distances_per_query for trial in trials),
        bytes_per_vector=_mean(trial.bytes_per_vector for trial in trials),
        retention=mean / search.exact_ndcg if search.exact_ndcg else None,
        list_imbalance=_mean_if_any(trial.list_imbalance for trial in trials),
        quantization_error=_mean_if_any(trial.quantization_error for trial in trials),
    )
    return IndexScore(
        quality,
        dict(zip(search.query_ids, per_query.tolist(), strict=True)),
        build_seconds=_mean(trial.build_seconds for trial in trials),
        search_seconds=_mean(trial.search_seconds for trial in trials),
    )


def _try(search: VariantSearch, kind: IndexKind, setting: Setting, seed: int | None) -> _Trial:
    """Build an index with one seed, and search it."""
    started = time.perf_counter()
    index = search.build(kind, setting, seed)
    built = time.perf_counter()
    _reset_counters()
    found = search.find(index, seed, DEPTH)
    searched = time.perf_counter()
    distances = _distances(index, len(search.queries))  # of this search, before the next one counts
    lists: Any = faiss.try_extract_index_ivf(index)
    return _Trial(
        per_query=search.ndcg(found),
        recall_at_10=search.recall(found, DEPTH),
        recall_at_100=search.recall(search.find(index, seed, DEEP), DEEP),
        hubness=search.hubness(found),
        list_imbalance=lists.invlists.imbalance_factor() if lists else None,
        quantization_error=search.quantization_error(index, seed) if kind.coded else None,
        distances_per_query=distances,
        bytes_per_vector=len(faiss.serialize_index(index)) / index.ntotal,
        build_seconds=built - started,
        search_seconds=searched - built,
    )


def _curve(search: VariantSearch, kind: IndexKind, setting: Setting, parameter: str) -> list[CurvePoint]:
    """Measure one index at every value that the ladder has for a search parameter, building it once per seed."""
    ladder = kind.ladder(*search.variant.corpus.shape)
    values = sorted({rung[parameter] for rung in ladder})
    indexes = [(search.build(kind, setting, seed), seed) for seed in search.seeds]
    points = []
    for value in values:
        measured = []
        for index, seed in indexes:
            faiss.ParameterSpace().set_index_parameter(index, parameter, value)
            _reset_counters()
            found = search.find(index, seed, DEPTH)
            distances = _distances(index, len(search.queries))
            measured.append((float(search.ndcg(found).mean()), search.recall(found, DEPTH), distances))
        points.append(CurvePoint(kind.name, {**setting, parameter: value}, *np.mean(measured, axis=0).tolist()))
    return points


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _mean_if_any(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return _mean(numbers) if numbers else None


def _reset_counters() -> None:
    _COUNTERS.hnsw_stats.reset()
    _COUNTERS.indexIVF_stats.reset()


def _distances(index: faiss.Index, queries: int) -> float:
    """Read the distances per query of the last search; only graphs and inverted lists count, the rest compare all."""
    graph, lists = _COUNTERS.hnsw_stats.ndis, _COUNTERS.indexIVF_stats.ndis
    if lists:
        return lists / queries + faiss.extract_index_ivf(index).nlist
    return graph / queries if graph else index.ntotal
