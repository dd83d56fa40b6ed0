"""What a run costs: seconds and peak memory of this process."""

import resource
import sys
import time
from typing import Any


class Timing:
    """A clock that starts when it is made, in a run of which some parts may be finished already.

    Args:
        finished_before: Number of parts that were finished when this process started.
    """

    def __init__(self, finished_before: int) -> None:
        self._began = time.perf_counter()
        self._finished_before = finished_before

    def read(self) -> dict[str, Any]:
        """Give `seconds`, `peak_memory_gib` and `finished_before`."""
        return {
            "seconds": time.perf_counter() - self._began,
            "peak_memory_gib": _peak_memory(),
            "finished_before": self._finished_before,
        }


def _peak_memory() -> float:
    """Peak resident memory in GiB; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
