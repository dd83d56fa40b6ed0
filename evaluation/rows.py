"""Measurements of several variants to the rows of a table, each with its paired comparisons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evaluation.spearman import spearman_bootstrap
from evaluation.statistics import NEW_QUERIES, Comparison, query_interval, ratio_interval, student_interval
from evaluation.summary import Row

NEW_TEXTS = "new test texts, these runs fixed"
MEASURES = {
    "isoscore": "IsoScore",
    "persistent_entropy": "persistent entropy of H0",
    "mean_mst_length": "mean MST length",
    "hubness_skewness": "hubness skewness (k = 10)",
}
METRICS = {"ndcg_at_10": "nDCG@10", "v_measure": "V-measure", "cosine_spearman": "Spearman"}
LOWER_IS_MORE_ISOTROPIC = {"average_cosine", "hubness_skewness"}

Measured = Mapping[str, Sequence[Any]]  # variant -> one measurement per run; runs of two variants pair up by place
Pair = tuple[str, str]  # (old variant, new variant)


def label(pair: Pair) -> str:
    """Name a comparison: new minus old."""
    return f"{pair[1]} − {pair[0]}"


def isotropy_rows(measured: Measured, pairs: Sequence[Pair]) -> list[Row]:
    """Rows for isotropy measures, each measurement `{name: {"value": ..., "isotropic": ...}}`."""
    rows = []
    first = next(iter(measured.values()))[0]
    for name, measure in first.items():
        values = {variant: [run[name]["value"] for run in runs] for variant, runs in measured.items()}
        comparisons = {label(pair): _over_runs(values, pair) for pair in pairs}
        improves = name not in LOWER_IS_MORE_ISOTROPIC
        shown = MEASURES.get(name) or name.replace("_", " ")
        rows.append(Row("isotropy", shown, improves, measure["isotropic"], values, comparisons))
    return rows


def task_rows(measured: Measured, pairs: Sequence[Pair], rng: Generator) -> list[Row]:
    """Rows for mteb tasks in points, and their mean; each measurement is a list of `TaskScores` as dicts."""
    rows = []
    for place, task in enumerate(next(iter(measured.values()))[0]):
        values = {variant: [100 * run[place]["score"] for run in runs] for variant, runs in measured.items()}
        comparisons = {}
        for pair in pairs:
            old, new = ([run[place] for run in measured[variant]] for variant in pair)
            comparisons[label(pair)] = [*_over_runs(values, pair), *_over_items(old, new, rng)]
        rows.append(
            Row(
                "tasks",
                f"{task['task']} {METRICS.get(task['metric'], task['metric'])}",
                True,
                None,
                values,
                comparisons,
            )
        )
    if len(rows) > 1:
        rows.append(_mean_row("tasks", "mean of the tasks", rows, pairs))
    return rows


def retrieval_rows(measured: Measured, statuses: Mapping[str, str], pairs: Sequence[Pair]) -> list[Row]:
    """Rows for indexes in points: nDCG@10, its share of exact search, and the mean over the approximate indexes.

    Args:
        measured: Each measurement is a list of `IndexScore` as dicts, exact search first.
        statuses: Per index, how the start model fares: "exact", "in range", "no headroom", "out of range".
        pairs: Which variants are compared.
    """
    names = [score["name"] for score in next(iter(measured.values()))[0]]
    per_query = {
        variant: {name: _per_query([run[place] for run in runs]) for place, name in enumerate(names)}
        for variant, runs in measured.items()
    }
    rows = []
    for place, name in enumerate(names):
        remark = "" if statuses[name] in ("exact", "in range") else f" ({statuses[name]})"
        scores = {v: [100 * run[place]["ndcg_at_10"] for run in runs] for v, runs in measured.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(scores, (old, new)),
                query_interval((per_query[new][name] - per_query[old][name]) * 100),
            ]
            for old, new in pairs
        }
        rows.append(Row("retrieval", f"{name} nDCG@10{remark}", True, None, scores, comparisons))
        if statuses[name] == "exact" or any(
            run[place]["retention"] is None for runs in measured.values() for run in runs
        ):
            continue  # no share of exact search, where that is the index itself or finds nothing
        kept = {v: [100 * run[place]["retention"] for run in runs] for v, runs in measured.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(kept, (old, new)),
                _in_points(ratio_interval(*[(per_query[v][name], per_query[v][names[0]]) for v in (old, new)])),
            ]
            for old, new in pairs
        }
        rows.append(Row("retrieval", f"{name} retention{remark}", True, None, kept, comparisons))
    in_range = [name for name in names if statuses[name] == "in range"]
    if in_range:
        parts = [row for row in rows if row.name in {f"{name} nDCG@10" for name in in_range}]
        mean = _mean_row("retrieval", "mean of the approximate indexes", parts, pairs)
        for old, new in pairs:
            differences = [per_query[new][name] - per_query[old][name] for name in in_range]
            mean.comparisons[label((old, new))].append(query_interval(100 * np.mean(differences, axis=0)))
        rows.append(mean)
    return rows


def _over_runs(values: Mapping[str, Sequence[float]], pair: Pair) -> list[Comparison]:
    """Student's interval over paired runs."""
    old, new = (np.asarray(values[variant]) for variant in pair)
    return [student_interval(new - old)]


def _over_items(old: list[Any], new: list[Any], rng: Generator) -> list[Comparison]:
    """Interval over queries, test texts or sentence pairs, where the task has them; the runs are held fixed."""
    if new[0]["pairs"]:
        keys = list(new[0]["pairs"])
        if len(keys) > 1:  # a mean of correlations over subsets is no correlation
            return []
        before, after = ([run["pairs"][keys[0]]["similarity"] for run in runs] for runs in (old, new))
        return [_in_points(spearman_bootstrap(before, after, new[0]["pairs"][keys[0]]["gold"], rng))]
    if new[0]["units"]:
        units = list(new[0]["units"])
        before, after = (
            np.mean([[run["units"][unit] for unit in units] for run in runs], axis=0) for runs in (old, new)
        )
        estimand = NEW_QUERIES if new[0]["type"] == "Retrieval" else NEW_TEXTS
        return [query_interval((after - before) * 100, estimand)]
    return []


def _mean_row(group: str, name: str, rows: Sequence[Row], pairs: Sequence[Pair]) -> Row:
    values = {v: np.mean([row.values[v] for row in rows], axis=0).tolist() for v in rows[0].values}
    return Row(group, name, True, None, values, {label(pair): _over_runs(values, pair) for pair in pairs})


def _per_query(runs: Iterable[Mapping[str, Any]]) -> NDArray[np.float64]:
    """nDCG@10 of each query, averaged over runs; every run has the same queries in the same order."""
    return np.mean([list(run["per_query"].values()) for run in runs], axis=0)


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
