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
SYMMETRIC_PRODUCTS = {np.dtype(name): get_blas_funcs(["syrk"], dtype=name)[0] for name in ("float32", "float64")}
ENTRIES_AT_ONCE = 2**18
PAIRS_AT_ONCE = 2**10


def centered(points: np.ndarray, kernels: ModuleType | None) -> tuple[np.ndarray, np.ndarray]:
    """Move the mean to the origin: squared distances of a narrow cone would otherwise cancel to noise.

    Args:
        points: Points of shape `(n, d)`.
        kernels: The compiled loops; None to do without.

    Returns:
        The moved points and their squared norms, shape `(n,)`. The compiled loops give the points themselves back where
        their mean is near the origin already, so what is returned must not be written to.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    if kernels is not None:
        cloud, norms, total = kernels.center(np.ascontiguousarray(points))
    else:
        moved = torch.from_numpy(points)
        moved = moved - moved.mean(dim=0)
        cloud, norms = moved.numpy(), moved.square().sum(dim=1).numpy()
        total = norms.sum()
    if not isfinite(total):
        raise ValueError(not_finite(points))
    return cloud, norms


def half_of_products(cloud: np.ndarray) -> np.ndarray:
    """Multiply every point with those before it and itself, in one call of BLAS.

    Args:
        cloud: Points of shape `(n, d)`, 1 or more.

    Returns:
        -2 times the products, shape `(n, n)`; unspecified above the diagonal.
    """
    triangle = np.empty((len(cloud), len(cloud)), cloud.dtype, order="F")  # scipy would fill its own with zeros first
    return SYMMETRIC_PRODUCTS[cloud.dtype](-2.0, cloud.T, trans=1, c=triangle, overwrite_c=1).T


@full_products()
def squared_distances(points: np.ndarray, squared_norms: np.ndarray) -> np.ndarray:
    """Compute the squared distances `(n, n)` of many points with half the multiplications of a full matrix product.

    A strip of columns is multiplied from the diagonal down and copied across the diagonal while it is in the cache.
    Products are written to a given tensor, because autocast leaves such calls alone and would turn others into half
    precision.

    Args:
        points: Points of shape `(n, d)`, best with their mean at the origin.
        squared_norms: Their squared norms, shape `(n,)`.

    Returns:
        Squared distances; near ones have lost digits, or their sign, to cancellation, see `recompute_near`.
    """
    cloud, norms = torch.from_numpy(points), torch.from_numpy(squared_norms)
    n = len(cloud)
    squared = cloud.new_empty(n, n)
    if n <= WHOLE:
        return torch.addmm(norms[:, None], cloud, cloud.T, alpha=-2, out=squared).add_(norms).numpy()
    for start in range(0, n, STRIP):
        end = min(start + STRIP, n)
        strip = cloud.new_empty(n - start, end - start)
        torch.addmm(norms[start:, None], cloud[start:], cloud[start:end].T, alpha=-2, out=strip)
        strip.add_(norms[start:end])
        squared[start:, start:end] = strip
        squared[start:end, end:] = strip[end - start :].T
    return squared.numpy()


def pairwise_distances(points: Tensor) -> Tensor:
    """Compute the Euclidean distance matrix `(n, n)` of points `(n, d)`, exact for near-duplicates.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    array = points.numpy(force=True)
    cloud, norms = centered(array, compiled_kernels())
    squared = squared_distances(cloud, norms)
    np.fill_diagonal(squared, np.inf)
    nearest = squared.min(axis=1, initial=np.inf)
    suspects = near(nearest, norms + norms.max(initial=0)).nonzero()[0]
    recompute_near(squared, array, norms, suspects)
    np.fill_diagonal(squared, 0)
    return torch.from_numpy(np.sqrt(squared, out=squared))


def near(squared: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Tell which squared distances are too small beside the sum of the two squared norms to be trusted."""
    return squared < near_limit(squared.dtype) * scale


@functools.cache
def near_limit(dtype: np.dtype) -> float:
    """Give the share of the sum of two squared norms below which a squared distance is not to be trusted."""
    return NEAR_IN_ULPS * float(np.finfo(dtype).eps)


def recompute_near(squared: np.ndarray, points: np.ndarray, norms: np.ndarray, suspects: np.ndarray) -> None:
    """Replace untrustworthy squared distances by sums of squared differences, in place.

    Args:
        squared: Squared distances of shape `(n, n)`; afterwards symmetric where they were recomputed.
        points: The points, of shape `(n, d)`; uncentered, because nearly equal coordinates subtract exactly.
        norms: Squared norms of the points that gave `squared`, of shape `(n,)`.
        suspects: Indices of the points that may be near another one, ascending.
    """
    step = 1 + ENTRIES_AT_ONCE // (1 + len(norms))
    for rows in (suspects[start : start + step] for start in range(0, len(suspects), step)):
        first = rows[0]  # pairs with an earlier point have been seen from there
        close = near(squared[rows, first:], norms[rows, None] + norms[first:])
        place, column = np.divmod(np.flatnonzero(close), close.shape[1])
        left, right = rows[place], column + first
        left, right = left[left < right], right[left < right]
        for begin in range(0, len(left), PAIRS_AT_ONCE):
            i, j = left[begin : begin + PAIRS_AT_ONCE], right[begin : begin + PAIRS_AT_ONCE]
            squared[i, j] = squared[j, i] = np.square(points[i] - points[j]).sum(axis=1)


def not_finite(points: np.ndarray) -> str:
    """Say why the distances between points are not finite, and what to do about it."""
    rows = (~np.isfinite(points)).any(axis=-1)
    if not rows.any():
        return (
            f"Squared distances between the points overflow torch.{points.dtype}; divide the points by a common factor."
        )
    return (
        f"{int(rows.sum())} of {len(points)} points have a NaN or infinite coordinate; a barcode needs finite points, "
        "so find out where the embeddings overflow or leave these rows out."
    )
