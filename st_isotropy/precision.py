"""In which precision points are computed with."""

import torch
from torch import Tensor


def at_least_float32(points: Tensor) -> Tensor:
    """Convert half precision, which cannot hold a small deficit, and integers to float32; float32 and float64 stay.

    Examples:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype, at_least_float32(torch.ones(2).double()).dtype
        (torch.float32, torch.float64)
    """
    return points if points.dtype == torch.float64 else points.float()
