"""Ctrl-C that is not lost: Python drops a KeyboardInterrupt that comes while a destructor or a weak reference acts."""

import signal
import threading
from types import FrameType

_asked = threading.Event()


def remember_interrupts() -> None:
    """Raise KeyboardInterrupt at Ctrl-C as ever, and remember it for `stop_if_interrupted`."""
    signal.signal(signal.SIGINT, _interrupt)


def stop_if_interrupted() -> None:
    """Raise the KeyboardInterrupt that was lost; long work asks between its parts."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
