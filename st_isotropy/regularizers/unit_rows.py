"""Rows of length one, and what becomes of rows that have no direction."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.precision import at_least_float32


def unit_rows(embeddings: Tensor) -> Tensor:
    """L2-normalize rows `(n, d)`, in float32 at least; a row of zeros stays as it is, without gradient.

    Examples:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return normalize(without_gradient_at_zero(at_least_float32(embeddings)), dim=1)


def without_gradient_at_zero(rows: Tensor) -> Tensor:
    """Detach the rows of zeros of `(n, d)`.

    A text of unknown words alone has such an embedding. Normalizing multiplies its gradient by 1e12, and clipping would
    then scale the whole step to nothing.
    """
    has_direction = (rows != 0).any(dim=1, keepdim=True)
    return torch.where(has_direction, rows, rows.detach())
