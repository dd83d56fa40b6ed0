"""The libraries that pages are made with, which are not always installed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_page_writer() -> Iterator[None]:
    """Turn a failed import into a `ValueError` that names the extra with the libraries of the pages."""
    try:
        yield
    except ImportError as missing:
        raise ValueError(
            f"The page needs {missing.name}, which is not installed; run `pip install 'st-isotropy[diagnose]'`."
        ) from None
