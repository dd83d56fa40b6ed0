"""Run a study's cells, in parallel on this machine or on a Dask cluster, and never the same one twice."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import joblib
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evaluation.cell import Cell, run_cell
from evaluation.errors import UserError
from evaluation.files import read_json
from evaluation.timing import Timing


@dataclass(frozen=True)
class Backend:
    """Where cells run.

    Attributes:
        jobs: Processes on this machine.
        address: Address of the scheduler of a Dask cluster, such as "tcp://10.0.0.1:8786"; empty for this machine.
            Its workers need this package and `evaluation` on their path, and the run directory under the same name.
    """

    jobs: int = 1
    address: str = ""

    def context(self) -> AbstractContextManager[Any]:
        """Make joblib use the backend.

        Raises:
            UserError: Dask is not installed, or no scheduler answers.
        """
        if not self.address:
            return nullcontext()
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                "The backend dask needs distributed: pip install -c constraints.txt -e '.[dask]'."
            ) from None
        try:
            Client(self.address, timeout=10)
        except (OSError, ValueError) as error:
            raise UserError(
                f"No Dask scheduler answers at {self.address} ({error}); start one or check the address."
            ) from error
        return joblib.parallel_config(backend="dask")


def run_cells(
    cells: Sequence[Cell], what: str, backend: Backend, timing: Timing, console: Console
) -> list[dict[str, Any]]:
    """Run the cells that are not finished, with a progress bar.

    Args:
        cells: The cells; equal ones are run once.
        what: What they are, for the progress bar.
        backend: Where they run.
        timing: The run's clock, read when a cell is finished.
        console: Where the progress bar goes.

    Returns:
        What was measured, in the order of the cells.
    """
    waiting = list({cell.path: cell for cell in cells if not cell.finished()}.values())
    if waiting:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress, backend.context():
            bar = progress.add_task(what, total=len(waiting))
            parallel = joblib.Parallel(n_jobs=backend.jobs, return_as="generator_unordered", pre_dispatch="all")
            for _ in parallel(joblib.delayed(run_cell)(cell) for cell in waiting):
                progress.advance(bar)
                timing.record()
    return [read_json(cell.path) for cell in cells]
