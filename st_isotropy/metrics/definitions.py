"""What defines a measure: how it is computed, what it ranges over, what isotropic rows give, and how a value reads."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from st_isotropy.metrics.cloud import Cloud


def itself(value: float, isotropic: float) -> float:
    """The value itself; the isotropic value does not matter."""
    return value


def shrinkage(value: float, isotropic: float) -> float:
    """How many times smaller than isotropic; 1 where isotropic rows are so few that they are infinite."""
    if value == isotropic or math.isinf(isotropic):
        return 1.0
    return isotropic / value if value > 0 else math.inf


def growth(value: float, isotropic: float) -> float:
    """How many times larger than isotropic."""
    return value / isotropic if isotropic > 0 else value


def excess(value: float, isotropic: float) -> float:
    """How far above isotropic."""
    return value - isotropic


def shortfall(value: float, isotropic: float) -> float:
    """How far below isotropic."""
    return isotropic - value


@dataclass(frozen=True)
class Definition:
    """How one measure is computed and read.

    Attributes:
        compute: The measure, of a cloud and of a second one where it needs one.
        limits: Rules of thumb, not laws: the distances at which the reading moves from the first of `readings` to the
            second and to the third.
        readings: What a value means, in a few words.
        distance: How far a value is from its isotropic value.
        low: Smallest value for `n` rows in `d` dimensions.
        high: Largest value for `n` rows in `d` dimensions.
        closed_form: Value for an isotropic cloud; simulated where there is none.
        scope: The rows it runs on: all, the seeded sample, or all by a neighbor search.
        second: The second cloud it needs, if any.
    """

    compute: Callable[..., float]
    limits: tuple[float, float]
    readings: tuple[str, str, str]
    distance: Callable[[float, float], float] = itself
    low: Callable[[int, int], float] = lambda n, d: 0.0
    high: Callable[[int, int], float] = lambda n, d: 1.0
    closed_form: Callable[[int, int], float] | None = None
    scope: Literal["all", "sample", "search"] = "all"
    second: Literal["queries", "partners"] | None = None

    def measured(self, cloud: Cloud, seconds: Mapping[str, Cloud]) -> float:
        """Compute the measure of a cloud, and of the one of the second clouds that it needs."""
        return self.compute(cloud, seconds[self.second]) if self.second else self.compute(cloud)
