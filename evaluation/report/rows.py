"""Measurements of several variants to the rows of a table, each with its paired comparisons."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evaluation.measured import IndexScore, IsotropyValue, Status, TaskScores
from evaluation.report.measure_names import LOWER_IS_MORE_ISOTROPIC, measure_name
from evaluation.report.summary import APPROXIMATE_MEAN, Row
from evaluation.statistics.intervals import (
    NEW_QUERIES,
    NEW_RUNS,
    NEW_RUNS_AND_QUERIES,
    NEW_RUNS_AND_TEXTS,
    NEW_TEXTS,
    Comparison,
    crossed_interval,
    query_interval,
    ratio_interval,
    stratified_interval,
    student_interval,
    task_interval,
)
from evaluation.statistics.sign_flips import sign_flip_test
from evaluation.statistics.spearman import changed, compare_resampled, resampled_spearman

METRICS = {"ndcg_at_10": "nDCG@10", "v_measure": "V-measure", "cosine_spearman": "Spearman", "f1": "F1", "mcc": "MCC"}

Part = TypeVar("Part")
Runs = Mapping[str, Sequence[Part]]  # variant -> one measurement per run; runs of two variants pair up by place
Pair = tuple[str, str]  # (old variant, new variant)
_PerQuery = Mapping[str, NDArray[np.float64]]  # variant -> score per query, averaged over runs

SIMILARITY, LABELS = "similarity", "labels"
QUERIES, TEXTS = (NEW_QUERIES, NEW_RUNS_AND_QUERIES), (NEW_TEXTS, NEW_RUNS_AND_TEXTS)
LABEL_TYPES = {"Classification", "MultilabelClassification", "Clustering", "Regression"}


def label(pair: Pair) -> str:
    """Name a comparison: new minus old."""
    return f"{pair[1]} − {pair[0]}"


def isotropy_rows(measured: Runs[Mapping[str, IsotropyValue]], pairs: Sequence[Pair]) -> list[Row]:
    """Rows for isotropy measures, each measurement by the name of the measure.

    What an isotropic cloud would give depends on the dimension, so it is left out where variants differ in that.
    """
    rows = []
    first = next(iter(measured.values()))[0]
    for name, measure in first.items():
        values = {variant: [run[name].value for run in runs] for variant, runs in measured.items()}
        comparisons = {label(pair): _over_runs(values, pair) for pair in _among(values, pairs)}
        improves = name not in LOWER_IS_MORE_ISOTROPIC
        references = {run[name].isotropic for runs in measured.values() for run in runs}
        isotropic = measure.isotropic if len(references) == 1 else None
        rows.append(Row("isotropy", measure_name(name), improves, isotropic, values, comparisons))
    return rows


def task_rows(measured: Runs[Sequence[TaskScores]], pairs: Sequence[Pair], rng: Generator) -> list[Row]:
    """Rows for mteb tasks in points, and a mean for each group of them.

    Args:
        measured: Each measurement is a list of scores. A variant is left out of a task that one of its
            runs lacks, and of the means over tasks.
        pairs: Which variants are compared.
        rng: Source of resamples.
    """
    by_name = {v: [{task.task: task for task in run} for run in several] for v, several in measured.items()}
    groups: dict[str, list[Row]] = {SIMILARITY: [], LABELS: []}
    others: list[Row] = []
    for name in _names(by_name):
        of_task = _having(by_name, name)
        if not of_task:
            continue
        task, compared = next(iter(of_task.values()))[0], _among(of_task, pairs)
        values = {variant: [100 * run.score for run in several] for variant, several in of_task.items()}
        over_items = _over_pairs(of_task, compared, rng) if task.pairs else _over_units(of_task, compared)
        comparisons = {label(pair): [*_over_runs(values, pair), *over_items.get(pair, [])] for pair in compared}
        group = LABELS if task.type in LABEL_TYPES else SIMILARITY
        shown = f"{name} {METRICS.get(task.metric, task.metric)}"
        groups[group].append(Row(group, shown, True, None, values, comparisons))
        for metric in task.others:
            values = {variant: [100 * run.others[metric] for run in several] for variant, several in of_task.items()}
            comparisons = {label(pair): _over_runs(values, pair) for pair in compared}
            others.append(Row(group, f"{name} {METRICS.get(metric, metric)}", True, None, values, comparisons))
    rows = []
    for group, title in ((SIMILARITY, "mean of STS and retrieval"), (LABELS, "mean of classification and clustering")):
        rows += groups[group]
        if len(groups[group]) > 1:
            rows += _mean_rows(group, title, groups[group], pairs, over_tasks=True)
        rows += [row for row in others if row.group == group]
    return rows


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
            for variant, several in _having(measured, corpus).items()
        }
        for corpus in _names(measured)
    }
    found: list[_IndexRow] = []
    for corpus, of_corpus in by_corpus.items():
        prefix = f"{corpus}: " if len(by_corpus) > 1 else ""
        found += _corpus_rows(corpus, of_corpus, statuses[corpus], pairs, prefix)
    rows = [each.row for each in found]
    if len(by_corpus) > 1:
        rows += _means_over_corpora(found, pairs)
    in_range = [each for each in found if each.counts == "approximate"]
    return rows + _mean_over_indexes(APPROXIMATE_MEAN, in_range, pairs)


@dataclass(frozen=True)
class _IndexRow:
    """A row of one index on one corpus.

    Attributes:
        corpus: The corpus.
        row: The row.
        counts: "approximate" or "exact" for nDCG@10 that means are taken of, "retention", or empty for what does not
            count.
        per_query: For each variant the nDCG@10 of each query, averaged over runs; none for a retention.
    """

    corpus: str
    row: Row
    counts: str
    per_query: _PerQuery


def _corpus_rows(
    corpus: str,
    measured: Runs[Mapping[str, IndexScore]],
    statuses: Mapping[str, Status],
    pairs: Sequence[Pair],
    prefix: str,
) -> list[_IndexRow]:
    """Rows of one corpus, from each variant's scores by index, per run."""
    exact = next(name for name, status in statuses.items() if status == "exact")
    exactly = {variant: _per_query([run[exact] for run in runs]).mean(axis=0) for variant, runs in measured.items()}
    rows: list[_IndexRow] = []
    for name in _names(measured):
        of_index = _having(measured, name)
        compared = _among(of_index, pairs)
        in_range = statuses[name] == "in range"
        remark = "" if in_range or statuses[name] == "exact" else f" ({statuses[name]})"
        per_run = {variant: _per_query(runs) for variant, runs in of_index.items()}
        per_query = {variant: scores.mean(axis=0) for variant, scores in per_run.items()}
        scores = {variant: [100 * run.quality.ndcg_at_10 for run in runs] for variant, runs in of_index.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(scores, (old, new)),
                *_over_units_and_runs((per_run[new] - per_run[old]) * 100, QUERIES),
            ]
            for old, new in compared
        }
        row = Row("retrieval", f"{prefix}{name} nDCG@10{remark}", True, None, scores, comparisons)
        counts = "approximate" if in_range else "exact" if statuses[name] == "exact" else ""
        rows.append(_IndexRow(corpus, row, counts, per_query))
        shares = {variant: [run.quality.retention for run in runs] for variant, runs in of_index.items()}
        if statuses[name] == "exact" or any(None in found for found in shares.values()):
            continue  # no share of exact search, where that is the index itself or finds nothing
        kept = {variant: [100 * share for share in found if share is not None] for variant, found in shares.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(kept, (old, new)),
                _in_points(ratio_interval(*[(per_query[variant], exactly[variant]) for variant in (old, new)])),
            ]
            for old, new in compared
        }
        row = Row("retrieval", f"{prefix}{name} retention{remark}", True, None, kept, comparisons)
        rows.append(_IndexRow(corpus, row, "retention" * in_range, {}))
    return rows


def _means_over_corpora(found: Sequence[_IndexRow], pairs: Sequence[Pair]) -> list[Row]:
    """For each index and score, the mean over the corpora that have it in range."""
    by_name: dict[str, list[_IndexRow]] = {}
    for each in found:
        if each.counts:
            by_name.setdefault(each.row.name.removeprefix(f"{each.corpus}: "), []).append(each)
    return [
        row
        for name, several in by_name.items()
        if len(several) > 1
        for row in _mean_over_indexes(f"mean over corpora: {name}", several, pairs)
    ]


def _mean_over_indexes(name: str, averaged: Sequence[_IndexRow], pairs: Sequence[Pair]) -> list[Row]:
    """The mean of rows of indexes, with an interval over the queries of each corpus; none where no variant has all."""
    means = _mean_rows("retrieval", name, [each.row for each in averaged], pairs)
    for mean in means:
        for old, new in _among(mean.values, pairs):
            by_corpus: dict[str, list[NDArray[np.float64]]] = {}
            for each in averaged:
                if each.counts != "retention":
                    difference = 100 * (each.per_query[new] - each.per_query[old])
                    by_corpus.setdefault(each.corpus, []).append(difference)
            if by_corpus:
                strata = [np.sum(several, axis=0) / len(averaged) for several in by_corpus.values()]
                over_queries = _over_fixed_runs(strata[0]) if len(strata) == 1 else stratified_interval(strata)
                mean.comparisons[label((old, new))].append(over_queries)
    return means


def _over_runs(values: Mapping[str, Sequence[float]], pair: Pair) -> list[Comparison]:
    """Student's interval over paired runs, with a sign-flip test where there are enough of them."""
    old, new = (np.asarray(values[variant]) for variant in pair)
    return [_with_sign_flips(student_interval(new - old), new - old)]


def _over_pairs(measured: Runs[TaskScores], pairs: Sequence[Pair], rng: Generator) -> dict[Pair, list[Comparison]]:
    """Intervals over sentence pairs with the runs held fixed; all variants share the resamples."""
    first = next(iter(measured.values()))[0].pairs
    if len(first) > 1:  # a mean of correlations over subsets is no correlation
        return {}
    [(key, subset)] = first.items()
    seed = int(rng.integers(2**62))
    similarity = {
        variant: [run.pairs[key].similarity for run in measured[variant]]
        for variant in {variant for pair in pairs for variant in pair}
    }
    resampled = {
        variant: resampled_spearman(runs, subset.gold, np.random.default_rng(seed))
        for variant, runs in similarity.items()
    }
    return {
        (old, new): [
            _in_points(
                compare_resampled(
                    resampled[old], resampled[new], changed(similarity[old], similarity[new]), subset.gold
                )
            )
        ]
        for old, new in pairs
    }


def _over_units(measured: Runs[TaskScores], pairs: Sequence[Pair]) -> dict[Pair, list[Comparison]]:
    """Intervals over queries or test texts, where the task has them."""
    first = next(iter(measured.values()))[0]
    if not first.units:
        return {}
    estimands = QUERIES if first.metric == "ndcg_at_10" else TEXTS  # reranking has queries, too
    units = {
        variant: np.array([[run.units[unit] for unit in first.units] for run in runs])
        for variant, runs in measured.items()
    }
    return {(old, new): _over_units_and_runs((units[new] - units[old]) * 100, estimands) for old, new in pairs}


def _over_units_and_runs(differences: NDArray[np.float64], estimands: tuple[str, str]) -> list[Comparison]:
    """Intervals over queries or texts with the runs held fixed, and over both where there are several runs."""
    these_runs, new_runs = estimands
    fixed = _over_fixed_runs(differences.mean(axis=0), these_runs)
    return [fixed, crossed_interval(differences, new_runs)] if min(differences.shape) > 1 else [fixed]


def _over_fixed_runs(differences: NDArray[np.float64], estimand: str = NEW_QUERIES) -> Comparison:
    return _with_sign_flips(query_interval(differences, estimand), differences)


def _with_sign_flips(comparison: Comparison, differences: NDArray[np.float64]) -> Comparison:
    return replace(comparison, sign_flip_p=sign_flip_test(differences, np.random.default_rng(0)))


def _mean_rows(
    group: str, name: str, rows: Sequence[Row], pairs: Sequence[Pair], over_tasks: bool = False
) -> list[Row]:
    """The mean row, of the variants that are in every row; a pair that lacks some has a difference without interval."""
    whole = [variant for variant in dict.fromkeys(v for row in rows for v in row.values) if _in_all(variant, rows)]
    values = {variant: np.mean([row.values[variant] for row in rows], axis=0).tolist() for variant in whole}
    compared = _among(values, pairs)
    mean = Row(group, name, True, None, values, {label(pair): _over_runs(values, pair) for pair in compared})
    if over_tasks:
        for old, new in compared:
            mean.comparisons[label((old, new))].append(task_interval([row.mean(new) - row.mean(old) for row in rows]))
    for pair in pairs:
        shared = [row for row in rows if _among(row.values, [pair])]
        if 0 < len(shared) < len(rows):
            mean.comparisons[label(pair)] = [_over_some(shared, len(rows), pair)]
    return [mean] if mean.comparisons or values else []


def _over_some(rows: Sequence[Row], averaged: int, pair: Pair) -> Comparison:
    """The mean difference over the rows that both variants of a pair have, which is no verdict on all of them."""
    old, new = (np.mean([row.values[variant] for row in rows], axis=0) for variant in pair)
    reason = f"no interval: {averaged - len(rows)} of the {averaged} scores that it is the mean of are missing"
    return Comparison(float(np.mean(new - old)), None, None, reason, NEW_RUNS, len(new), None)


def _in_all(variant: str, rows: Sequence[Row]) -> bool:
    return all(variant in row.values for row in rows)


def _names(measured: Runs[Mapping[str, Part]]) -> list[str]:
    """What any run of any variant has, in the order first met."""
    return list(dict.fromkeys(name for several in measured.values() for run in several for name in run))


def _having(measured: Runs[Mapping[str, Part]], name: str) -> dict[str, list[Part]]:
    """The variants all of whose runs have something, with what they have."""
    return {v: [run[name] for run in runs] for v, runs in measured.items() if all(name in run for run in runs)}


def _among(variants: Container[str], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which both variants are there."""
    return [(old, new) for old, new in pairs if old in variants and new in variants]


def _per_query(runs: Iterable[IndexScore]) -> NDArray[np.float64]:
    """nDCG@10 of each run and query, shape `(runs, queries)`; every run has the same queries in the same order."""
    return np.array([list(run.per_query.values()) for run in runs])


def _in_points(comparison: Comparison) -> Comparison:
    """Turn a difference of shares into points of 100."""

    def points(share: float | None) -> float | None:
        return None if share is None else 100 * share

    return replace(
        comparison,
        estimate=100 * comparison.estimate,
        low=points(comparison.low),
        high=points(comparison.high),
        detectable=points(comparison.detectable),
    )
