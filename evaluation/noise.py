"""Silence, for a moment and for one source, messages that say nothing about the result."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import datasets


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
def quiet() -> Iterator[None]:
    """Let no library say anything, for a process that works in the background of another one's progress bar."""
    with errors_only("datasets"), no_dataset_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def no_dataset_bars() -> Iterator[None]:
    """Show no progress bars of the datasets library."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
