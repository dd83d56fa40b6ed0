"""FAISS measurements of several variants as rows: per corpus, and means over corpora and approximate indexes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.measured import IndexScore, Status
from evaluation.report.measures import Difference, Measure, Pair, Row
from evaluation.report.rows import (
    QUERIES,
    Runs,
    compare_fixed_runs,
    compare_runs,
    compare_units,
    in_points,
    mean_rows,
    names_of,
    pairs_among,
    variants_with,
)
from evaluation.statistics.intervals import Comparison, ratio_interval, stratified_interval

_PerQuery = Mapping[str, NDArray[np.float64]]  # variant -> score per query, averaged over runs


@dataclass(frozen=True)
class _IndexRow:
    """A row of one index on one corpus; for nDCG@10 with its values per variant and query, averaged over runs."""

    row: Row
    per_query: _PerQuery


def retrieval_rows(
    measured: Runs[Mapping[str, Sequence[IndexScore]]],
    statuses: Mapping[str, Mapping[str, Status]],
    pairs: Sequence[Pair],
) -> list[Row]:
    """Rows for indexes in points: nDCG@10, its share of exact search, and means over corpora and approximate indexes.

    Args:
        measured: Each measurement maps the name of a retrieval task to a list of scores. A variant is
            left out of an index that one of its runs lacks, and of the means over indexes.
        statuses: Per task and index, how the start model fares: "exact", "in range", "no headroom", "out of range".
        pairs: Which variants are compared.
    """
    by_corpus = {
        corpus: {
            variant: [{score.quality.name: score for score in run} for run in several]
            for variant, several in variants_with(measured, corpus).items()
        }
        for corpus in names_of(measured)
    }
    only = len(by_corpus) == 1
    found = [
        row
        for corpus, of_corpus in by_corpus.items()
        for row in _corpus_rows(corpus, of_corpus, statuses[corpus], pairs, only)
    ]
    rows = [one.row for one in found]
    if not only:
        rows += _means_over_corpora(found, pairs)
    in_range = [one for one in found if one.per_query and one.row.measure.status == "in range"]
    return rows + _mean_over_indexes(Measure("retrieval", "ndcg_at_10"), in_range, pairs)


def _corpus_rows(
    corpus: str,
    measured: Runs[Mapping[str, IndexScore]],
    statuses: Mapping[str, Status],
    pairs: Sequence[Pair],
    only_corpus: bool,
) -> Iterator[_IndexRow]:
    """Rows of one corpus, from each variant's scores by index, per run."""
    exact = next(name for name, status in statuses.items() if status == "exact")
    exactly = _over_runs({variant: _per_query([run[exact] for run in runs]) for variant, runs in measured.items()})
    for name in names_of(measured):
        of_index = variants_with(measured, name)
        compared = pairs_among(of_index, pairs)
        measure = Measure("retrieval", "ndcg_at_10", corpus, name, statuses[name], only_corpus)
        per_run = {variant: _per_query(runs) for variant, runs in of_index.items()}
        yield _IndexRow(_score_row(measure, of_index, per_run, compared), _over_runs(per_run))
        shares = {variant: [run.quality.retention for run in runs] for variant, runs in of_index.items()}
        if statuses[name] == "exact" or any(None in found for found in shares.values()):
            continue  # no share of exact search, where that is the index itself or finds nothing
        kept = {variant: [100 * share for share in found if share is not None] for variant, found in shares.items()}
        measure = replace(measure, metric="retention")
        yield _IndexRow(_retention_row(measure, kept, _over_runs(per_run), exactly, compared), {})


def _score_row(measure: Measure, scores: Runs[IndexScore], per_run: _PerQuery, pairs: Sequence[Pair]) -> Row:
    values = {variant: [100 * run.quality.ndcg_at_10 for run in runs] for variant, runs in scores.items()}
    differences = [
        Difference(
            pair,
            [
                compare_runs(values, pair),
                *compare_units((per_run[pair.new] - per_run[pair.old]) * 100, QUERIES),
            ],
        )
        for pair in pairs
    ]
    return Row(measure, values, differences)


def _retention_row(
    measure: Measure, kept: dict[str, list[float]], per_query: _PerQuery, exactly: _PerQuery, pairs: Sequence[Pair]
) -> Row:
    shares = {variant: (scores, exactly[variant]) for variant, scores in per_query.items()}
    differences = [
        Difference(pair, [compare_runs(kept, pair), in_points(ratio_interval(shares[pair.old], shares[pair.new]))])
        for pair in pairs
    ]
    return Row(measure, kept, differences)


def _means_over_corpora(found: Sequence[_IndexRow], pairs: Sequence[Pair]) -> list[Row]:
    """For each index and score, the mean over the corpora that have it in range."""
    by_index: dict[tuple[str, str], list[_IndexRow]] = {}
    for one in found:
        measure = one.row.measure
        if measure.counts:
            by_index.setdefault((measure.index, measure.metric), []).append(one)
    return [
        row
        for several in by_index.values()
        if len(several) > 1
        for row in _mean_over_indexes(replace(several[0].row.measure, task=""), several, pairs)
    ]


def _mean_over_indexes(measure: Measure, averaged: Sequence[_IndexRow], pairs: Sequence[Pair]) -> list[Row]:
    """The mean of rows of indexes, with an interval over the queries of each corpus; None if no variant has all."""

    def over_queries(pair: Pair) -> list[Comparison]:
        by_corpus: dict[str, list[NDArray[np.float64]]] = {}
        for one in averaged:
            if one.per_query:
                difference = 100 * (one.per_query[pair.new] - one.per_query[pair.old])
                by_corpus.setdefault(one.row.measure.task, []).append(difference)
        strata = [np.sum(several, axis=0) / len(averaged) for several in by_corpus.values()]
        if not strata:
            return []
        return [compare_fixed_runs(strata[0]) if len(strata) == 1 else stratified_interval(strata)]

    return mean_rows(measure, [one.row for one in averaged], pairs, over_queries)


def _per_query(runs: Iterable[IndexScore]) -> NDArray[np.float64]:
    """nDCG@10 of each run and query, shape `(runs, queries)`; every run has the same queries in the same order."""
    return np.array([list(run.per_query.values()) for run in runs])


def _over_runs(per_run: _PerQuery) -> dict[str, NDArray[np.float64]]:
    return {variant: scores.mean(axis=0) for variant, scores in per_run.items()}
