"""Critical edges of the H0 barcode: the edges of a minimum spanning tree."""

import numpy as np
import torch
from torch import Tensor


@torch.no_grad()
def minimum_spanning_tree(points: Tensor) -> Tensor:
    """Find the edges of a Euclidean minimum spanning tree with Prim's algorithm.

    Args:
        points: Point cloud of shape `(n, d)`.

    Returns:
        Edges as an int64 tensor of shape `(max(n - 1, 0), 2)` on the device of `points`, without gradient.
        The death of an H0 bar is the length of one such edge.

    Example:
        >>> minimum_spanning_tree(torch.tensor([[0.0], [1.0], [3.0]])).tolist()
        [[0, 1], [1, 2]]
    """
    # The mean is removed first: squared distances of a narrow cone would otherwise cancel to noise.
    centred = points.detach().double().cpu().numpy()
    centred = centred - centred.mean(axis=0, keepdims=True) if len(centred) else centred
    n = len(centred)
    edges = np.zeros((max(n - 1, 0), 2), dtype=np.int64)
    nearest = np.full(n, np.inf)  # squared distance of each point to the tree
    parent = np.zeros(n, dtype=np.int64)
    inside = np.zeros(n, dtype=bool)
    newest = 0
    for step in range(n - 1):
        inside[newest] = True
        squared = np.square(centred - centred[newest]).sum(axis=1)
        closer = squared < nearest
        nearest[closer] = squared[closer]
        parent[closer] = newest
        newest = int(np.where(inside, np.inf, nearest).argmin())
        edges[step] = parent[newest], newest
    return torch.from_numpy(edges).to(points.device)
