"""One thread for numeric work: results and times then do not depend on what else runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, faiss and the numeric libraries use one thread; numba, giotto-ph and redzed use one by themselves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # MKL's threads, which the next line may not see
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
