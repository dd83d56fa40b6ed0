"""Paired differences: intervals whose estimand is named, the smallest detectable difference, and a verdict.

Two questions are kept apart. *Would new training runs show it?* is answered over paired seeds. *Would new queries (or
sentence pairs) show it, with these very runs?* is answered by resampling queries. Randomness comes only from the
generator that is passed in.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

NEW_RUNS = "new training runs"
NEW_QUERIES = "new queries, these runs fixed"
NEW_PAIRS = "new sentence pairs, these runs fixed"

LEVEL = 0.95
POWER = 0.80
RESAMPLES = 5000
_CHUNK = 2_000_000  # resampled values held in memory at once

Outcome = Literal["better", "worse", "no difference found"]


@dataclass(frozen=True)
class Comparison:
    """A paired difference, new minus old, with a 95 % interval.

    Attributes:
        estimate: The mean difference, in the units of the score.
        low: Lower end of the interval; None where the data give none.
        high: Upper end of the interval; None where the data give none.
        method: How the interval was computed, or why there is none.
        estimand: What the interval speaks about: `NEW_RUNS`, `NEW_QUERIES` or `NEW_PAIRS`.
        n: The number of paired runs, queries or sentence pairs.
        detectable: The smallest true difference that this many would have found with a probability of 80 % at the
            two-sided 5 % level, given their spread; None where the spread cannot be estimated.
    """

    estimate: float
    low: float | None
    high: float | None
    method: str
    estimand: str
    n: int
    detectable: float | None


@dataclass(frozen=True)
class Verdict:
    """An outcome and the sentence that reports it."""

    outcome: Outcome
    sentence: str


def student_interval(differences: ArrayLike, estimand: str = NEW_RUNS) -> Comparison:
    """Compute Student's t interval for the mean of paired differences.

    Args:
        differences: One difference (new minus old) per paired seed, shape `(n,)`, n at least 1. With one there is no
            interval; with all alike there is none either, because their spread cannot be estimated.
        estimand: What the differences are a sample of.

    Returns:
        The comparison.

    Example:
        >>> comparison = student_interval([0.01, 0.02, 0.03])
        >>> round(comparison.estimate, 4), round(comparison.low, 4), round(comparison.high, 4)
        (0.02, -0.0048, 0.0448)
    """
    values = _differences(differences)
    n, mean = values.size, float(values.mean())
    if n == 1:
        return Comparison(mean, None, None, "no interval: one run has no spread", estimand, n, None)
    if _constant(values):
        return Comparison(mean, None, None, f"no interval: all {n} differences are equal", estimand, n, None)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    detectable = detectable_difference(float(values.std(ddof=1)), n)
    return Comparison(mean, mean - half, mean + half, f"Student t over {n} paired runs", estimand, n, detectable)


def bootstrap_interval(differences: ArrayLike, rng: Generator, estimand: str = NEW_QUERIES) -> Comparison:
    """Compute a percentile bootstrap interval for the mean of per-query differences, with the runs held fixed.

    Args:
        differences: One difference (new minus old) per query, shape `(n,)`; with several seeds, averaged over them.
        rng: Source of the resamples.
        estimand: What the differences are a sample of.

    Returns:
        The comparison. There is no interval where fewer than two queries are given or all differences are alike.

    Example:
        >>> comparison = bootstrap_interval([0.0, 0.5, 0.25, 0.25] * 25, np.random.default_rng(0))
        >>> comparison.estimate, round(comparison.low, 2), round(comparison.high, 2)
        (0.25, 0.21, 0.28)
    """
    values = _differences(differences)
    return _bootstrap(lambda counts: counts @ values / values.size, values.size, rng, estimand)


def spearman_bootstrap(before: ArrayLike, after: ArrayLike, gold: ArrayLike, rng: Generator) -> Comparison:
    """Compute a percentile bootstrap interval for a difference of Spearman correlations over sentence pairs.

    Pairs are resampled, and the correlations of both variants are computed anew in every resample.

    Args:
        before: Similarities under the old variant, shape `(n,)`, or `(runs, n)` to average over runs.
        after: Similarities under the new variant, in the same shape.
        gold: Similarities given by people, shape `(n,)`.
        rng: Source of the resamples.

    Returns:
        The comparison, in units of Spearman's rho.

    Raises:
        ValueError: The shapes do not fit, or a correlation is undefined because all values of a variable are alike.
    """
    old, new, truth = np.atleast_2d(before), np.atleast_2d(after), np.asarray(gold, dtype=float)
    if old.shape != new.shape or old.shape[1:] != truth.shape:
        raise ValueError(f"Shapes {old.shape}, {new.shape} and {truth.shape} of before, after and gold do not fit.")
    ranker = _ranker(truth)
    old_rankers, new_rankers = [_ranker(row) for row in old], [_ranker(row) for row in new]

    def difference(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        gold_ranks = ranker(counts)
        rises = [_correlation(gold_ranks, rank(counts), counts) for rank in new_rankers]
        falls = [_correlation(gold_ranks, rank(counts), counts) for rank in old_rankers]
        return np.mean(rises, axis=0) - np.mean(falls, axis=0)

    return _bootstrap(difference, truth.size, rng, NEW_PAIRS)


def ratio_bootstrap(
    before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike], rng: Generator
) -> Comparison:
    """Compute a percentile bootstrap interval for a difference of ratios of means, such as an index's retention.

    Args:
        before: Per-query scores of the old variant, under the index and under exact search, each of shape `(n,)`.
        after: The same of the new variant, for the same queries in the same order.
        rng: Source of the resamples.

    Returns:
        The comparison of `mean(index) / mean(exact)`, new minus old.

    Raises:
        ValueError: The shapes differ, or a mean under exact search is zero, which leaves no ratio.
    """
    rows = np.asarray([*before, *after], dtype=float)

    def difference(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        old_index, old_exact, new_index, new_exact = (counts @ rows.T).T
        with np.errstate(divide="ignore", invalid="ignore"):
            return new_index / new_exact - old_index / old_exact

    return _bootstrap(difference, rows.shape[1], rng, NEW_QUERIES)


def detectable_difference(spread: float, n: int) -> float:
    """Compute the smallest true mean difference that a paired t test over n differences finds with 80 % power.

    Args:
        spread: Standard deviation of the differences.
        n: Number of differences, at least 2.

    Returns:
        The difference, in the units of the spread, at the two-sided 5 % level (noncentral t distribution).

    References:
        Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences", chapter 2.

    Example:
        >>> round(detectable_difference(1.0, 34), 2)
        0.5
    """
    critical = stats.t.ppf((1 + LEVEL) / 2, n - 1)
    # The chance of erring on the wrong side, below 1e-6 at this power, is left out.
    return float(special.nctdtrinc(n - 1, 1 - POWER, critical)) * spread / math.sqrt(n)


def verdict(comparison: Comparison, greater_is_better: bool = True) -> Verdict:
    """Say whether the new variant is better, worse, or not found to differ.

    Args:
        comparison: The paired difference, new minus old.
        greater_is_better: Whether a greater score is the better one.

    Returns:
        "better" or "worse" where the interval excludes zero; otherwise "no difference found", together with the
        smallest difference that this many runs or queries could have seen.
    """
    c = comparison
    if c.low is None or c.high is None:
        return Verdict("no difference found", f"no difference found: {c.estimate:+.4f}, {c.method}")
    found = f"{c.estimate:+.4f} [{c.low:+.4f}, {c.high:+.4f}], {c.method}, for {c.estimand}"
    if c.low <= 0 <= c.high:
        return Verdict("no difference found", f"no difference found: {found}; detectable: {c.detectable:.4f}")
    outcome: Outcome = "better" if (c.estimate > 0) == greater_is_better else "worse"
    return Verdict(outcome, f"{outcome}: {found}")


def _differences(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"Paired differences must be finite, of shape (n,) and at least one; got {values!r}.")
    return values


def _constant(values: NDArray[np.float64]) -> bool:
    """Tell equal values from different ones, rounding of the subtraction aside."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def _bootstrap(
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]], n: int, rng: Generator, estimand: str
) -> Comparison:
    """Resample n items; the statistic maps counts of shape (resamples, n) to one value per resample."""
    estimate = float(statistic(np.ones((1, n), dtype=np.int64))[0])
    if not math.isfinite(estimate):
        raise ValueError("The statistic is undefined on these data: a ratio to zero, or values that are all alike.")
    values = np.concatenate([statistic(counts) for counts in _resampled_counts(n, rng)])
    values = values[np.isfinite(values)]  # a resample can hold one value only, and then has no correlation
    if _constant(values):
        return Comparison(estimate, None, None, f"no interval: all {n} differences are equal", estimand, n, None)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    detectable = float(values.std()) * float(stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER))
    return Comparison(estimate, float(low), float(high), f"percentile bootstrap over {n}", estimand, n, detectable)


def _resampled_counts(n: int, rng: Generator) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of n items is drawn in each resample, in blocks that fit in memory."""
    block = max(1, _CHUNK // n)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)


def _ranker(values: NDArray[np.float64]) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Sort once, so that the midranks of every resample follow from its counts without sorting again."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))

    def midranks(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        sizes = np.add.reduceat(counts[:, order], starts, axis=1)
        return (np.cumsum(sizes, axis=1) - (sizes - 1) / 2)[:, group]

    return midranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute Pearson's correlation of each row pair, weighted by the counts."""
    n = counts.shape[1]
    a = a - (a * counts).sum(axis=1, keepdims=True) / n
    b = b - (b * counts).sum(axis=1, keepdims=True) / n
    with np.errstate(invalid="ignore"):
        return (a * b * counts).sum(1) / np.sqrt((a * a * counts).sum(1) * (b * b * counts).sum(1))
