"""Run a study again and again, killed at random moments, until it was killed so many times; for `test_study_kill`.

Everything is imported once and each run is a fork, so that it costs no start of Python.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from evaluation import __main__
from evaluation.report import html  # noqa: F401
from evaluation.study import run as study_run  # noqa: F401

NO_LIMIT = 900.0
POLL = 0.01


def run(arguments: list[str], limit: float) -> bool:
    """Run the command line in a process group of its own and kill all of it after so many seconds; whether it ended."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_here(arguments)
    while time.monotonic() - began < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                sys.exit(f"A run ended with status {os.waitstatus_to_exitcode(status)}.")
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # worker processes, which would wait for more work
            return True
        time.sleep(POLL)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_here(arguments: list[str]) -> None:
    status = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = __main__.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main(kills: int, folder: Path, arguments: list[str]) -> None:
    """Run once unbroken, then in `killed-0`, `killed-1`, and so on, until it was killed often enough."""
    began = time.monotonic()
    run([*arguments, "--out", str(folder / "unbroken")], NO_LIMIT)
    whole = time.monotonic() - began
    moments = random.Random(0)
    killed_at: list[float] = []
    studies = 0
    while len(killed_at) < kills:
        again = [*arguments, "--out", str(folder / f"killed-{studies}")]
        while True:
            moment = moments.uniform(0, whole) if len(killed_at) < kills else NO_LIMIT
            if run(again, moment):
                break
            killed_at.append(round(moment, 2))
        studies += 1
    print(json.dumps({"killed_at": killed_at, "studies": studies, "seconds": round(whole, 1)}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
