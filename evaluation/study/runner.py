"""Run a study's cells, in parallel on this machine or on a Dask cluster, and never the same one twice."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console

from evaluation.errors import UserError
from evaluation.measured import Measured
from evaluation.processes import stop_if_interrupted
from evaluation.report.progress import progress
from evaluation.run_directory import Timing
from evaluation.study.cell import Cell, run_cell

PATIENCE = 10  # seconds in which a scheduler must answer


@dataclass(frozen=True)
class Backend:
    """Where cells run.

    Attributes:
        jobs: Processes on this machine.
        address: Address of the scheduler of a Dask cluster, such as "tcp://10.0.0.1:8786"; empty for this machine.
            Its workers need this package and `evaluation` on their path, one thread each, and the run directory and
            all data under the same names.
    """

    jobs: int = 1
    address: str = ""

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Make joblib use the backend within the block; gives how many cells run at once.

        Raises:
            UserError: Dask is not installed, no scheduler answers, or its workers do not serve.
        """
        if not self.address:
            # Ctrl-C reaches every process of a terminal; this one alone reports it and ends the others.
            with joblib.parallel_config("loky", initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)):
                yield self.jobs
            return
        try:
            from distributed import Client, KilledWorker
        except ImportError:
            raise UserError(
                "The backend dask needs distributed: pip install -c constraints.txt -e '.[dask]'."
            ) from None
        try:
            client = Client(self.address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"No Dask scheduler answers at {self.address} ({error}); start one or check the address."
            ) from error
        with client:
            threads = list(cast(dict[str, int], client.nthreads()).values())
            # Torch has one generator of random numbers a process, which trainings in two threads would share.
            if not threads or max(threads) > 1:
                what = f"has workers of {max(threads)} threads" if threads else "has no workers"
                raise UserError(f"The Dask cluster at {self.address} {what}: start workers with --nthreads 1.")
            try:
                with joblib.parallel_config(backend="dask", client=client):
                    yield len(threads)
            except KilledWorker as error:
                raise UserError(
                    f"A Dask worker was killed ({error}); give workers more memory, then rerun the command."
                ) from error


def run_cells(
    cells: Sequence[Cell], what: str, jobs: int, timing: Timing, console: Console, alone: bool = False
) -> list[Measured]:
    """Run the cells that are not finished, and show progress.

    Args:
        cells: The cells; equal ones are run once.
        what: What they are, for the progress.
        jobs: How many run at once, on the backend that joblib uses at the time.
        timing: The run's clock, read when a cell is finished.
        console: Where the progress goes.
        alone: Whether a cell takes all threads and shows its own progress, where one runs at a time.

    Returns:
        What was measured, in the order of the cells.

    Raises:
        UserError: A process was killed from outside.
    """
    waiting = list({cell.path: cell for cell in cells if not cell.finished()}.values())
    if waiting:
        with progress(what, len(waiting), console) as finish, timing.running():
            parallel: Any = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=cast(Any, 1))
            try:
                stop_if_interrupted()
                for label, peak_memory in parallel(joblib.delayed(_run_named)(cell, alone) for cell in waiting):
                    stop_if_interrupted()
                    finish(label)
                    timing.record(peak_memory)
            except TerminatedWorkerError as error:
                raise UserError(
                    "A process that ran a cell was killed, most likely because memory ran out: "
                    "rerun the command with fewer --jobs to resume."
                ) from error
    return [cell.read() for cell in cells]


def _run_named(cell: Cell, alone: bool) -> tuple[str, float]:
    """Run a cell; gives its label, as cells finish in any order, and its peak memory."""
    return cell.label, run_cell(cell, alone)
