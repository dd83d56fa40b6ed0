"""Measurements of several variants to the rows of a table, each with its paired comparisons."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evaluation.measured import IsotropyValue, TaskScores
from evaluation.report.measures import Difference, Group, Measure, Pair, Row
from evaluation.statistics.intervals import (
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
        differences = compare_pairs(pairs_among(values, pairs), lambda pair, of=values: [compare_runs(of, pair)])
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


def task_rows(measured: Runs[Sequence[TaskScores]], pairs: Sequence[Pair], rng: Generator) -> list[Row]:
    """Rows for mteb tasks in points, and a mean for each group of them.

    Args:
        measured: Each measurement is a list of scores. A variant is left out of a task that one of its
            runs lacks, and of the means over tasks.
        pairs: Which variants are compared.
        rng: Source of resamples.
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
        differences = compare_pairs(
            compared, lambda pair, of=values, more=over_items: [compare_runs(of, pair), *more.get(pair, [])]
        )
        scores[group].append(Row(Measure(group, task.metric, name), values, differences))
        for metric in task.others:
            values = {variant: [100 * run.others[metric] for run in several] for variant, several in of_task.items()}
            differences = compare_pairs(compared, lambda pair, of=values: [compare_runs(of, pair)])
            others.append(Row(Measure(group, metric, name), values, differences))
    rows = []
    for group, of_group in scores.items():
        rows += of_group
        if len(of_group) > 1:
            rows += mean_rows(
                Measure(group), of_group, pairs, lambda pair, averaged=of_group: [_over_tasks(averaged, pair)]
            )
        rows += [row for row in others if row.measure.group == group]
    return rows


def mean_rows(
    measure: Measure, rows: Sequence[Row], pairs: Sequence[Pair], more: Callable[[Pair], list[Comparison]]
) -> list[Row]:
    """The mean row, of the variants that are in every row; none where it would be empty.

    Args:
        measure: What the mean is called.
        rows: The rows.
        pairs: Which variants are compared. One that lacks some of the rows has a difference without interval.
        more: Further comparisons of the pairs that are in every row.
    """
    if not rows:
        return []
    whole = [variant for variant in names_in(rows) if all(variant in row.values for row in rows)]
    values = {variant: np.mean([row.values[variant] for row in rows], axis=0).tolist() for variant in whole}
    differences = []
    for pair in pairs:
        shared = [row for row in rows if pairs_among(row.values, [pair])]
        if len(shared) == len(rows):
            differences.append(Difference(pair, [compare_runs(values, pair), *more(pair)]))
        elif shared:
            differences.append(Difference(pair, [_over_some(shared, len(rows), pair)]))
    return [Row(measure, values, differences)] if differences or values else []


def compare_pairs(pairs: Sequence[Pair], compare: Callable[[Pair], list[Comparison]]) -> list[Difference]:
    """The difference of every pair."""
    return [Difference(pair, compare(pair)) for pair in pairs]


def compare_runs(values: Mapping[str, Sequence[float]], pair: Pair) -> Comparison:
    """Student's interval over paired runs, with a sign-flip test where there are enough of them."""
    differences = np.asarray(values[pair.new]) - np.asarray(values[pair.old])
    return with_sign_flips(student_interval(differences), differences)


def compare_units(differences: NDArray[np.float64], estimands: tuple[str, str]) -> list[Comparison]:
    """Intervals over queries or texts with the runs held fixed, and over both where there are several runs.

    Args:
        differences: New minus old per run and query or text, shape `(runs, queries)`.
        estimands: What the two intervals speak about.
    """
    these_runs, new_runs = estimands
    fixed = compare_fixed_runs(differences.mean(axis=0), these_runs)
    return [fixed, crossed_interval(differences, new_runs)] if min(differences.shape) > 1 else [fixed]


def compare_fixed_runs(differences: NDArray[np.float64], estimand: str = NEW_QUERIES) -> Comparison:
    """An interval over queries or texts, with the runs held fixed."""
    return with_sign_flips(query_interval(differences, estimand), differences)


def with_sign_flips(comparison: Comparison, differences: NDArray[np.float64]) -> Comparison:
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
    """What any run of any variant has, in the order first met."""
    return list(dict.fromkeys(name for several in measured.values() for run in several for name in run))


def names_in(rows: Sequence[Row]) -> list[str]:
    """The variants of any row, in the order first met."""
    return list(dict.fromkeys(variant for row in rows for variant in row.values))


def variants_with(measured: Runs[Mapping[str, Part]], name: str) -> dict[str, list[Part]]:
    """The variants all of whose runs have something, with what they have."""
    return {v: [run[name] for run in runs] for v, runs in measured.items() if all(name in run for run in runs)}


def pairs_among(variants: Container[str], pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which both variants are there."""
    return [pair for pair in pairs if pair.old in variants and pair.new in variants]


def _over_tasks(rows: Sequence[Row], pair: Pair) -> Comparison:
    return task_interval([row.mean(pair.new) - row.mean(pair.old) for row in rows])


def _over_some(rows: Sequence[Row], averaged: int, pair: Pair) -> Comparison:
    """The mean difference over the rows that both variants of a pair have, which is no verdict on all of them."""
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
