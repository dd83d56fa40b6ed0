"""Measurements of several variants to the rows of a table, each with its paired comparisons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evaluation.crossed import crossed_interval
from evaluation.permutation import sign_flip_test
from evaluation.spearman import compare_resampled, resampled_spearman
from evaluation.statistics import (
    NEW_QUERIES,
    NEW_TEXTS,
    Comparison,
    query_interval,
    ratio_interval,
    student_interval,
    task_interval,
)
from evaluation.summary import Row

MEASURES = {
    "isoscore": "IsoScore",
    "persistent_entropy": "persistent entropy of H0",
    "mean_mst_length": "mean MST length",
    "hubness_skewness": "hubness skewness (k = 10)",
}
METRICS = {"ndcg_at_10": "nDCG@10", "v_measure": "V-measure", "cosine_spearman": "Spearman", "f1": "F1", "mcc": "MCC"}
LOWER_IS_MORE_ISOTROPIC = {"average_cosine", "hubness_skewness", "first_component_share"}

Measured = Mapping[str, Sequence[Any]]  # variant -> one measurement per run; runs of two variants pair up by place
Pair = tuple[str, str]  # (old variant, new variant)
_PerQuery = Mapping[str, NDArray[np.float64]]  # variant -> score per query, averaged over runs

SIMILARITY, LABELS = "similarity", "labels"
LABEL_TYPES = {"Classification", "MultilabelClassification", "Clustering"}


def label(pair: Pair) -> str:
    """Name a comparison: new minus old."""
    return f"{pair[1]} − {pair[0]}"


def isotropy_rows(measured: Measured, pairs: Sequence[Pair]) -> list[Row]:
    """Rows for isotropy measures, each measurement `{name: {"value": ..., "isotropic": ...}}`.

    What an isotropic cloud would give depends on the dimension, so it is left out where variants differ in that.
    """
    rows = []
    first = next(iter(measured.values()))[0]
    for name, measure in first.items():
        values = {variant: [run[name]["value"] for run in runs] for variant, runs in measured.items()}
        comparisons = {label(pair): _over_runs(values, pair) for pair in pairs}
        improves = name not in LOWER_IS_MORE_ISOTROPIC
        shown = MEASURES.get(name) or name.replace("_", " ")
        references = {run[name]["isotropic"] for runs in measured.values() for run in runs}
        isotropic = measure["isotropic"] if len(references) == 1 else None
        rows.append(Row("isotropy", shown, improves, isotropic, values, comparisons))
    return rows


def task_rows(measured: Measured, pairs: Sequence[Pair], rng: Generator) -> list[Row]:
    """Rows for mteb tasks in points, and a mean for each group of them.

    Args:
        measured: Each measurement is a list of `TaskScores` as dicts. A task that some run lacks is left out.
        pairs: Which variants are compared.
        rng: Source of resamples.
    """
    runs = [{task["task"]: task for task in run} for several in measured.values() for run in several]
    by_name = {v: [{task["task"]: task for task in run} for run in several] for v, several in measured.items()}
    groups: dict[str, list[Row]] = {SIMILARITY: [], LABELS: []}
    others: list[Row] = []
    for name, task in runs[0].items():
        if not all(name in run for run in runs):
            continue
        values = {variant: [100 * run[name]["score"] for run in several] for variant, several in by_name.items()}
        of_task = {variant: [run[name] for run in several] for variant, several in by_name.items()}
        over_items = _over_pairs(of_task, pairs, rng) if task["pairs"] else _over_units(of_task, pairs)
        comparisons = {label(pair): [*_over_runs(values, pair), *over_items.get(pair, [])] for pair in pairs}
        group = LABELS if task["type"] in LABEL_TYPES else SIMILARITY
        shown = f"{name} {METRICS.get(task['metric'], task['metric'])}"
        groups[group].append(Row(group, shown, True, None, values, comparisons))
        for metric in task["others"]:
            values = {variant: [100 * run["others"][metric] for run in several] for variant, several in of_task.items()}
            comparisons = {label(pair): _over_runs(values, pair) for pair in pairs}
            others.append(Row(group, f"{name} {METRICS.get(metric, metric)}", True, None, values, comparisons))
    rows = []
    for group, title in ((SIMILARITY, "mean of STS and retrieval"), (LABELS, "mean of classification and clustering")):
        rows += groups[group]
        if len(groups[group]) > 1:
            rows.append(_mean_row(group, title, groups[group], pairs, over_tasks=True))
        rows += [row for row in others if row.group == group]
    return rows


def retrieval_rows(measured: Measured, statuses: Mapping[str, Mapping[str, str]], pairs: Sequence[Pair]) -> list[Row]:
    """Rows for indexes in points: nDCG@10, its share of exact search, and means over corpora and approximate indexes.

    Args:
        measured: Each measurement maps the name of a retrieval task to a list of `IndexScore` as dicts, exact search
            first. A task that some run lacks is left out.
        statuses: Per task and index, how the start model fares: "exact", "in range", "no headroom", "out of range".
        pairs: Which variants are compared.
    """
    runs = [run for several in measured.values() for run in several]
    corpora = [name for name in runs[0] if all(name in run for run in runs)]
    rows: list[Row] = []
    in_range: list[tuple[Row, _PerQuery]] = []
    for corpus in corpora:
        prefix = f"{corpus}: " if len(corpora) > 1 else ""
        of_corpus = {variant: [run[corpus] for run in several] for variant, several in measured.items()}
        found = _corpus_rows(of_corpus, statuses[corpus], pairs, prefix)
        rows += [row for row, _ in found]
        in_range += [(row, per_query) for row, per_query in found if per_query is not None]
    if len(corpora) > 1:
        rows += _means_over_corpora(rows, pairs)
    if in_range:
        mean = _mean_row("retrieval", "mean of the approximate indexes", [row for row, _ in in_range], pairs)
        if len(corpora) == 1:  # the queries of several corpora do not pair up
            for old, new in pairs:
                differences = [per_query[new] - per_query[old] for _, per_query in in_range]
                mean.comparisons[label((old, new))].append(_over_queries(100 * np.mean(differences, axis=0)))
        rows.append(mean)
    return rows


def _corpus_rows(
    measured: Measured, statuses: Mapping[str, str], pairs: Sequence[Pair], prefix: str
) -> "list[tuple[Row, _PerQuery | None]]":
    """Rows of one corpus; those of approximate indexes in range come with their scores per run and query."""
    names = [score["name"] for score in next(iter(measured.values()))[0]]
    per_query = {
        variant: {name: _per_query([run[place] for run in runs]) for place, name in enumerate(names)}
        for variant, runs in measured.items()
    }
    rows: list[tuple[Row, _PerQuery | None]] = []
    for place, name in enumerate(names):
        remark = "" if statuses[name] in ("exact", "in range") else f" ({statuses[name]})"
        scores = {v: [100 * run[place]["ndcg_at_10"] for run in runs] for v, runs in measured.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(scores, (old, new)),
                *_over_queries_and_runs((per_query[new][name] - per_query[old][name]) * 100),
            ]
            for old, new in pairs
        }
        row = Row("retrieval", f"{prefix}{name} nDCG@10{remark}", True, None, scores, comparisons)
        counts = statuses[name] == "in range"
        rows.append(
            (row, {variant: by_name[name].mean(axis=0) for variant, by_name in per_query.items()} if counts else None)
        )
        if statuses[name] == "exact" or any(
            run[place]["retention"] is None for runs in measured.values() for run in runs
        ):
            continue  # no share of exact search, where that is the index itself or finds nothing
        kept = {v: [100 * run[place]["retention"] for run in runs] for v, runs in measured.items()}
        comparisons = {
            label((old, new)): [
                *_over_runs(kept, (old, new)),
                _in_points(
                    ratio_interval(
                        *[(per_query[v][name].mean(axis=0), per_query[v][names[0]].mean(axis=0)) for v in (old, new)]
                    )
                ),
            ]
            for old, new in pairs
        }
        rows.append((Row("retrieval", f"{prefix}{name} retention{remark}", True, None, kept, comparisons), None))
    return rows


def _means_over_corpora(rows: Sequence[Row], pairs: Sequence[Pair]) -> list[Row]:
    """For each index and score, the mean over the corpora that have it in range."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if not row.remark:
            by_name.setdefault(row.name.partition(": ")[2], []).append(row)
    return [
        _mean_row("retrieval", f"mean over corpora: {name}", several, pairs)
        for name, several in by_name.items()
        if len(several) > 1
    ]


def _over_runs(values: Mapping[str, Sequence[float]], pair: Pair) -> list[Comparison]:
    """Student's interval over paired runs, with a sign-flip test where there are enough of them."""
    old, new = (np.asarray(values[variant]) for variant in pair)
    return [_with_sign_flips(student_interval(new - old), new - old)]


def _over_pairs(measured: Measured, pairs: Sequence[Pair], rng: Generator) -> dict[Pair, list[Comparison]]:
    """Intervals over sentence pairs with the runs held fixed; all variants share the resamples."""
    first = next(iter(measured.values()))[0]["pairs"]
    if len(first) > 1:  # a mean of correlations over subsets is no correlation
        return {}
    [(key, subset)] = first.items()
    seed = int(rng.integers(2**62))
    resampled = {
        variant: resampled_spearman(
            [run["pairs"][key]["similarity"] for run in measured[variant]], subset["gold"], np.random.default_rng(seed)
        )
        for variant in {variant for pair in pairs for variant in pair}
    }
    return {
        (old, new): [_in_points(compare_resampled(resampled[old], resampled[new], len(subset["gold"])))]
        for old, new in pairs
    }


def _over_units(measured: Measured, pairs: Sequence[Pair]) -> dict[Pair, list[Comparison]]:
    """Intervals over queries or test texts, where the task has them."""
    first = next(iter(measured.values()))[0]
    if not first["units"]:
        return {}
    estimand = NEW_QUERIES if first["type"] == "Retrieval" else NEW_TEXTS
    units = {
        variant: np.array([[run["units"][unit] for unit in first["units"]] for run in runs])
        for variant, runs in measured.items()
    }
    return {(old, new): _over_queries_and_runs((units[new] - units[old]) * 100, estimand) for old, new in pairs}


def _over_queries_and_runs(differences: NDArray[np.float64], estimand: str = NEW_QUERIES) -> list[Comparison]:
    """Intervals over queries with the runs held fixed, and over both where there are several runs."""
    fixed = _over_queries(differences.mean(axis=0), estimand)
    return [fixed, crossed_interval(differences)] if min(differences.shape) > 1 else [fixed]


def _over_queries(differences: NDArray[np.float64], estimand: str = NEW_QUERIES) -> Comparison:
    return _with_sign_flips(query_interval(differences, estimand), differences)


def _with_sign_flips(comparison: Comparison, differences: NDArray[np.float64]) -> Comparison:
    test = sign_flip_test(differences, np.random.default_rng(0))
    return replace(comparison, sign_flip_p=test.p)


def _mean_row(group: str, name: str, rows: Sequence[Row], pairs: Sequence[Pair], over_tasks: bool = False) -> Row:
    values = {v: np.mean([row.values[v] for row in rows], axis=0).tolist() for v in rows[0].values}
    mean = Row(group, name, True, None, values, {label(pair): _over_runs(values, pair) for pair in pairs})
    if over_tasks:
        for old, new in pairs:
            mean.comparisons[label((old, new))].append(task_interval([row.mean(new) - row.mean(old) for row in rows]))
    return mean


def _per_query(runs: Iterable[Mapping[str, Any]]) -> NDArray[np.float64]:
    """nDCG@10 of each run and query, shape `(runs, queries)`; every run has the same queries in the same order."""
    return np.array([list(run["per_query"].values()) for run in runs])


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
