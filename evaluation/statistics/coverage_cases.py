"""The cases whose coverage is simulated: how differences are drawn, what is true of them, and which method is run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from evaluation.statistics.dose_response import dose_response
from evaluation.statistics.few_tasks import averaged_interval, combined_interval
from evaluation.statistics.intervals import (
    FEWEST_TASKS,
    LEVEL,
    NEW_ITEMS,
    NEW_PAIRS,
    NEW_QUERIES,
    NEW_RUNS,
    NEW_RUNS_AND_QUERIES,
    NEW_TASKS,
    Comparison,
    crossed_interval,
    query_interval,
    ratio_interval,
    stratified_interval,
    student_interval,
    task_interval,
)
from evaluation.statistics.simulated_case import BOOTSTRAP_TRIALS, RESAMPLES, Ends, Sample, SimulatedCase
from evaluation.statistics.spearman import spearman_bootstrap


def coverage_cases() -> Iterator[SimulatedCase]:
    """Give every case of the table, made one by one: the truth of some takes seconds to compute."""
    for family in (
        _run_cases,
        _query_cases,
        _retention_cases,
        _corpora_cases,
        _combined_cases,
        _pair_cases,
        _crossed_cases,
        _dose_cases,
    ):
        yield from family()


# Training runs and tasks.

_NOISE: dict[str, tuple[Callable[..., NDArray[np.float64]], bool]] = {
    "normal": (lambda rng, n: rng.normal(size=n), True),
    "of two skewed scores": (lambda rng, n: rng.exponential(size=n) - rng.exponential(size=n), True),
    "heavy tails (t, 3 degrees)": (lambda rng, n: rng.standard_t(3, size=n), True),
    "skewed differences": (lambda rng, n: rng.exponential(size=n) - 1, False),
}


def _run_cases() -> Iterable[SimulatedCase]:
    for estimand, sizes, used in (
        (NEW_RUNS, (3, 5, 10), student_interval),
        (NEW_TASKS, (FEWEST_TASKS, 7, 14, 41), task_interval),
    ):
        for n in sizes:
            for case, (noise, assumed) in _NOISE.items():
                base = SimulatedCase(
                    estimand, "Student t", True, str(n), case, partial(noise, n=n), partial(_ends_of, used), 0.0
                )
                yield replace(base, assumed=assumed)
                if case == "normal":
                    yield from _bootstraps(base)


def _bootstraps(base: SimulatedCase) -> list[SimulatedCase]:
    """The two bootstrap methods that reports do not use for means, on the same samples."""
    return [
        replace(
            base,
            method=f"{method} bootstrap",
            used=False,
            assumed=False,
            interval=partial(_bootstrap_mean, method),
            trials=BOOTSTRAP_TRIALS,
        )
        for method in ("percentile", "BCa")
    ]


# Queries: differences of nDCG@10 with one relevant document, whose rank changes for some of the queries.

_GAINS = np.append(1 / np.log2(np.arange(2, 12)), 0.0)
_MEAN_CHANGE = float(np.abs(_GAINS[:, None] - _GAINS).mean())
_SPARSITY = ((0.05, 0.5), (0.05, 0.8), (0.1, 0.8), (0.3, 0.5), (0.3, 0.8), (1.0, 0.5))


def _query_differences(rng: Generator, n: int, share: float, up: float) -> NDArray[np.float64]:
    change = np.abs(np.subtract(*_GAINS[rng.integers(_GAINS.size, size=(2, n))]))
    return change * np.where(rng.random(n) < up, 1, -1) * (rng.random(n) < share)


def _query_cases() -> Iterable[SimulatedCase]:
    for n in (50, 300, 1000):
        for share, up in _SPARSITY:
            case = f"{share:.0%} re-ranked, {up:.0%} of them upwards"
            draw = partial(_query_differences, n=n, share=share, up=up)
            truth = share * (2 * up - 1) * _MEAN_CHANGE
            base = SimulatedCase(
                NEW_QUERIES, "Student t", True, str(n), case, draw, partial(_ends_of, query_interval), truth
            )
            yield base
            if up == 0.8 or n == 50:
                yield from _bootstraps(base)


def _retention_scores(rng: Generator, n: int) -> list[tuple[Sample, Sample]]:
    exact = _GAINS[rng.integers(_GAINS.size, size=n)]
    return [(exact * (rng.random(n) < kept), exact) for kept in (0.8, 0.85)]


def _retention_cases() -> Iterable[SimulatedCase]:
    for n in (50, 300, 1000):
        yield SimulatedCase(
            NEW_QUERIES,
            "Student t, linearized ratio",
            True,
            str(n),
            "retention 80 % against 85 %",
            partial(_retention_scores, n=n),
            lambda scores, _: _ends(ratio_interval(*scores)),
            0.05,
        )


# A mean over corpora, each of which counts as much as the others, whatever the number of its queries.

_SIZES_OF_CORPORA = ((50, 50), (50, 1000), (100, 300, 1000))


def _corpora_differences(rng: Generator, sizes: Sequence[int], share: float, up: float) -> list[NDArray[np.float64]]:
    return [_query_differences(rng, n, share, up) / len(sizes) for n in sizes]


def _corpora_cases() -> Iterable[SimulatedCase]:
    for sizes in _SIZES_OF_CORPORA:
        for share, up in ((0.5, 0.5), (0.5, 0.8), (1.0, 0.8)):
            yield SimulatedCase(
                NEW_QUERIES,
                "Welch's t over corpora",
                True,
                " + ".join(map(str, sizes)),
                f"{share:.0%} re-ranked, {up:.0%} of them upwards",
                partial(_corpora_differences, sizes=sizes, share=share, up=up),
                lambda strata, _: _ends(stratified_interval(strata)),
                share * (2 * up - 1) * _MEAN_CHANGE,
            )


# Several tasks, for new items of these very tasks.


def _tasks_of_two_kinds(rng: Generator, queries: int, pairs: int) -> tuple[Sample, Sample]:
    return _corpora_differences(rng, sizes=(queries,), share=0.5, up=0.8)[0], _pair_scores(rng, pairs)


def _combined_ends(sample: tuple[Sample, Sample], rng: Generator) -> Ends:
    differences, (before, after, gold) = sample
    return _ends(
        combined_interval([query_interval(differences), spearman_bootstrap(before, after, gold, rng, RESAMPLES)])
    )


def _task_and_parts(rng: Generator, queries: int, shared: bool) -> list[Sample]:
    alone, first, second = (_query_differences(rng, queries, share=0.5, up=0.8) for _ in range(3))
    return [alone, first, first if shared else second]


def _parts_ends(sample: list[Sample], rng: Generator) -> Ends:
    alone, *parts = (query_interval(differences) for differences in sample)
    return _ends(combined_interval([alone, averaged_interval(parts)]))


def _combined_cases() -> Iterable[SimulatedCase]:
    before, after, gold = (stats.rankdata(x) for x in _pair_scores(np.random.default_rng(0), 1_000_000))
    of_pairs = float(np.corrcoef(after, gold)[0, 1] - np.corrcoef(before, gold)[0, 1])
    of_queries = 0.5 * (2 * 0.8 - 1) * _MEAN_CHANGE
    for queries, pairs in ((100, 50), (300, 300), (1000, 100)):
        yield SimulatedCase(
            NEW_ITEMS,
            "combined from the intervals of 2 tasks",
            True,
            f"{queries} queries, {pairs} pairs",
            "50% re-ranked, 80% of them upwards; correlated similarities, gold with ties",
            partial(_tasks_of_two_kinds, queries=queries, pairs=pairs),
            _combined_ends,
            (of_queries + of_pairs) / 2,
            trials=BOOTSTRAP_TRIALS,
        )
    for queries in (100, 1000):
        for shared, case in ((True, "the same queries in both parts"), (False, "other queries in each part")):
            yield SimulatedCase(
                NEW_ITEMS,
                "combined from 1 task and 2 parts of a corpus",
                True,
                f"3 × {queries} queries",
                f"50% re-ranked, 80% of them upwards; {case}",
                partial(_task_and_parts, queries=queries, shared=shared),
                _parts_ends,
                of_queries,
            )


# Sentence pairs.


def _pair_scores(rng: Generator, n: int) -> tuple[Sample, Sample, Sample]:
    meaning, shared = rng.normal(size=n), 0.7 * rng.normal(size=n)
    before = meaning + shared + 0.3 * rng.normal(size=n)
    after = meaning + 0.9 * shared + 0.3 * rng.normal(size=n)
    return before, after, np.clip(np.round(2 * (meaning + 1)), 0, 5)


def _sparse_gold_scores(rng: Generator, n: int) -> tuple[Sample, Sample, Sample]:
    before, after, gold = _pair_scores(rng, n)
    return before, after, (stats.rankdata(before + after + gold) > n - n // 15).astype(float)


def _partly_changed_scores(rng: Generator, n: int, share: float) -> tuple[Sample, Sample, Sample]:
    before, after, gold = _pair_scores(rng, n)
    return before, np.where(rng.random(n) < share, after, before), gold


def _pair_cases() -> Iterable[SimulatedCase]:
    cases = {
        "correlated similarities, gold with ties": _pair_scores,
        "the same, gold 1 for one pair in fifteen, else 0": _sparse_gold_scores,
    }
    for share in (0.1, 0.95):
        cases[f"the same, {share:.0%} of the similarities change"] = partial(_partly_changed_scores, share=share)
    for case, draw in cases.items():
        before, after, gold = (stats.rankdata(x) for x in draw(np.random.default_rng(0), 1_000_000))
        truth = float(np.corrcoef(after, gold)[0, 1] - np.corrcoef(before, gold)[0, 1])
        for n in (30, 50, 300, 1000):
            yield SimulatedCase(
                NEW_PAIRS,
                "percentile bootstrap of Spearman",
                True,
                str(n),
                case,
                partial(draw, n=n),
                lambda scores, rng: _ends(spearman_bootstrap(*scores, rng=rng, resamples=RESAMPLES)),
                truth,
                BOOTSTRAP_TRIALS,
            )


# Runs crossed with queries, and doses.


def _crossed_differences(rng: Generator, runs: int, queries: int, spread: float) -> NDArray[np.float64]:
    differs = rng.random(queries) < 0.3
    per_query = np.where(differs, rng.normal(0, 0.2, size=queries), 0)
    own = np.where(differs, rng.normal(0, 0.1, size=(runs, queries)), 0)
    return per_query + own + differs * rng.normal(0, spread, size=(runs, 1))


def _crossed_cases() -> Iterable[SimulatedCase]:
    for runs in (3, 5, 10):
        for queries in (50, 300, 1000):
            for spread, case in ((0.0, "runs alike"), (0.1, "runs differ")):
                yield SimulatedCase(
                    NEW_RUNS_AND_QUERIES,
                    "Satterthwaite's t",
                    True,
                    f"{runs} × {queries}",
                    f"30 % re-ranked, {case}",
                    partial(_crossed_differences, runs=runs, queries=queries, spread=spread),
                    partial(_ends_of, crossed_interval),
                    0.0,
                )


def _dose_scores(rng: Generator, runs: int, doses: int, slope: float) -> tuple[Sample, Sample]:
    weights = np.tile(np.linspace(0, 1, doses), (runs, 1))
    return weights, slope * weights + rng.normal(0, 0.3, size=weights.shape)


def _dose_cases() -> Iterable[SimulatedCase]:
    for doses in (4, 5, 6):
        for slope, case in ((0.0, "no relation"), (0.5, "a weak relation"), (2.0, "a strong relation")):
            truth = dose_response(*_dose_scores(np.random.default_rng(0), 10_000, doses, slope)).estimate
            for runs in (2, 3, 5, 10):
                yield SimulatedCase(
                    f"dose-response, {NEW_RUNS}",
                    "Student t over rank correlations",
                    True,
                    f"{runs} × {doses} doses",
                    case,
                    partial(_dose_scores, runs=runs, doses=doses, slope=slope),
                    lambda scores, _: _ends(dose_response(*scores)),
                    truth,
                )


# Intervals as pairs of ends.


def _ends(comparison: Comparison) -> Ends:
    return None if comparison.low is None or comparison.high is None else (comparison.low, comparison.high)


def _ends_of(method: Callable[[Sample], Comparison], sample: Sample, rng: Generator) -> Ends:
    return _ends(method(sample))


def _bootstrap_mean(method: str, sample: NDArray[np.float64], rng: Generator) -> Ends:
    """Percentile and BCa intervals for a mean (Efron 1987), whose jackknife needs no second round of sampling."""
    if np.ptp(sample) == 0:
        return None
    n = sample.size
    means = sample[rng.integers(n, size=(RESAMPLES, n))].mean(axis=1)
    probabilities = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if method == "BCa":
        centered = sample - sample.mean()
        acceleration = (centered**3).sum() / (6 * (centered**2).sum() ** 1.5)
        bias = stats.norm.ppf(np.clip((means < sample.mean()).mean(), 1 / RESAMPLES, 1 - 1 / RESAMPLES))
        shifted = bias + stats.norm.ppf(probabilities)
        probabilities = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    low, high = np.quantile(means, probabilities)
    return float(low), float(high)
