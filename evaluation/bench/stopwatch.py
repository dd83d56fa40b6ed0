"""Fair timing: contenders in alternation, in a drawn order, within one process, and peak memory in a fresh one."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from evaluation.processes import one_thread

FEWEST_ROUNDS = 3
MOST_ROUNDS = 200


MS, MEGABYTES = "ms", "peak MB over base"
FASTER, OVER = "times faster than", "time over that of"


@dataclass(frozen=True)
class Figure:
    """A measured figure, with the target it has to meet if there is one.

    Attributes:
        case: What was measured on.
        contender: What was measured.
        unit: Its unit; for a ratio `FASTER` or `OVER`, with the peer that it is to.
        value: Median over the rounds.
        spread: Half the interquartile range over the rounds; 0 for a single round.
        at_least: Smallest value that meets the target.
        at_most: Largest value that meets the target.
        peer: What a ratio is to; empty for other figures.
    """

    case: str
    contender: str
    unit: str
    value: float
    spread: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    peer: str = ""

    @property
    def quantity(self) -> str:
        """What was measured, as a reader sees it."""
        return f"{self.contender}: {self.unit} {self.peer}" if self.peer else f"{self.contender}, {self.unit}"

    @property
    def missed(self) -> bool:
        """Whether the value misses its target by more than the spread."""
        too_small = self.at_least is not None and self.value + self.spread < self.at_least
        return too_small or (self.at_most is not None and self.value - self.spread > self.at_most)


def alternate(
    contenders: Mapping[str, Callable[[], object]], seconds: float = 3.0, fewest: int = FEWEST_ROUNDS
) -> dict[str, np.ndarray]:
    """Time contenders in rounds, after one warm-up each unless there is one round, until the time is up.

    The order is drawn anew for every round: who runs after a contender that fills the caches pays for it, and with one
    order that would always be the same one.

    Processor time is counted, which on one thread is the time of a quiet machine: other programs that take the
    processor away do not count.

    Args:
        contenders: What to time, by name.
        seconds: Time to spend.
        fewest: Rounds that are run in any case; what takes minutes needs one.

    Returns:
        Milliseconds of each round, by name.
    """
    if fewest > 1:
        for run in contenders.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    generator = np.random.default_rng(0)
    began = time.perf_counter()
    rounds = 0
    while rounds < fewest or (rounds < MOST_ROUNDS and time.perf_counter() - began < seconds):
        for name in generator.permutation(list(contenders)):
            start = time.process_time()
            contenders[name]()
            times[name].append(1e3 * (time.process_time() - start))
        rounds += 1
    return {name: np.array(values) for name, values in times.items()}


def median_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Give the median and half the interquartile range."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(middle), float(high - low) / 2


def durations(case: str, times: Mapping[str, np.ndarray]) -> Iterator[Figure]:
    """Report the time of every contender."""
    for name, values in times.items():
        yield Figure(case, name, MS, *median_and_spread(values))


def speed_up(case: str, times: Mapping[str, np.ndarray], ours: str, other: str, at_least: float | None) -> Figure:
    """Report how many times faster we are than another contender, round by round."""
    return Figure(case, ours, FASTER, *median_and_spread(times[other] / times[ours]), at_least, peer=other)


def cost(case: str, times: Mapping[str, np.ndarray], ours: str, other: str, at_most: float | None) -> Figure:
    """Report our time as a multiple of another contender's, round by round."""
    ratio = median_and_spread(times[ours] / times[other])
    return Figure(case, ours, OVER, *ratio, at_most=at_most, peer=other)


def in_fresh_process(work: Callable[..., object], warm_up: tuple[object, ...], full: tuple[object, ...]) -> "Cost":
    """Run `work` in a process of its own on one thread, once on small arguments and once, measured, on full ones."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as process:
        return process.submit(_measured, work, warm_up, full).result()


@dataclass(frozen=True)
class Cost:
    """What one call cost: seconds of processor time, and megabytes at its peak over what the process held before."""

    seconds: float
    megabytes: float


def _measured(work: Callable[..., object], warm_up: tuple[object, ...], full: tuple[object, ...]) -> Cost:
    with one_thread():
        work(*warm_up)
        base = psutil.Process().memory_info().rss
        start = time.process_time()
        work(*full)
        seconds = time.process_time() - start
    return Cost(seconds, (_peak_memory() - base) / 1e6)


def _peak_memory() -> int:
    """Give the peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux hands ru_maxrss down from the process that started this one
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
