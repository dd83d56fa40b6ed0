"""Paired differences: intervals whose estimand is named, and the smallest detectable difference.

Two questions are kept apart. *Would new training runs show it?* is answered over paired seeds. *Would new queries (or
sentence pairs) show it, with these very runs?* is answered over queries. Which method is used where is decided by its
simulated coverage (`evaluation.statistics.coverage`): a 95 % interval that covers less than 93 % is not used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

NEW_RUNS = "new training runs"
NEW_QUERIES = "new queries, these runs fixed"
NEW_PAIRS = "new sentence pairs, these runs fixed"
NEW_TEXTS = "new test texts, these runs fixed"
NEW_TASKS = "new tasks of this kind, these runs fixed"
NEW_ITEMS = "new queries or texts, these runs fixed"
NEW_RUNS_AND_QUERIES = "new training runs and new queries"
NEW_RUNS_AND_TEXTS = "new training runs and new test texts"

LEVEL = 0.95
POWER = 0.80
FEWEST_DIFFERING = 20  # with fewer queries that differ, no method that was simulated covers 93 %
FEWEST_TASKS = 5  # over fewer, a verdict rests on new runs or new queries of these very tasks
FEWEST_RUNS = 5  # with 3 runs the interval over runs and queries covered 92 %
ROUNDING = 1e-12  # scores are of the order of one; smaller differences come from subtraction


@dataclass(frozen=True)
class Comparison:
    """A paired difference, new minus old, with a 95 % interval.

    Attributes:
        estimate: The mean difference, in the units of the score.
        low: Lower end of the interval; None where the data give none.
        high: Upper end of the interval; None where the data give none.
        method: How the interval was computed, or why there is none.
        estimand: What the interval speaks about: `NEW_RUNS`, `NEW_QUERIES`, `NEW_PAIRS`, ...
        n: The number of paired runs, queries or sentence pairs.
        detectable: The smallest true difference that this many would have found with a probability of 80 % at the
            two-sided 5 % level, given their spread; None where the spread cannot be estimated.
        p: Two-sided p-value of no difference, by the same method; None where there is no interval.
        sign_flip_p: Two-sided p-value of the sign-flip test; None where there are too few differences for one.
    """

    estimate: float
    low: float | None
    high: float | None
    method: str
    estimand: str
    n: int
    detectable: float | None
    p: float | None = None
    sign_flip_p: float | None = None


def student_interval(differences: ArrayLike) -> Comparison:
    """Compute Student's t interval for the mean of paired differences.

    Args:
        differences: One difference (new minus old) per paired seed, shape `(n,)`, n at least 1. With one there is no
            interval; with all alike there is none either, because their spread cannot be estimated.

    Returns:
        The comparison.

    Example:
        >>> comparison = student_interval([0.01, 0.02, 0.03])
        >>> round(comparison.estimate, 4), round(comparison.low, 4), round(comparison.high, 4)
        (0.02, -0.0048, 0.0448)
    """
    return _student(_differences(differences), "paired runs", NEW_RUNS)


def task_interval(differences: ArrayLike) -> Comparison:
    """Compute Student's t interval for the mean difference over tasks of one kind, with the runs held fixed.

    Args:
        differences: One difference (new minus old) per task, shape `(n,)`; with several seeds, averaged over them.
            Reports use it from 5 tasks on: over fewer it covers, but hardly ever finds a difference that each of the
            tasks has, and nobody takes two tasks for a sample of tasks. There they use `combined_interval`.

    Returns:
        The comparison; its estimand is a new task that is like these.

    Example:
        >>> task_interval([0.1, 0.3, -0.1, 0.2]).method
        'Student t over 4 tasks'
    """
    return _student(_differences(differences), "tasks", NEW_TASKS)


def query_interval(differences: ArrayLike, estimand: str = NEW_QUERIES) -> Comparison:
    """Compute Student's t interval for the mean of per-query differences, with the runs held fixed.

    Most queries often do not differ at all. Where fewer than 20 do, there is no interval: none of the methods that were
    simulated covers 93 % there (t, percentile, BCa and studentized bootstrap).

    Args:
        differences: One difference (new minus old) per query, shape `(n,)`; with several seeds, averaged over them.
        estimand: What the differences are a sample of.

    Returns:
        The comparison.

    Example:
        >>> comparison = query_interval([0.0, 0.5, 0.25, 0.25] * 25)
        >>> comparison.estimate, round(comparison.low, 2), round(comparison.high, 2)
        (0.25, 0.21, 0.29)
        >>> query_interval([0.0] * 90 + [1.0] * 10).method
        'no interval: 10 of 100 differ, and it takes 20'
    """
    values = _differences(differences)
    unit = "test texts" if estimand == NEW_TEXTS else "queries"
    return _student(values, unit, estimand, differing=int((np.abs(values) > ROUNDING).sum()))


def stratified_interval(strata: Sequence[ArrayLike]) -> Comparison:
    """Compute Welch's t interval for a sum of means of per-query differences, with the runs held fixed.

    For a mean over several corpora, each with queries of its own.

    Args:
        strata: For each corpus one difference (new minus old) per query, of shape `(n,)`, already weighted by the
            corpus's share in the mean. Each needs 20 queries that differ, as in `query_interval`.

    Returns:
        The comparison; its n is the number of all queries.

    References:
        Welch 1947, "The generalization of 'Student's' problem when several different population variances are
        involved".

    Example:
        >>> comparison = stratified_interval([[0.0, 0.5, 0.25, 0.25] * 25, [0.1, -0.1] * 50])
        >>> comparison.estimate, round(comparison.low, 3), round(comparison.high, 3)
        (0.25, 0.21, 0.29)
    """
    samples = [_differences(stratum) for stratum in strata]
    total, n = float(sum(sample.mean() for sample in samples)), sum(sample.size for sample in samples)
    for sample in samples:
        alone = query_interval(sample)
        if alone.low is None:
            return Comparison(total, None, None, f"{alone.method} on one corpus", NEW_QUERIES, n, None)
    errors = np.array([sample.var(ddof=1) / sample.size for sample in samples])
    parts = sum(error**2 / (sample.size - 1) for error, sample in zip(errors, samples, strict=True))
    freedom = float(errors.sum() ** 2 / parts)
    method = f"Welch's t over {n} queries of {len(samples)} corpora"
    return t_comparison(total, math.sqrt(errors.sum()), freedom, method, NEW_QUERIES, n)


def ratio_interval(before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike]) -> Comparison:
    """Compute an interval for a difference of ratios of means, such as an index's retention of exact nDCG@10.

    Student's t over the linearized contribution of each query (delta method), with the runs held fixed.

    Args:
        before: Per-query scores of the old variant, under the index and under exact search, each of shape `(n,)`.
        after: The same of the new variant, for the same queries in the same order.

    Returns:
        The comparison of `mean(index) / mean(exact)`, new minus old.

    Raises:
        ValueError: A mean under exact search is zero, which leaves no ratio.

    Example:
        >>> exact = np.linspace(0.2, 1, 100)
        >>> round(ratio_interval((0.7 * exact, exact), (0.9 * exact**2, exact)).estimate, 3)
        -0.078
    """
    (old_index, old_exact), (new_index, new_exact) = (
        tuple(_differences(scores) for scores in variant) for variant in (before, after)
    )
    if not old_exact.mean() or not new_exact.mean():
        raise ValueError("There is no retention: the mean score under exact search is zero.")
    differing = int(((np.abs(new_index - old_index) + np.abs(new_exact - old_exact)) > ROUNDING).sum())
    contributions = _linearized(new_index, new_exact) - _linearized(old_index, old_exact)
    return _student(contributions, "queries", NEW_QUERIES, differing)


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


def _linearized(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give values whose mean is the ratio of means and whose spread is that of the ratio's linear part."""
    ratio = numerator.mean() / denominator.mean()
    return ratio + (numerator - ratio * denominator) / denominator.mean()


def t_comparison(estimate: float, error: float, freedom: float, method: str, estimand: str, n: int) -> Comparison:
    """Make the comparison that a t statistic gives.

    Args:
        estimate: The difference.
        error: Its standard error.
        freedom: Degrees of freedom of the standard error.
        method: How they were computed.
        estimand: What the interval speaks about.
        n: The number of paired runs or queries.
    """
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(estimate) / error, freedom))
    detectable = detectable_in_errors(freedom) * error
    return Comparison(estimate, estimate - half, estimate + half, method, estimand, n, detectable, p)


def detectable_in_errors(freedom: float) -> float:
    """Compute how many standard errors an effect must have to be found with 80 % power at so many degrees of freedom.

    At the two-sided 5 % level, from the noncentral t distribution.

    References:
        Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences", chapter 2.

    Example:
        >>> round(detectable_in_errors(2), 2), round(detectable_in_errors(1000), 2)
        (5.65, 2.8)
    """
    critical = stats.t.ppf((1 + LEVEL) / 2, freedom)
    # The chance of erring on the wrong side, below 1e-6 at this power, is left out.
    return float(special.nctdtrinc(freedom, 1 - POWER, critical))


def _differences(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"Paired differences must be finite, of shape (n,) and at least one; got {values!r}.")
    return values


def _student(values: NDArray[np.float64], unit: str, estimand: str, differing: int | None = None) -> Comparison:
    n, mean = values.size, float(values.mean())

    def without(reason: str) -> Comparison:
        return Comparison(mean, None, None, f"no interval: {reason}", estimand, n, None)

    if n == 1:
        return without("one alone has no spread")
    if np.ptp(values) <= ROUNDING:
        return without(f"all {n} differences are equal")
    if differing is not None and differing < FEWEST_DIFFERING:
        return without(f"{differing} of {n} differ, and it takes {FEWEST_DIFFERING}")
    error = float(values.std(ddof=1)) / math.sqrt(n)
    return t_comparison(mean, error, n - 1, f"Student t over {n} {unit}", estimand, n)
