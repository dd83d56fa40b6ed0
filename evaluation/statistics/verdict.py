"""What a paired difference says: better, worse, no difference found, or undecided; and tests of a whole family."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.statistics.intervals import Comparison

Outcome = Literal["better", "worse", "no difference found", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """An outcome and the sentence that reports it."""

    outcome: Outcome
    sentence: str


def verdict(comparison: Comparison, greater_is_better: bool = True, measure: str = "") -> Verdict:
    """Say whether the new variant is better, worse, or not found to differ.

    Args:
        comparison: The paired difference, new minus old.
        greater_is_better: Whether a greater score is the better one.
        measure: What was measured, for the sentence.

    Returns:
        "better" or "worse" where the interval excludes zero; otherwise "no difference found", together with the
        smallest difference that this many runs or queries would have found four times out of five; "undecided" where
        there is no interval.
    """
    c = comparison
    if c.low is None or c.high is None:
        name = f"{measure} " if measure else ""
        return Verdict("undecided", f"undecided: {name}{c.estimate:+.3g}, {c.method}")
    found = describe_difference(comparison, measure)
    if c.low <= 0 <= c.high:
        return Verdict("no difference found", f"no difference found: {found}; {describe_unseen(comparison)}")
    outcome: Outcome = "better" if (c.estimate > 0) == greater_is_better else "worse"
    return Verdict(outcome, f"{outcome}: {found}")


def describe_difference(comparison: Comparison, measure: str = "") -> str:
    """Write a difference that has an interval, with its estimand and its method.

    Example:
        >>> describe_difference(Comparison(0.5, 0.25, 0.75, "Student t over 3 paired runs", "new seeds", 3, 0.4), "F1")
        'F1 +0.5 [+0.25, +0.75] for new seeds (Student t over 3 paired runs)'
    """
    c = comparison
    name = f"{measure} " if measure else ""
    return f"{name}{c.estimate:+.3g} [{c.low:+.3g}, {c.high:+.3g}] for {c.estimand} ({c.method})"


def describe_unseen(comparison: Comparison) -> str:
    """Write what a comparison with an interval could have missed."""
    return f"a true difference under {comparison.detectable:.2g} would often go unseen"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of a family of tests so that the chance of any false finding stays at the level.

    Args:
        p_values: One p-value per member of the family.

    Returns:
        Adjusted p-values in the same order.

    References:
        Holm 1979, "A simple sequentially rejective multiple test procedure".

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = floor
    return adjusted
