"""Critical edges of the H0 barcode: the edges of a minimum spanning tree."""

import numpy as np
import torch
from torch import Tensor

from st_isotropy.barcodes.distances import at_least_float32, centered, near, recompute_near


@torch.no_grad()
def minimum_spanning_tree(points: Tensor) -> Tensor:
    """Find the edges of a Euclidean minimum spanning tree.

    The tree is exact: near-duplicate points, whose distances cancel in a matrix product, are compared by differences.
    Among equally short edges the choice is the same in every run.

    Args:
        points: Point cloud of shape `(n, d)`.

    Returns:
        Edges as an int64 tensor of shape `(max(n - 1, 0), 2)` on the device of `points`, without gradient.
        The death of an H0 bar is the length of one such edge.

    Example:
        >>> minimum_spanning_tree(torch.tensor([[0.0], [1.0], [3.0]])).tolist()
        [[0, 1], [1, 2]]
    """
    with torch.autocast(points.device.type, enabled=False):
        return torch.from_numpy(prim(at_least_float32(points.detach()).cpu())).to(points.device)


def prim(points: Tensor) -> np.ndarray:
    """Find the tree with Prim's algorithm on a CPU.

    Args:
        points: Point cloud of shape `(n, d)`, float32 or float64.

    Returns:
        Edges of shape `(max(n - 1, 0), 2)`; the second column counts 1, 2, ..., n - 1.
    """
    n = len(points)
    if n < 2:
        return np.zeros((0, 2), dtype=np.int64)
    cloud = centered(points)
    norms = cloud.square().sum(dim=1)
    # One pass over memory: row i holds |xi|² - 2<xi, xj>, and the walk adds |xj|² as it reads the row.
    rows = torch.addmm(norms[:, None], cloud, cloud.T, alpha=-2)
    parents, lengths = walk(rows.numpy(), norms.numpy())
    # A near pair anywhere makes some tree edge near, because a tree edge on the path between the two is no longer.
    if near(torch.from_numpy(lengths[1:]), norms[1:] + norms[parents[1:]]).any():
        squared = recompute_near(rows.add_(norms), points, norms)
        parents, _ = walk(squared.numpy(), np.zeros_like(lengths))
    return np.stack([parents[1:], np.arange(1, n)], axis=1)


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
