"""What a run costs: seconds and peak memory, added up over interruptions."""

import resource
import sys
import time
from pathlib import Path

from evaluation.files import read_json, write_json


class Timing:
    """A clock that goes on where an interrupted run left it.

    Args:
        folder: The run directory, which keeps the reading in `timing.json`.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "timing.json"
        self._began = time.perf_counter()

    def record(self, peak_memory_gib: float = 0.0) -> None:
        """Add the seconds since the last reading; called when a part is finished, so rereading parts costs nothing.

        Args:
            peak_memory_gib: Peak memory of the process that finished it, if it is another one.
        """
        now, before = time.perf_counter(), self.read()
        peak = max(before["peak_memory_gib"], peak_memory_gib, peak_memory())
        write_json(self._path, {"seconds": before["seconds"] + now - self._began, "peak_memory_gib": peak})
        self._began = now

    def read(self) -> dict[str, float]:
        """Give `seconds` and `peak_memory_gib` up to the last part that was finished."""
        return read_json(self._path) if self._path.exists() else {"seconds": 0.0, "peak_memory_gib": 0.0}


def peak_memory() -> float:
    """Peak resident memory of this process in GiB; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
