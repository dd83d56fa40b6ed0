"""Intervals for a mean over few tasks, which are no sample of tasks: for new queries or texts of these very ones."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from evaluation.statistics.intervals import LEVEL, NEW_ITEMS, Comparison, t_comparison


def combined_interval(tasks: Sequence[Comparison]) -> Comparison:
    """Compute an interval for the mean difference over some tasks, for new queries or texts of these very tasks.

    Tasks have items of their own, so that the errors of their differences are independent. Each error is read off the
    task's own interval, as half its width over the normal quantile, which is a little large where that is Student's t.

    Args:
        tasks: For each task the difference over its items, with the runs held fixed.

    Returns:
        The comparison; without an interval where a task has none. Its n is the number of all items.

    References:
        Welch 1947, "The generalization of 'Student's' problem when several different population variances are
        involved".

    Example:
        >>> from evaluation.statistics.intervals import query_interval
        >>> one = query_interval([0.0, 0.5, 0.25, 0.25] * 25)
        >>> both = combined_interval([one, query_interval([0.1, -0.1] * 50)])
        >>> round(both.estimate, 3), round(both.low, 2), round(both.high, 2)
        (0.125, 0.1, 0.15)
    """
    mean, n = float(np.mean([task.estimate for task in tasks])), sum(task.n for task in tasks)
    ends = [(task.low, task.high) for task in tasks if task.low is not None and task.high is not None]
    if len(ends) < len(tasks):
        reason = tasks[0].method
        if len(tasks) > 1:
            reason = f"no interval: {len(tasks) - len(ends)} of the {len(tasks)} tasks have none"
        return Comparison(mean, None, None, reason, NEW_ITEMS, n, None)
    quantile = float(stats.norm.ppf((1 + LEVEL) / 2))
    errors = np.array([(high - low) / 2 / quantile / len(tasks) for low, high in ends]) ** 2
    freedom = float(errors.sum() ** 2 / sum(e**2 / (task.n - 1) for e, task in zip(errors, tasks, strict=True)))
    method = f"combined from the intervals of {len(tasks)} tasks" if len(tasks) > 1 else tasks[0].method
    return t_comparison(mean, math.sqrt(errors.sum()), freedom, method, NEW_ITEMS, n)


def averaged_interval(parts: Sequence[Comparison]) -> Comparison:
    """Average the differences over the parts of one corpus, whose queries or texts can be the same.

    How far the errors of the parts go together is not known. They are taken to go together wholly, which is the widest
    case: the ends of the interval are the means of the ends.

    Args:
        parts: For each part the difference over its items, with the runs held fixed.

    Returns:
        The comparison; without an interval where a part has none. Its n is that of the smallest part.

    Example:
        >>> part = Comparison(1.0, 0.5, 1.5, "", "", 100, None)
        >>> both = averaged_interval([part, Comparison(3.0, 1.5, 4.5, "", "", 50, None)])
        >>> both.estimate, both.low, both.high, both.n
        (2.0, 1.0, 3.0, 50)
    """
    n, estimate = min(part.n for part in parts), float(np.mean([part.estimate for part in parts]))
    ends = [(part.low, part.high) for part in parts if part.low is not None and part.high is not None]
    if len(ends) < len(parts):
        reason = next(part.method for part in parts if part.low is None)
        return Comparison(estimate, None, None, reason, NEW_ITEMS, n, None)
    low, high = np.mean(ends, axis=0).tolist()
    return Comparison(estimate, low, high, f"averaged over {len(parts)} parts of one corpus", NEW_ITEMS, n, None)
