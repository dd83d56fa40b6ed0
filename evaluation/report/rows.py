"""Turns measurements of several variants into the rows of a table, each with its paired comparisons."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evaluation.measured import IsotropyValue, TaskScores
from evaluation.report.corpora import average_parts, over_items
from evaluation.report.measures import Difference, Group, Measure, Pair, Row
from evaluation.statistics.few_tasks import combined_interval
from evaluation.statistics.intervals import (
    FEWEST_TASKS,
    NEW_QUERIES,
    NEW_RUNS,
    NEW_RUNS_AND_QUERIES,
    NEW_RUNS_AND_TEXTS,
    NEW_TEXTS,
    Comparison,
    crossed_interval,
    query_interval,
    student_interval,
    task_interval,
)
from evaluation.statistics.sign_flips import sign_flip_test
from evaluation.statistics.spearman import changed, compare_resampled, resampled_spearman

Part = TypeVar("Part")
Runs = Mapping[str, Sequence[Part]]  # variant -> one measurement per run; runs of two variants pair up by place

QUERIES, TEXTS = (NEW_QUERIES, NEW_RUNS_AND_QUERIES), (NEW_TEXTS, NEW_RUNS_AND_TEXTS)
LABEL_TYPES = {"Classification", "MultilabelClassification", "Clustering", "Regression"}


def isotropy_rows(measured: Runs[Mapping[str, IsotropyValue]], pairs: Sequence[Pair]) -> list[Row]:
    """Rows for isotropy measures, each measurement by the name of the measure.

    What an isotropic cloud would give depends on the dimension, so variants that differ in that have one each.
    """
    rows = []
    for metric in next(iter(measured.values()))[0]:
        values = {variant: [run[metric].value for run in runs] for variant, runs in measured.items()}
        references = {v: runs[0][metric].isotropic for v, runs in measured.items()}  # all runs have one dimension
        same = len(set(references.values())) == 1
        differences = [Difference(pair, [compare_runs(values, pair)]) for pair in pairs_among(values, pairs)]
        rows.append(
            Row(
                Measure("isotropy", metric),
                values,
                differences,
                isotropic=next(iter(references.values())) if same else None,
                isotropic_of={} if same else {v: value for v, value in references.items() if value is not None},
            )
        )
    return rows


def task_rows(
    measured: Runs[Sequence[TaskScores]],
    pairs: Sequence[Pair],
    rng: Generator,
    corpora: Sequence[Sequence[str]] = (),
) -> list[Row]:
    """Rows for mteb tasks in points, and a mean for each group of them.

    Args:
        measured: Each measurement is a list of scores. A variant is left out of a task that one of its
            runs lacks, and of the means over tasks.
        pairs: Which variants are compared.
        rng: Source of resamples.
        corpora: Names of tasks that are parts of one corpus: they are averaged to one task before the mean over tasks.
    """
    by_name = {v: [{task.task: task for task in run} for run in several] for v, several in measured.items()}
    scores: dict[Group, list[Row]] = {"similarity": [], "labels": []}
    others: list[Row] = []
    for name in names_of(by_name):
        of_task = variants_with(by_name, name)
        if not of_task:
            continue
        task, compared = next(iter(of_task.values()))[0], pairs_among(of_task, pairs)
        group: Group = "labels" if task.type in LABEL_TYPES else "similarity"
        values = {variant: [100 * run.score for run in several] for variant, several in of_task.items()}
        over_items = _over_sentence_pairs(of_task, compared, rng) if task.pairs else _over_units(of_task, compared)
        differences = [Difference(pair, [compare_runs(values, pair), *over_items.get(pair, [])]) for pair in compared]
        scores[group].append(Row(Measure(group, task.metric, name), values, differences))
        for metric in task.others:
            values = {variant: [100 * run.others[metric] for run in several] for variant, several in of_task.items()}
            differences = [Difference(pair, [compare_runs(values, pair)]) for pair in compared]
            others.append(Row(Measure(group, metric, name), values, differences))
    rows = []
    for group, of_group in scores.items():
        rows += of_group
        if len(of_group) > 1:
            averaged = average_parts(of_group, corpora)
            rows += mean_rows(Measure(group), averaged, pairs, lambda pair, of=averaged: [_over_tasks(of, pair)])
        rows += [row for row in others if row.measure.group == group]
    return rows


def mean_rows(
    measure: Measure, rows: Sequence[Row], pairs: Sequence[Pair], more: Callable[[Pair], list[Comparison]]
) -> list[Row]:
    """The mean row, of the variants that are in every row; None if there is no such variant.

    Args:
        measure: The measure that names the mean.
        rows: The rows.
        pairs: Which variants are compared. One that lacks some of the rows has a difference without interval.
        more: Further comparisons of the pairs that are in every row.
    """
    if not rows:
        return []
    whole = [variant for variant in rows[0].values if all(variant in row.values for row in rows)]
    values = {variant: np.mean([row.values[variant] for row in rows], axis=0).tolist() for variant in whole}
    differences = []
    for pair in pairs:
        shared = [row for row in rows if pairs_among(row.values, [pair])]
        if len(shared) == len(rows):
            differences.append(Difference(pair, [compare_runs(values, pair), *more(pair)]))
        elif shared:
            differences.append(Difference(pair, [_over_some(shared, len(rows), pair)]))
    return [Row(measure, values, differences)] if differences or values else []


def compare_runs(values: Mapping[str, Sequence[float]], pair: Pair) -> Comparison:
    """Student's interval over paired runs, with a sign-flip test where there are enough of them."""
    differences = np.asarray(values[pair.new]) - np.asarray(values[pair.old])
    return _with_sign_flips(student_interval(differences), differences)


def compare_units(differences: NDArray[np.float64], estimands: tuple[str, str]) -> list[Comparison]:
    """Intervals over queries or texts with the runs held fixed, and over both where there are several runs.

    Args:
        differences: New minus old per run and query or text, shape `(runs, queries)`.
        estimands: The estimands of the two intervals.
    """
    these_runs, new_runs = estimands
    fixed = compare_fixed_runs(differences.mean(axis=0), these_runs)
    return [fixed, crossed_interval(differences, new_runs)] if min(differences.shape) > 1 else [fixed]


def compare_fixed_runs(differences: NDArray[np.float64], estimand: str = NEW_QUERIES) -> Comparison:
    """An interval over queries or texts, with the runs held fixed."""
    return _with_sign_flips(query_interval(differences, estimand), differences)


def _with_sign_flips(comparison: Comparison, differences: NDArray[np.float64]) -> Comparison:
    """A comparison with the p-value of the sign-flip test of its differences."""
    return replace(comparison, sign_flip_p=sign_flip_test(differences, np.random.default_rng(0)))


def in_points(comparison: Comparison) -> Comparison:
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


def names_of(measured: Runs[Mapping[str, Part]]) -> list[str]:
    """The keys of all runs of all variants, in order of first occurrence."""
    return list(dict.fromkeys(name for several in measured.values() for run in several for name in run))


def variants_with(measured: Runs[Mapping[str, Part]], name: str) -> dict[str, list[Part]]:
    """The variants for which every run has a value, with their values."""
    return {v: [run[name] for run in runs] for v, runs in measured.items() if all(name in run for run in runs)}


def pairs_among(variants: Container[str], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with both variants present."""
    return [pair for pair in pairs if pair.old in variants and pair.new in variants]


def _over_tasks(rows: Sequence[Row], pair: Pair) -> Comparison:
    """Over new tasks where there are enough of them; else over new queries or texts of these."""
    if len(rows) < FEWEST_TASKS:
        return combined_interval([over_items(row, pair) for row in rows])
    return task_interval([row.mean(pair.new) - row.mean(pair.old) for row in rows])


def _over_some(rows: Sequence[Row], averaged: int, pair: Pair) -> Comparison:
    """The mean difference over the rows that both variants of a pair have; it cannot decide for all rows."""
    old, new = (np.mean([row.values[variant] for row in rows], axis=0) for variant in (pair.old, pair.new))
    reason = f"no interval: {averaged - len(rows)} of the {averaged} scores that it is the mean of are missing"
    return Comparison(float(np.mean(new - old)), None, None, reason, NEW_RUNS, len(new), None)


def _over_sentence_pairs(
    measured: Runs[TaskScores], pairs: Sequence[Pair], rng: Generator
) -> dict[Pair, list[Comparison]]:
    """Intervals over sentence pairs with the runs held fixed; all variants share the resamples."""
    first = next(iter(measured.values()))[0].pairs
    if len(first) > 1:  # a mean of correlations over subsets is no correlation
        return {}
    [(key, subset)] = first.items()
    seed = int(rng.integers(2**62))
    similarity = {
        variant: [run.pairs[key].similarity for run in measured[variant]]
        for variant in dict.fromkeys(variant for pair in pairs for variant in (pair.old, pair.new))
    }
    resampled = {
        variant: resampled_spearman(runs, subset.gold, np.random.default_rng(seed))
        for variant, runs in similarity.items()
    }

    def compared(pair: Pair) -> Comparison:
        differing = changed(similarity[pair.old], similarity[pair.new])
        return compare_resampled(resampled[pair.old], resampled[pair.new], differing, subset.gold)

    return {pair: [in_points(compared(pair))] for pair in pairs}


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
    return {pair: compare_units((units[pair.new] - units[pair.old]) * 100, estimands) for pair in pairs}
