"""Progress of long work: a bar at a terminal; in a file or a pipe a line for each part that is finished."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evaluation.report.wording import duration

Finish = Callable[[str], None]


@contextmanager
def progress(what: str, parts: int, console: Console, shown: bool = True) -> Iterator[Finish]:
    """Show how much of some work is finished.

    Args:
        what: What the work is.
        parts: How many parts it has.
        console: Where progress goes.
        shown: Whether it goes anywhere.

    Yields:
        A function to call with the name of every part that is finished.
    """
    if not shown:
        yield lambda part: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
            bar = bars.add_task(what, total=parts)
            yield lambda part: bars.advance(bar)
    else:
        yield _lines(what, parts, console)


def _lines(what: str, parts: int, console: Console) -> Finish:
    began, numbers = time.perf_counter(), count(1)

    def finish(part: str) -> None:
        took = duration(time.perf_counter() - began)
        console.print(f"{what}: {part} ({next(numbers)} of {parts}, after {took})", markup=False, soft_wrap=True)

    return finish
