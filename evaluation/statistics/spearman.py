"""Spearman correlations of two variants over the same sentence pairs, compared by the bootstrap."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evaluation.statistics.intervals import LEVEL, NEW_PAIRS, POWER, ROUNDING, Comparison

RESAMPLES = 2000
FEWEST_PAIRS = 20  # beside those of the commonest gold score; where 10 of 200 were, a simulated interval covered 92 %
LEAST_CHANGED = 0.9  # share of the pairs; where the similarities of half of 100 pairs change, it covered 90 %
_CHUNK = 2_000_000  # resampled values held in memory at once


def spearman_bootstrap(
    before: ArrayLike, after: ArrayLike, gold: ArrayLike, rng: Generator, resamples: int = RESAMPLES
) -> Comparison:
    """Compute a percentile bootstrap interval for a difference of Spearman correlations over sentence pairs.

    Pairs are resampled, and the correlations of both variants are computed anew in every resample.

    Args:
        before: Similarities under the old variant, shape `(n,)`, or `(runs, n)` to average over runs.
        after: Similarities under the new variant, of the same n.
        gold: Similarities given by people, shape `(n,)`.
        rng: Source of the resamples.
        resamples: Number of resamples.

    Returns:
        The comparison, in units of Spearman's rho; its p-value is the normal one for the bootstrap's standard error.
        There is no interval where fewer than 20 pairs have another gold score than the commonest one, nor where fewer
        than nine in ten change.

    Raises:
        ValueError: The shapes do not fit, or a correlation is undefined because all values of a variable are alike.

    Example:
        >>> gold = np.arange(40.0)
        >>> noisy = gold + 20 * np.sin(gold)
        >>> comparison = spearman_bootstrap(noisy, gold, gold, np.random.default_rng(0))
        >>> comparison.low > 0
        True
    """
    seed = int(rng.integers(2**62))
    old, new = (
        resampled_spearman(similarity, gold, np.random.default_rng(seed), resamples) for similarity in (before, after)
    )
    return compare_resampled(old, new, changed(before, after), gold)


def resampled_spearman(
    similarities: ArrayLike, gold: ArrayLike, rng: Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Compute Spearman correlations in resamples of the pairs, so that several variants can share one set of them.

    Args:
        similarities: Shape `(n,)`, or `(runs, n)` to average over runs.
        gold: Similarities given by people, shape `(n,)`.
        rng: Source of the resamples; the same state gives the same resamples.
        resamples: Number of resamples.

    Returns:
        The correlation of all pairs, then that of each resample, shape `(1 + resamples,)`.

    Raises:
        ValueError: The shapes do not fit, or the correlation is undefined because all values of a variable are alike.
    """
    rows, truth = np.atleast_2d(np.asarray(similarities, dtype=float)), np.asarray(gold, dtype=float)
    if rows.shape[1:] != truth.shape:
        raise ValueError(f"Shapes {rows.shape} and {truth.shape} of similarities and gold do not fit.")
    ranker, rankers = _ranker(truth), [_ranker(row) for row in rows]

    def correlation(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        gold_ranks = ranker(counts)
        return np.mean([_correlation(gold_ranks, rank(counts), counts) for rank in rankers], axis=0)

    n = truth.size
    whole = correlation(np.ones((1, n), dtype=np.int64))
    if not math.isfinite(whole[0]):
        raise ValueError("Spearman's correlation is undefined: all values of one variable are alike.")
    return np.concatenate([whole, *[correlation(counts) for counts in _resampled_counts(n, resamples, rng)]])


def changed(before: ArrayLike, after: ArrayLike) -> NDArray[np.bool_]:
    """Whether two variants give each pair another similarity, in any run: booleans of shape `(n,)`."""
    largest = np.atleast_2d(np.abs(np.subtract(np.asarray(after, dtype=float), before))).max(axis=0)
    return np.asarray(largest > ROUNDING)


def compare_resampled(
    before: NDArray[np.float64], after: NDArray[np.float64], changed: NDArray[np.bool_], gold: ArrayLike
) -> Comparison:
    """Compare two variants from their correlations in the same resamples.

    Args:
        before: From `resampled_spearman`, for the old variant.
        after: The same for the new variant.
        changed: From `changed`. Where fewer than nine in ten pairs change, there is no interval.
        gold: Similarities given by people, shape `(n,)`. There is no interval either where fewer than 20 pairs have
            another one than the commonest.
    """
    estimate, *rest = after - before
    n = changed.size

    def without(reason: str) -> Comparison:
        return Comparison(float(estimate), None, None, f"no interval: {reason}", NEW_PAIRS, n, None, None)

    apart = n - np.unique(gold, return_counts=True)[1].max()
    if apart < FEWEST_PAIRS:
        return without(f"{apart} of {n} gold scores differ from the commonest, and it takes {FEWEST_PAIRS}")
    values = np.array(rest)
    values = values[np.isfinite(values)]  # a resample that holds one value only has no correlation
    error = float(values.std())
    if error < 1e-12:
        return without("both rank the pairs alike")
    if changed.mean() < LEAST_CHANGED:
        return without(f"the similarity of {changed.sum()} of {n} pairs changes, and it takes {LEAST_CHANGED:.0%}")
    low, high = (float(end) for end in np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    detectable = error * float(stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER))
    p = 2 * float(stats.norm.sf(abs(estimate) / error))
    return Comparison(float(estimate), low, high, f"percentile bootstrap over {n} pairs", NEW_PAIRS, n, detectable, p)


def _resampled_counts(n: int, resamples: int, rng: Generator) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of n pairs is drawn in each resample, in blocks that fit in memory."""
    block = max(1, _CHUNK // n)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
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
