"""Squared distances from one matrix product, with the pairs that cancellation spoils recomputed as differences."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

# A squared distance taken from a matrix product carries an error of a few ulps of the squared norms. Below this many
# ulps of them it is recomputed, so that a length keeps a relative accuracy of 1e-4 in float32.
NEAR_IN_ULPS = 2**14
PAIRS_AT_ONCE = 2**14


def at_least_float32(points: Tensor) -> Tensor:
    """Convert half precision and integers to float32; float32 and float64 stay as they are."""
    return points if points.dtype == torch.float64 else points.float()


def centered(points: Tensor) -> Tensor:
    """Move the mean to the origin: squared distances of a narrow cone would otherwise cancel to noise."""
    return points - points.mean(dim=0)


def half_squared(cloud: Tensor, norms: Tensor) -> Tensor:
    """Compute the squared distances `(n, n)` less the squared norm of the second point, in one pass over memory.

    Written to a given tensor, because autocast leaves such calls alone and would turn others into half precision.
    """
    return torch.addmm(norms[:, None], cloud, cloud.T, alpha=-2, out=cloud.new_empty(len(cloud), len(cloud)))


def pairwise_distances(points: Tensor) -> Tensor:
    """Compute the Euclidean distance matrix `(n, n)` of points `(n, d)`, exact for near-duplicates.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    cloud = centered(points)
    norms = cloud.square().sum(dim=1)
    if not norms.sum().isfinite():
        raise ValueError(not_finite(points))
    squared = half_squared(cloud, norms).add_(norms)
    return recompute_near(squared, points, norms).clamp_(min=0).fill_diagonal_(0).sqrt_()


def near(squared: Any, scale: Any) -> Any:
    """Tell which squared distances are too small beside the sum of the two squared norms to be trusted."""
    eps = torch.finfo(squared.dtype).eps if isinstance(squared, Tensor) else float(np.finfo(squared.dtype).eps)
    return squared < NEAR_IN_ULPS * eps * scale


def recompute_near(squared: Tensor, points: Tensor, norms: Tensor) -> Tensor:
    """Replace untrustworthy squared distances by sums of squared differences, in place.

    Args:
        squared: Squared distances of shape `(n, n)`.
        points: The points, of shape `(n, d)`; uncentered, because nearly equal coordinates subtract exactly.
        norms: Squared norms of the points that gave `squared`, of shape `(n,)`.

    Returns:
        `squared`, symmetric where it was recomputed.
    """
    rows, columns = near(squared, norms[:, None] + norms).triu(1).nonzero(as_tuple=True)
    for some in torch.arange(len(rows)).split(PAIRS_AT_ONCE):
        left, right = rows[some], columns[some]
        exact = (points[left] - points[right]).square().sum(dim=1)
        squared[left, right] = squared[right, left] = exact
    return squared


def not_finite(points: Tensor) -> str:
    """Say why the distances between points are not finite, and what to do about it."""
    rows = (~points.isfinite()).any(dim=-1)
    if not rows.any():
        return f"Squared distances between the points overflow {points.dtype}; divide the points by a common factor."
    return (
        f"{int(rows.sum())} of {len(rows)} points have a NaN or infinite coordinate; a barcode needs finite points, so "
        "find out where the embeddings overflow or leave these rows out."
    )
