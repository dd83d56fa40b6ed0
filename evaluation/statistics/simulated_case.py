"""One case of the simulated coverage: samples of which the truth is known, and the interval that should hold it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

TRIALS = 2000
BOOTSTRAP_TRIALS = 1000  # of the methods that resample
RESAMPLES = 500

Ends = tuple[float, float] | None
Sample = Any  # whatever the method takes: differences, a tuple of scores, ...


@dataclass(frozen=True)
class SimulatedCase:
    """One line of the table before it is simulated.

    Attributes:
        estimand: What the interval speaks about.
        method: The method.
        used: Whether reports use it.
        size: How many runs, queries, pairs or tasks.
        case: How the differences are drawn.
        draw: Draws a sample.
        interval: Computes the ends of the interval from a sample; None where the method gives none.
        truth: What the interval should hold.
        trials: Number of samples.
        assumed: Whether the method is claimed for this case; where it is not, the line is there as a warning.
    """

    estimand: str
    method: str
    used: bool
    size: str
    case: str
    draw: Callable[[Generator], Sample]
    interval: Callable[[Sample, Generator], Ends]
    truth: float
    trials: int = TRIALS
    assumed: bool = True
