"""An interval over training runs and queries (or test texts) at once, from every run's score on every one."""

import math

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics.intervals import (
    FEWEST_DIFFERING,
    NEW_RUNS_AND_QUERIES,
    NEW_RUNS_AND_TEXTS,
    ROUNDING,
    Comparison,
    t_comparison,
)

FEWEST_RUNS = 5  # with 3 runs the interval covered 92 %


def crossed_interval(differences: ArrayLike, estimand: str = NEW_RUNS_AND_QUERIES) -> Comparison:
    r"""Compute an interval for the mean difference over new training runs and new queries, or test texts.

    Runs and queries are crossed random effects. With $S$ runs, $Q$ queries and the mean squares of runs and of queries,
    the variance of the grand mean is estimated by $(MS_{runs} + MS_{queries}) / SQ$. This counts the residual twice,
    which errs on the wide side and keeps the estimate positive. Degrees of freedom are Satterthwaite's.

    Args:
        differences: New minus old for each paired run and query, shape `(runs, queries)`, at least two of each.
        estimand: `NEW_RUNS_AND_QUERIES` or `NEW_RUNS_AND_TEXTS`.

    Returns:
        The comparison; `n` counts the runs. There is no interval for fewer than 5 runs, where fewer than 20 queries
        differ, nor where all differences are equal.

    Raises:
        ValueError: The shape is another, or a value is not finite.

    References:
        Satterthwaite 1946, "An approximate distribution of estimates of variance components".

    Example:
        >>> rng = np.random.default_rng(0)
        >>> shared, own = rng.normal(0.1, 0.2, size=(1, 300)), rng.normal(0, 0.02, size=(5, 1))
        >>> comparison = crossed_interval(shared + own)
        >>> comparison.low < 0.1 < comparison.high
        True
    """
    table = np.asarray(differences, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"Differences must be finite, of shape (runs, queries), two of each; got {table.shape}.")
    runs, queries = table.shape
    mean = float(table.mean())
    differing = int((np.abs(table).max(axis=0) > ROUNDING).sum())
    reason = ""
    if runs < FEWEST_RUNS:
        reason = f"no interval: there are {runs} runs, and it takes {FEWEST_RUNS}"
    elif differing < FEWEST_DIFFERING:
        reason = f"no interval: {differing} of {queries} differ, and it takes {FEWEST_DIFFERING}"
    elif np.ptp(table) <= ROUNDING:
        reason = f"no interval: all {table.size} differences are equal"
    if reason:
        return Comparison(mean, None, None, reason, estimand, runs, None)
    squares = np.array([queries * table.mean(axis=1).var(ddof=1), runs * table.mean(axis=0).var(ddof=1)])
    freedom = float(squares.sum() ** 2 / (squares**2 / (runs - 1, queries - 1)).sum())
    error = math.sqrt(squares.sum() / table.size)
    unit = "test texts" if estimand == NEW_RUNS_AND_TEXTS else "queries"
    method = f"Satterthwaite's t over {runs} paired runs and {queries} {unit}"
    return t_comparison(mean, error, freedom, method, estimand, runs)
