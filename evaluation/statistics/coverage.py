"""Simulated coverage of the intervals, at the sizes that studies have: how often does a 95 % interval hold the truth?

The functions that the reports use are run on samples whose true mean is known, beside methods that were not chosen. A
method that covers less than 93 % at some size is not used there. `python -m evaluation coverage` repeats all of it.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from evaluation.statistics.coverage_cases import coverage_cases
from evaluation.statistics.simulated_case import SimulatedCase

LEAST = 0.93
LEAST_GIVEN = 0.1  # where an interval is given more rarely, the samples that get one are no fair sample


@dataclass(frozen=True)
class Coverage:
    """How often one method's interval held the truth.

    Attributes:
        estimand: What the interval speaks about.
        method: The method.
        used: Whether reports use it.
        size: How many runs, queries, pairs or tasks.
        case: How the differences were drawn.
        assumed: Whether the method is claimed for this case; where it is not, the line is there as a warning.
        given: Share of samples for which the method gave an interval.
        coverage: Share of those intervals that held the truth; None where none was given.
        trials: Number of samples.
    """

    estimand: str
    method: str
    used: bool
    size: str
    case: str
    assumed: bool
    given: float
    coverage: float | None
    trials: int


def simulate_coverage(progress: Callable[[Iterable[Any], int], Iterable[Any]]) -> list[Coverage]:
    """Simulate every case, in two processes.

    Args:
        progress: Wraps the iterable of finished cases, whose number it is given, to show progress.

    Returns:
        One row per case, in the order of the table; the same in every run.
    """
    cases = list(coverage_cases())
    finished = Parallel(n_jobs=2, return_as="generator")(delayed(simulate)(case) for case in cases)
    return list(progress(finished, len(cases)))


def simulate(case: SimulatedCase) -> Coverage:
    """Draw samples of a case, and count how often the truth is inside; the seed is the case's own."""
    name = "|".join((case.estimand, case.size, case.case))  # methods are compared on the same samples
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    ends = [case.interval(case.draw(rng), np.random.default_rng(trial)) for trial in range(case.trials)]
    given = [pair for pair in ends if pair is not None]
    held = sum(low <= case.truth <= high for low, high in given)
    return Coverage(
        case.estimand,
        case.method,
        case.used,
        case.size,
        case.case,
        case.assumed,
        len(given) / case.trials,
        held / len(given) if given else None,
        case.trials,
    )


def coverage_table(rows: Iterable[Coverage]) -> str:
    """Write the rows as a Markdown table; what is below 93 % is set in bold."""
    lines = [
        "| estimand | method | size | differences | interval given | coverage |",
        "|---|---|---|---|---:|---:|",
    ]
    for row in rows:
        method = row.method if row.used else f"{row.method} (not used)"
        covered = "—" if row.coverage is None else f"{100 * row.coverage:.1f} %"
        covered = f"**{covered}**" if row.coverage is not None and row.coverage < LEAST else covered
        lines.append(f"| {row.estimand} | {method} | {row.size} | {row.case} | {100 * row.given:.0f} % | {covered} |")
    return "\n".join(lines) + "\n"


def misses(rows: Iterable[Coverage]) -> list[Coverage]:
    """Give the rows that break the rule: used where claimed, and below 93 %."""
    return [
        row
        for row in rows
        if row.used and row.assumed and row.given >= LEAST_GIVEN and row.coverage is not None and row.coverage < LEAST
    ]
