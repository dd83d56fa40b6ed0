"""How a process behaves: one numeric thread, libraries that keep quiet, and a Ctrl-C that is never lost.

The heavy libraries are imported where they are needed: the command line imports this module before anything else.
"""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_interrupted = threading.Event()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, faiss and the numeric libraries use one thread, so that results and times depend on nothing else.

    Numba, giotto-ph and redzed use one thread by themselves.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # MKL's threads, which the next line may not see
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def errors_only(logger_name: str) -> Iterator[None]:
    """Let only errors of one logger through."""
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def no_dataset_bars() -> Iterator[None]:
    """Show no progress bars of the datasets library."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence all libraries, in a process that works in the background of another one's progress bar."""
    with errors_only("datasets"), no_dataset_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def remember_interrupts() -> None:
    """Raise KeyboardInterrupt at Ctrl-C as usual, and remember it for `stop_if_interrupted`.

    Python drops a KeyboardInterrupt that is raised inside a destructor or the callback of a weak reference.
    """
    signal.signal(signal.SIGINT, _interrupt)


def stop_if_interrupted() -> None:
    """Raise a KeyboardInterrupt that was dropped; long work calls this between its parts."""
    if _interrupted.is_set():
        raise KeyboardInterrupt


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt
