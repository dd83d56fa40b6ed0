"""Critical edges of the H0 barcode: the edges of a minimum spanning tree."""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from st_isotropy.barcodes.boruvka import boruvka
from st_isotropy.barcodes.distances import (
    TRIANGLE,
    centered,
    half_of_products,
    near_limit,
    recompute_near,
    squared_distances,
)
from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.barcodes.large import large_tree
from st_isotropy.precision import at_least_float32

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
        ValueError: If points on the CPU hold NaN or infinity, or their squared distances overflow. On other devices the
            check is left to the caller, since it would have to wait for the device.

    Examples:
        >>> minimum_spanning_tree(torch.tensor([[0.0], [1.0], [3.0]])).tolist()
        [[0, 1], [1, 2]]
    """
    points = at_least_float32(points)
    large = points.shape[-2] > LARGE
    if points.device.type not in ("cpu", "mps") and not large:  # Apple's GPUs lack an operation on integers
        return boruvka(points)
    if points.ndim > 2 and len(points) == 0:
        return torch.zeros(*points.shape[:-2], max(points.shape[-2] - 1, 0), 2, dtype=torch.int64, device=points.device)
    if points.ndim > 2:
        return torch.stack([minimum_spanning_tree(cloud) for cloud in points])
    edges = large_tree(points.cpu()) if large else prim(points.numpy(force=True), compiled_kernels())
    return torch.from_numpy(edges).to(points.device)


def prim(points: np.ndarray, kernels: ModuleType | None) -> np.ndarray:
    """Find the tree with Prim's algorithm on a CPU.

    Args:
        points: Point cloud of shape `(n, d)`, float32 or float64.
        kernels: The compiled loops; None for `walk` and torch's product.

    Returns:
        Edges of shape `(max(n - 1, 0), 2)`; the second column counts 1, 2, ..., n - 1.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    n = len(points)
    if n < 2:
        return np.empty((0, 2), dtype=np.int64)
    cloud, norms = centered(points, kernels)
    limit = near_limit(norms.dtype)
    find = tree if kernels is None else kernels.tree
    if kernels is not None and n <= TRIANGLE:
        squared = half_of_products(cloud)
        edges, suspects = kernels.tree_of_half(squared, keys(squared), norms, limit)
    else:
        squared = squared_distances(cloud, norms)
        edges, suspects = find(keys(squared), norms, limit)
    if len(suspects):
        recompute_near(squared, points, norms, suspects)
        edges, _ = find(keys(squared), norms, limit)
    return edges


def keys(squared: np.ndarray) -> np.ndarray:
    """View numbers as the integers with the same bits, which have the same order from zero on, and lie below it before.

    Integers compare faster, having no NaN. Negative squared distances are all near, so their order does not matter.
    """
    return squared.view(np.int32 if squared.itemsize == 4 else np.int64)


def tree(distances: np.ndarray, norms: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree, and find the points whose squared distances in it are too small to be trusted.

    Args:
        distances: Array of shape `(n, n)`, the keys of the squared distances.
        norms: Squared norms of the points, shape `(n,)`.
        limit: From `near_limit`.

    Returns:
        Edges of shape `(n - 1, 2)`, and the ends of those that are not to be trusted, ascending.
    """
    parents, lengths = walk(distances)
    edges = np.stack([parents[1:], np.arange(1, len(parents))], axis=1)
    return edges, near_ends(lengths.view(norms.dtype), parents, norms, limit).nonzero()[0]


def near_ends(squared: np.ndarray, parents: np.ndarray, norms: np.ndarray, limit: float) -> np.ndarray:
    """Mark the ends of the edges whose squared lengths are too small to be trusted.

    The tree edges on the path between two points are no longer than their distance: a point that is near any other is
    near a neighbor in the tree.

    Args:
        squared: Squared length of the edge from each point to its parent, shape `(n,)`; entry 0 is idle.
        parents: The other end of each edge, shape `(n,)`.
        norms: Squared norms of the points, shape `(n,)`.
        limit: From `near_limit`.

    Returns:
        A truth value for each point.
    """
    marked = squared < limit * (norms + norms[parents])
    marked[0] = False
    marked[parents[marked]] = True
    return marked


def walk(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree from point 0, always by the nearest point outside it, the first one among equals.

    Args:
        distances: Array of shape `(n, n)`, the keys of the distances.

    Returns:
        The parent of each point, and the key of the length of the edge to it, each of shape `(n,)`; entry 0 is idle.
    """
    n, dtype = len(distances), distances.dtype
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    inside = np.full(n, least, dtype)  # the most for points inside the tree
    nearest = np.full(n, most, dtype)  # distance to the tree
    lengths = np.zeros(n, dtype)
    parents = np.zeros(n, np.int64)
    candidates, closer = np.empty(n, dtype), np.empty(n, np.bool_)
    newest = 0
    for _ in range(n - 1):
        inside[newest] = nearest[newest] = most
        np.maximum(distances[newest], inside, out=candidates)
        np.less(candidates, nearest, out=closer)
        np.putmask(parents, closer, newest)
        np.minimum(nearest, candidates, out=nearest)
        newest = int(nearest.argmin())
        lengths[newest] = nearest[newest]
    return parents, lengths
