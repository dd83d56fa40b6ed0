"""Critical edges of the H0 barcode: the edges of a minimum spanning tree."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from st_isotropy.barcodes.boruvka import boruvka
from st_isotropy.barcodes.distances import at_least_float32, centered, half_squared, near, not_finite, recompute_near
from st_isotropy.barcodes.large import large_tree

# Rows and offsets to parents and squared lengths.
Walk = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# Above this many points a distance matrix would take more than 400 MB in float32.
LARGE = 10_000


@torch.no_grad()
def minimum_spanning_tree(points: Tensor) -> Tensor:
    """Find the edges of a Euclidean minimum spanning tree.

    The tree is exact: near-duplicate points, whose distances cancel in a matrix product, are compared by differences.
    Among equally short edges the choice is the same in every run. A CPU walks the tree point by point; on any other
    device the search is Borůvka's and never waits for the device. Clouds of more than 10,000 points are searched on the
    CPU in memory proportional to their size.

    Args:
        points: One cloud of shape `(n, d)`, or several of shape `(..., n, d)`.

    Returns:
        Edges as an int64 tensor of shape `(..., max(n - 1, 0), 2)` on the device of `points`, without gradient.
        The death of an H0 bar is the length of one such edge.

    Raises:
        ValueError: If points on the CPU hold NaN or infinity. On other devices the check is left to the caller, since
            it would have to wait for the device.

    Examples:
        >>> minimum_spanning_tree(torch.tensor([[0.0], [1.0], [3.0]])).tolist()
        [[0, 1], [1, 2]]
    """
    points = at_least_float32(points)
    large = points.shape[-2] > LARGE
    if points.device.type != "cpu" and not large:
        return boruvka(points)
    if points.ndim > 2:
        return torch.stack([minimum_spanning_tree(cloud) for cloud in points])
    search = large_tree if large else prim
    return torch.from_numpy(search(points.cpu())).to(points.device)


def prim(points: Tensor, grow: Walk | None = None) -> np.ndarray:
    """Find the tree with Prim's algorithm on a CPU.

    Args:
        points: Point cloud of shape `(n, d)`, float32 or float64.
        grow: `walk` or its compiled twin; by default the faster one installed.

    Returns:
        Edges of shape `(max(n - 1, 0), 2)`; the second column counts 1, 2, ..., n - 1.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    n = len(points)
    edges = np.empty((max(n - 1, 0), 2), dtype=np.int64)
    if n < 2:
        return edges
    cloud = centered(points)
    norms = cloud.square().sum(dim=1)
    rows = half_squared(cloud, norms)
    grow = grow or fastest_walk()
    scale = norms.numpy()
    parents, lengths = grow(rows.numpy(), scale)
    if not np.isfinite(lengths.sum()):
        raise ValueError(not_finite(points))
    # A near pair anywhere makes some tree edge near, because a tree edge on the path between the two is no longer.
    if near(lengths, scale + scale[parents])[1:].any():
        squared = recompute_near(rows.add_(norms), points, norms)
        parents, _ = grow(squared.numpy(), np.zeros_like(lengths))
    edges[:, 0] = parents[1:]
    edges[:, 1] = np.arange(1, n)
    return edges


@functools.cache
def fastest_walk() -> Walk:
    """Give the compiled walk where numba is installed (the extra `fast`), the numpy one elsewhere."""
    try:
        from st_isotropy.barcodes.compiled import walk as compiled_walk
    except ImportError:
        return walk
    return compiled_walk


def walk(rows: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree from point 0, always by the nearest point outside it, the first one among equals.

    Args:
        rows: Array of shape `(n, n)`; `rows[i] + offsets` are the squared distances from point i.
        offsets: Array of shape `(n,)`.

    Returns:
        The parent of each point, and the squared length of the edge to it, each of shape `(n,)`; entry 0 is idle.
    """
    n = len(rows)
    offsets = offsets.copy()  # infinite for points inside the tree
    nearest = np.full(n, np.inf, dtype=rows.dtype)  # squared distance to the tree, infinite inside it
    lengths = np.zeros(n, dtype=rows.dtype)
    parents = np.zeros(n, dtype=np.int64)
    candidates = np.empty(n, dtype=rows.dtype)
    newest = 0
    for _ in range(n - 1):
        offsets[newest] = nearest[newest] = np.inf
        np.add(rows[newest], offsets, out=candidates)
        closer = np.flatnonzero(candidates < nearest)
        nearest[closer] = candidates[closer]
        parents[closer] = newest
        newest = int(nearest.argmin())
        lengths[newest] = nearest[newest]
    return parents, lengths
