"""Numbers and names for readers: no more decimals than the interval supports, and names of bounded length."""

import math

from evaluation.statistics.intervals import NEW_RUNS, NEW_TASKS, Comparison

MEASURE_NAMES = {
    "isoscore": "IsoScore",
    "persistent_entropy": "persistent entropy of H0",
    "mean_mst_length": "mean MST length",
    "hubness_skewness": "hubness skewness (k = 10)",
}
METRIC_NAMES = {
    "ndcg_at_10": "nDCG@10",
    "v_measure": "V-measure",
    "cosine_spearman": "Spearman",
    "f1": "F1",
    "mcc": "MCC",
}


def measure_name(measure: str) -> str:
    """An isotropy measure as reports name it.

    Example:
        >>> measure_name("isoscore"), measure_name("effective_rank")
        ('IsoScore', 'effective rank')
    """
    return MEASURE_NAMES.get(measure) or measure.replace("_", " ")


def metric_name(metric: str) -> str:
    """A score of a task or an index as reports name it.

    Example:
        >>> metric_name("ndcg_at_10"), metric_name("accuracy")
        ('nDCG@10', 'accuracy')
    """
    return METRIC_NAMES.get(metric, metric)


def number(value: float, digits: int, sign: bool = False) -> str:
    """Write a number with fixed decimals."""
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def significant(value: float, digits: int = 3, sign: bool = False) -> str:
    """Write a number with a given number of significant digits.

    Example:
        >>> significant(-0.0012345), significant(1234.5), significant(0.5, sign=True)
        ('−0.00123', '1234', '+0.5')
    """
    if abs(value) >= 10 ** (digits - 1):
        return number(value, 0, sign)
    return f"{value:{'+' if sign else ''}.{digits}g}".replace("-", "−")


def difference(comparison: Comparison) -> str:
    """Write a difference and its interval, to two significant digits of the interval's half width.

    Example:
        >>> difference(Comparison(0.0228184, 0.0197917, 0.0258450, "", "", 3, None))
        '+0.0228 [+0.0198, +0.0258]'
        >>> difference(Comparison(1.5, None, None, "", "", 1, None))
        '+1.5'
    """
    ends = interval(comparison)
    return f"{estimate(comparison)} [{ends}]" if ends else estimate(comparison)


def estimate(comparison: Comparison) -> str:
    """Write a difference as `difference` does, without its interval."""
    digits = _digits(comparison)
    return significant(comparison.estimate, sign=True) if digits is None else number(comparison.estimate, digits, True)


def interval(comparison: Comparison, between: str = ", ") -> str:
    """Write the ends of an interval as `difference` does; empty where there is none.

    Example:
        >>> interval(Comparison(0.0228184, 0.0197917, 0.0258450, "", "", 3, None), " … ")
        '+0.0198 … +0.0258'
    """
    digits = _digits(comparison)
    if digits is None or comparison.low is None or comparison.high is None:
        return ""
    return between.join(number(end, digits, True) for end in (comparison.low, comparison.high))


def scope(estimand: str, tasks: int | None) -> str:
    """What an interval speaks about, with the tasks that it holds fixed.

    Args:
        estimand: One of those of `evaluation.statistics.intervals`.
        tasks: How many tasks are scored; None where it is about none.

    Example:
        >>> scope(NEW_RUNS, 4), scope("new queries, these runs fixed", 1)
        ('new training runs on these 4 tasks', 'new queries of this task, these runs fixed')
    """
    if tasks is None or estimand == NEW_TASKS:
        return estimand
    what, comma, fixed = estimand.partition(",")
    these = "this task" if tasks == 1 else f"these {tasks} tasks"
    return f"{what} {'on' if what == NEW_RUNS else 'of'} {these}{comma}{fixed}"


def duration(seconds: float) -> str:
    """Write a time.

    Example:
        >>> duration(260.4)
        '4 min 20 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def decimals(half_width: float) -> int:
    """The decimals that show two significant digits of a half width; 2 if it is zero."""
    return min(6, max(0, 1 - math.floor(math.log10(half_width)))) if half_width else 2


def weight_text(weight: float | str) -> str:
    """A weight as it is written in a study."""
    return weight if isinstance(weight, str) else f"{weight:g}"


def shorten(name: str, longest: int) -> str:
    """Shorten a name that would not fit; tables have it in full.

    Example:
        >>> shorten("persistent entropy", 11)
        'persistent…'
    """
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _digits(comparison: Comparison) -> int | None:
    """The decimals that an interval supports; None without one."""
    if comparison.low is None or comparison.high is None:
        return None
    return decimals((comparison.high - comparison.low) / 2)
