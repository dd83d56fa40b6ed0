"""In which precision points are computed with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def at_least_float32(points: Tensor) -> Tensor:
    """Convert half precision, which cannot hold a small deficit, and integers to float32; float32 and float64 stay.

    Examples:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype, at_least_float32(torch.ones(2).double()).dtype
        (torch.float32, torch.float64)
    """
    return points if points.dtype in (torch.float32, torch.float64) else points.float()


@contextmanager
def full_products() -> Iterator[None]:
    """Multiply float32 matrices in full precision, whatever `torch.set_float32_matmul_precision` allows.

    A distance that is the difference of products has no digit left when these were rounded to bfloat16 or TF32.
    """
    multiplying = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul  # pyright: ignore[reportAttributeAccessIssue]
    before = [backend.fp32_precision for backend in multiplying]
    for backend in multiplying:
        backend.fp32_precision = "ieee"
    try:
        yield
    finally:
        for backend, precision in zip(multiplying, before, strict=True):
            backend.fp32_precision = precision
