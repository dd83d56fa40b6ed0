"""One directory for one run: its configuration, its environment, its finished cells, and what it cost."""

import fcntl
import platform
import resource
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

from evaluation.errors import UserError
from evaluation.files import delete_leftovers, is_temporary, read_json, write_json

CONFIGURATION, ENVIRONMENT = "configuration.json", "environment.json"
TICK = 10.0  # seconds of work that a killed process loses at most
_HELD: dict[Path, IO[str]] = {}  # closing a file would give its lock back
PACKAGES = ("torch", "sentence-transformers", "transformers", "mteb", "faiss-cpu", "numpy", "scipy", "scikit-learn")


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not and cannot become a run directory, before any work is done; see `open_run`."""
    ours = any((folder / name).exists() for name in (CONFIGURATION, ENVIRONMENT))
    taken = folder.exists() and not ours
    if taken and not (folder.is_dir() and all(is_temporary(path) for path in folder.iterdir())):
        raise UserError(f"{folder} exists and is not a run directory: name another one with --out.")


def open_run(folder: Path, configuration: Mapping[str, object]) -> None:
    """Start a run in a folder, or continue one that was made with the same configuration.

    Args:
        folder: The run directory; created if it is not there.
        configuration: Everything that determines the results, as plain JSON values.

    Raises:
        UserError: The folder holds something else, or a run made with another configuration or other versions of
            Python and the packages; nothing is touched then. Or another process is using it.
    """
    check_folder(folder)
    try:
        for name, content in ((CONFIGURATION, configuration), (ENVIRONMENT, environment())):
            if not (folder / name).exists():
                write_json(folder / name, content)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): name another one with --out.") from error
    _hold(folder)
    recorded, described = folder / CONFIGURATION, folder / ENVIRONMENT
    before = _flat({**read_json(recorded), **_versions(read_json(described))})
    now = _flat({**configuration, **_versions(environment())})
    differing = [
        f"{key} was {before.get(key)!r} and is now {now.get(key)!r}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]
    if differing:
        raise UserError(
            f"{folder} was made with another configuration ({'; '.join(differing)}): "
            "rerun with the earlier one to resume it, or name another directory with --out."
        )
    delete_leftovers(folder)


def _hold(folder: Path) -> None:
    """Let no other process run in a folder as long as this one lives."""
    if folder.resolve() in _HELD:
        return
    handle = (folder / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise UserError(f"Another run is using {folder}: wait for it, or name another directory with --out.") from None
    except OSError:  # some network file systems have no locks
        handle.close()
        return
    _HELD[folder.resolve()] = handle


def _versions(environment: Mapping[str, object]) -> dict[str, object]:
    """The part of an environment that results depend on."""
    return {key: environment[key] for key in ("python", "packages")}


def _flat(configuration: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested keys joined by dots, so that a difference can be named."""
    flat: dict[str, object] = {}
    for key, value in configuration.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, object]:
    """Describe what results were made with: Python, platform and package versions, None for what is not installed."""
    return {
        "python": sys.version.split()[0],
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: _version(name) for name in (*packages, "st-isotropy")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


class Timing:
    """A clock that continues where an interrupted run left it.

    A context that adds the time since the last part where it is left by an interrupt or an error, so that a part that
    was begun counts, too. A process that is killed cannot do that; so the clock is read every `TICK` seconds, too,
    while parts are `running`.

    Args:
        folder: The run directory, which keeps the reading in `timing.json`.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "timing.json"
        self._began = time.perf_counter()
        self._reading = threading.Lock()

    def __enter__(self) -> "Timing":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self.record()

    def record(self, peak_memory_gib: float = 0.0) -> None:
        """Add the seconds since the last reading; called when a part is finished, so rereading parts costs nothing.

        Args:
            peak_memory_gib: Peak memory of the process that finished it, if it is another one.
        """
        with self._reading:
            now, before = time.perf_counter(), self.read()
            peak = max(before["peak_memory_gib"], peak_memory_gib, peak_memory())
            write_json(self._path, {"seconds": before["seconds"] + now - self._began, "peak_memory_gib": peak})
            self._began = now

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read the clock every `TICK` seconds within the block."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                self.record()

        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield
        finally:
            ended.set()
            ticking.join()

    def read(self) -> dict[str, float]:
        """Give `seconds` and `peak_memory_gib` up to the last part that was finished."""
        return read_json(self._path) if self._path.exists() else {"seconds": 0.0, "peak_memory_gib": 0.0}


def peak_memory() -> float:
    """Peak resident memory of this process in GiB; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
