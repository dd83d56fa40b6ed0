"""Paired gains over held-out queries or pairs, with 95 % intervals.

Which method is used at which size is decided by its simulated coverage: see the page on `st-isotropy improve`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
FEWEST_DIFFERING = 20  # with fewer queries that differ, Student's t covers too little
ROUNDING = 1e-12
RESAMPLES = 2000
NEW_QUERIES = "new queries, this corpus"
NEW_PAIRS = "new sentence pairs"


@dataclass(frozen=True)
class Gain:
    """A paired gain with its 95 % interval.

    Attributes:
        estimate: Mean gain, in the units of the measure.
        low: Lower end of the interval; None where the data give none.
        high: Upper end.
        method: How the interval was computed, or why there is none.
        estimand: What the interval speaks about.
        n: Number of queries or pairs.

    Examples:
        >>> method = "Student t over 30 queries"
        >>> Gain(0.1, -0.05, 0.25, method, NEW_QUERIES, n=30).is_proven
        False
    """

    estimate: float
    low: float | None
    high: float | None
    method: str
    estimand: str
    n: int

    @property
    def is_proven(self) -> bool:
        """Whether the interval is above 0."""
        return self.low is not None and self.low > 0


def search_gain(differences: NDArray[np.float64], groups: NDArray[np.int64]) -> Gain:
    """Compute Student's t interval for the mean gain of queries, which are independent unless they share a group.

    Args:
        differences: After minus before for each query, shape `(q,)`.
        groups: For each query the number of its group; sums over groups are what is independent.

    Returns:
        The gain, without an interval where fewer than 20 queries differ.

    Examples:
        >>> gain = search_gain(np.array([0.0, 0.5, 0.25, 0.25] * 25), np.arange(100))
        >>> gain.estimate, round(gain.low, 2), round(gain.high, 2)
        (0.25, 0.21, 0.29)

    References:
        Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference".
    """
    n, mean = len(differences), float(differences.mean()) if len(differences) else 0.0
    differing = int((np.abs(differences) > ROUNDING).sum())
    if differing < FEWEST_DIFFERING:
        reason = f"no interval: {differing} of {n} queries differ, and it takes {FEWEST_DIFFERING}"
        return Gain(mean, None, None, reason, NEW_QUERIES, n)
    residuals = np.bincount(np.unique(groups, return_inverse=True)[1], weights=differences - mean)
    count = len(residuals)
    if count < FEWEST_DIFFERING or np.ptp(residuals) <= ROUNDING:
        reason = f"no interval: the {n} queries have {count} different texts, or all gain the same"
        return Gain(mean, None, None, reason, NEW_QUERIES, n)
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / n
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Gain(mean, mean - half, mean + half, f"Student t over {count} queries", NEW_QUERIES, n)


def spearman_gain(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    gold: NDArray[np.float64],
    folds: NDArray[np.int64],
    groups: NDArray[np.int64],
    seed: int = 0,
) -> Gain:
    """Compute a percentile-bootstrap interval for a gain in Spearman's correlation, averaged over folds.

    Groups are resampled within their fold, because the maps of two folds give similarities on two scales. The ranks are
    those of the whole fold, so that a resample counts pairs and does not rank them again.

    Args:
        before: Similarities before, shape `(n,)`.
        after: Similarities after.
        gold: Gold scores.
        folds: The fold of each pair.
        groups: Pairs of a group are drawn together.
        seed: Seed of the resamples.

    Returns:
        The gain, without an interval where all similarities rank alike.
    """
    rng = np.random.default_rng(seed)
    estimate, resampled = 0.0, np.zeros(RESAMPLES)
    names = np.unique(folds)
    for fold in names:
        inside = folds == fold
        ranks = np.stack([stats.rankdata(values[inside]) for values in (before, after, gold)])
        _, members = np.unique(groups[inside], return_inverse=True)
        count = members.max() + 1
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)[:, members]
        weights = np.vstack([np.ones(len(members)), drawn]).astype(float)
        gains = _correlations(ranks[1], ranks[2], weights) - _correlations(ranks[0], ranks[2], weights)
        estimate += gains[0] / len(names)
        resampled += gains[1:] / len(names)
    n = len(gold)
    if np.ptp(resampled) <= ROUNDING:
        return Gain(float(estimate), None, None, "no interval: all pairs rank as before", NEW_PAIRS, n)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Gain(float(estimate), float(low), float(high), f"percentile bootstrap over {n} pairs", NEW_PAIRS, n)


def _correlations(
    first: NDArray[np.float64], second: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's correlation under each row of weights; 0 where one side has no spread."""
    total = weights.sum(axis=1)
    mean_first, mean_second = weights @ first / total, weights @ second / total
    covariance = weights @ (first * second) / total - mean_first * mean_second
    variances = (weights @ first**2 / total - mean_first**2) * (weights @ second**2 / total - mean_second**2)
    return np.where(variances > ROUNDING, covariance / np.sqrt(np.maximum(variances, ROUNDING)), 0.0)
