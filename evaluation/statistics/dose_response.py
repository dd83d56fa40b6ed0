"""Does isotropy transfer? The rank correlation of score changes with isotropy changes over regularization weights."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.statistics.intervals import LEVEL, NEW_RUNS, Comparison, detectable_in_errors

Answer = Literal["yes", "no evidence", "the opposite", "undecided"]

FEWEST_DOSES = 5  # with 4 the interval covered 92 %


@dataclass(frozen=True)
class Transfer:
    """An answer to "does more isotropy mean a better score?", and the sentence that reports it."""

    answer: Answer
    sentence: str


def dose_response(isotropy: ArrayLike, scores: ArrayLike) -> Comparison:
    """Compute the mean over runs of Spearman's correlation between isotropy and score over the doses.

    Each training seed is trained at every weight, so that it has a correlation of its own. Student's t over the seeds
    gives the interval, on the arcsine scale, where correlations near 1 spread as others do (untransformed it covered 91
    to 92 %). A rank correlation over few doses moves in steps: the spread between seeds is taken to be at least that of
    an error of one step either way, so that seeds which happen to agree do not claim certainty.

    Args:
        isotropy: An isotropy measure per seed and weight, shape `(runs, doses)`, a weight of 0 being a dose; greater
            is more isotropic. A constant per seed does not matter: differences from a baseline give the same.
        scores: The task scores in the same shape; greater is better.

    Returns:
        The correlation, averaged on that scale, with its interval; `n` counts the runs. There is no interval for one
        run, nor for fewer than 5 doses.

    Raises:
        ValueError: The shapes differ, or there are fewer than three doses.

    Example:
        >>> isotropy = np.tile([0.0, 0.1, 0.2, 0.3, 0.4], (5, 1))
        >>> comparison = dose_response(isotropy, isotropy + 0.01)
        >>> round(comparison.estimate, 2), round(comparison.low, 2), comparison.high
        (1.0, 0.93, 1.0)
    """
    x, y = np.asarray(isotropy, dtype=float), np.asarray(scores, dtype=float)
    if x.shape != y.shape or x.ndim != 2 or x.shape[1] < 3:
        raise ValueError(f"Isotropy {x.shape} and scores {y.shape} must be alike: (runs, doses), three doses or more.")
    runs, doses = x.shape
    # Shrunk a little, so that the scale is not infinitely steep at 1.
    shrinkage = 1 - 1 / doses**2
    angles = np.arcsin([shrinkage * _spearman(x[run], y[run]) for run in range(runs)])

    def correlation(angle: float) -> float:
        return math.sin(min(max(angle, -math.pi / 2), math.pi / 2)) / shrinkage

    mean = float(angles.mean())
    reason = ""
    if runs == 1:
        reason = "no interval: one alone has no spread"
    elif doses < FEWEST_DOSES:
        reason = f"no interval: there are {doses} doses, and it takes {FEWEST_DOSES}"
    if reason:
        return Comparison(correlation(mean), None, None, reason, NEW_RUNS, runs, None)
    step = math.asin(shrinkage) - math.asin(shrinkage * (1 - 12 / (doses * (doses**2 - 1))))
    error = max(float(angles.std(ddof=1)), step / math.sqrt(3)) / math.sqrt(runs)
    half = float(stats.t.ppf((1 + LEVEL) / 2, runs - 1)) * error
    return Comparison(
        correlation(mean),
        max(-1.0, correlation(mean - half)),
        min(1.0, correlation(mean + half)),
        f"Student t over the rank correlations of {runs} runs at {doses} doses",
        NEW_RUNS,
        runs,
        correlation(detectable_in_errors(runs - 1) * error),
        2 * float(stats.t.sf(abs(mean) / error, runs - 1)),
    )


def transfer(comparison: Comparison) -> Transfer:
    """Answer whether isotropy transfers, from a dose-response correlation.

    Args:
        comparison: From `dose_response`.

    Returns:
        "yes" or "the opposite" where the interval excludes zero, else "no evidence" together with the correlation that
        this many runs would have found four times out of five; "undecided" where there is no interval.
    """
    c = comparison
    if c.low is None or c.high is None or c.detectable is None:
        return Transfer("undecided", f"undecided: rank correlation {c.estimate:+.2f}, {c.method}")
    found = f"rank correlation {c.estimate:+.2f} [{c.low:+.2f}, {c.high:+.2f}] ({c.method})"
    if c.low <= 0 <= c.high:
        unseen = (
            f"one under {c.detectable:.2f} would often go unseen"
            if c.detectable < 1
            else "even one of 1 could go unseen"
        )
        return Transfer("no evidence", f"no evidence: {found}; {unseen}")
    answer: Answer = "yes" if c.estimate > 0 else "the opposite"
    return Transfer(answer, f"{answer}: {found}")


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlate the ranks; doses that change nothing at all have no association."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
