"""Squared distances from one matrix product, with the pairs that cancellation spoils recomputed as differences."""

import functools
from math import isfinite
from types import ModuleType

import numpy as np
import torch
from scipy.linalg import get_blas_funcs
from torch import Tensor

from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.precision import full_products

# A squared distance taken from a matrix product carries an error of a few ulps of the squared norms. Below this many
# ulps of them it is recomputed, so that a length keeps a relative accuracy of 1e-4 in float32.
NEAR_IN_ULPS = 2**14
# What fits the cache of a core beside the operands.
STRIP = 64
WHOLE = 256  # up to here one product of the whole matrix takes no longer
TRIANGLE = 512  # up to here BLAS's triangle of half the products, mirrored, takes less time
# BLAS's product of a matrix with its own transpose, which torch does not offer.
(_single,), (_double,) = (get_blas_funcs(["syrk"], dtype=dtype) for dtype in ("float32", "float64"))
SYMMETRIC_PRODUCTS = {torch.float32: _single, torch.float64: _double}
ENTRIES_AT_ONCE = 2**18
PAIRS_AT_ONCE = 2**10


def centered(points: Tensor, kernels: ModuleType | None) -> tuple[Tensor, Tensor]:
    """Move the mean to the origin: squared distances of a narrow cone would otherwise cancel to noise.

    Args:
        points: Points of shape `(n, d)`.
        kernels: The compiled loops; None to do without.

    Returns:
        The moved points and their squared norms, shape `(n,)`.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    if kernels is not None:
        cloud, norms, total = kernels.center(points.contiguous().numpy())
        cloud, norms = torch.from_numpy(cloud), torch.from_numpy(norms)
    else:
        cloud = points - points.mean(dim=0)
        norms = cloud.square().sum(dim=1)
        total = norms.sum()
    if not isfinite(total):
        raise ValueError(not_finite(points))
    return cloud, norms


def squared_distances(cloud: Tensor, norms: Tensor, kernels: ModuleType | None) -> Tensor:
    """Compute the squared distances `(n, n)` of many points with half the multiplications of a full matrix product.

    A strip of columns is multiplied from the diagonal down and copied across the diagonal while it is in the cache.
    Products are written to a given tensor, because autocast leaves such calls alone and would turn others into half
    precision.

    Args:
        cloud: Points of shape `(n, d)`, best with their mean at the origin.
        norms: Their squared norms, shape `(n,)`.
        kernels: The compiled loops, with which few points take one call of BLAS; None to do without.

    Returns:
        Squared distances; near ones have lost digits, or their sign, to cancellation, see `recompute_near`.
    """
    n = len(cloud)
    if kernels is not None and 0 < n <= TRIANGLE:
        triangle = SYMMETRIC_PRODUCTS[cloud.dtype](-2.0, cloud.numpy().T, trans=1).T
        kernels.complete_distances(triangle, norms.numpy())
        return torch.from_numpy(triangle)
    with full_products():
        return _from_products(cloud, norms)


def _from_products(cloud: Tensor, norms: Tensor) -> Tensor:
    n = len(cloud)
    squared = cloud.new_empty(n, n)
    if n <= WHOLE:
        return torch.addmm(norms[:, None], cloud, cloud.T, alpha=-2, out=squared).add_(norms)
    for start in range(0, n, STRIP):
        end = min(start + STRIP, n)
        strip = cloud.new_empty(n - start, end - start)
        torch.addmm(norms[start:, None], cloud[start:], cloud[start:end].T, alpha=-2, out=strip)
        strip.add_(norms[start:end])
        squared[start:, start:end] = strip
        squared[start:end, end:] = strip[end - start :].T
    return squared


def pairwise_distances(points: Tensor) -> Tensor:
    """Compute the Euclidean distance matrix `(n, n)` of points `(n, d)`, exact for near-duplicates.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    kernels = compiled_kernels()
    cloud, norms = centered(points, kernels)
    squared = squared_distances(cloud, norms, kernels).fill_diagonal_(float("inf"))
    nearest = squared.numpy().min(axis=1, initial=np.inf)
    suspects = near(nearest, (norms + norms.max()).numpy() if len(norms) else nearest).nonzero()[0]
    recompute_near(squared, points, norms, torch.from_numpy(suspects))
    return squared.fill_diagonal_(0).sqrt_()


def near(squared: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Tell which squared distances are too small beside the sum of the two squared norms to be trusted."""
    return squared < near_limit(squared.dtype) * scale


@functools.cache
def near_limit(dtype: np.dtype) -> float:
    """Give the share of the sum of two squared norms below which a squared distance is not to be trusted."""
    return NEAR_IN_ULPS * float(np.finfo(dtype).eps)


def recompute_near(squared: Tensor, points: Tensor, norms: Tensor, suspects: Tensor) -> None:
    """Replace untrustworthy squared distances by sums of squared differences, in place.

    Args:
        squared: Squared distances of shape `(n, n)`; afterwards symmetric where they were recomputed.
        points: The points, of shape `(n, d)`; uncentered, because nearly equal coordinates subtract exactly.
        norms: Squared norms of the points that gave `squared`, of shape `(n,)`.
        suspects: Indices of the points that may be near another one, ascending.
    """
    step = 1 + ENTRIES_AT_ONCE // (1 + len(norms))
    for rows in (suspects[start : start + step] for start in range(0, len(suspects), step)):
        first = int(rows[0])  # pairs with an earlier point have been seen from there
        close = near(squared[rows, first:].numpy(), (norms[rows, None] + norms[first:]).numpy())
        place, column = np.divmod(np.flatnonzero(close), close.shape[1])
        left, right = rows[torch.from_numpy(place)], torch.from_numpy(column) + first
        left, right = left[left < right], right[left < right]
        for begin in range(0, len(left), PAIRS_AT_ONCE):
            i, j = left[begin : begin + PAIRS_AT_ONCE], right[begin : begin + PAIRS_AT_ONCE]
            squared[i, j] = squared[j, i] = (points[i] - points[j]).square().sum(dim=1)


def not_finite(points: Tensor) -> str:
    """Say why the distances between points are not finite, and what to do about it."""
    rows = (~points.isfinite()).any(dim=-1)
    if not rows.any():
        return f"Squared distances between the points overflow {points.dtype}; divide the points by a common factor."
    return (
        f"{int(rows.sum())} of {len(rows)} points have a NaN or infinite coordinate; a barcode needs finite points, so "
        "find out where the embeddings overflow or leave these rows out."
    )
