"""Minimum spanning trees by Borůvka's algorithm in tensor operations that never wait for the device."""

import math

import torch
from torch import Tensor


def boruvka(points: Tensor) -> Tensor:
    """Find the tree of each cloud in ⌈log2 n⌉ rounds, each of which at least halves the number of components.

    Every shape is known in advance and nothing is copied to the host, so the call returns before the device has done
    the work. Distances come from differences: they are exactly symmetric, which the algorithm relies on, and exact for
    near-duplicates. Edges are ordered by (length, index), so equal lengths close no cycle.

    Args:
        points: Clouds of shape `(..., n, d)`, float32 or float64.

    Returns:
        Edges of shape `(..., max(n - 1, 0), 2)`; unspecified for a cloud with a NaN or infinite coordinate.
    """
    *batch, n, d = points.shape
    clouds = points.reshape(math.prod(batch), n, d)
    lengths = torch.cdist(clouds, clouds, compute_mode="donot_use_mm_for_euclid_dist")
    vertices = torch.arange(n, device=points.device).expand(len(clouds), n)
    roots = vertices  # of the component each point belongs to
    # A root stops being one once, when its component is hooked onto another; that is where it notes the edge.
    edges = torch.zeros(len(clouds), n, dtype=torch.int64, device=points.device)
    rounds = max(n - 1, 0).bit_length()
    for done in range(rounds):
        chosen, hooked = hook(lengths, roots, vertices)
        edges = torch.where(hooked != vertices, chosen, edges)
        for _ in range(rounds - done):  # at most n / 2^done roots are left, and each jump halves the way to the top
            hooked = hooked.gather(1, hooked)
        roots = hooked.gather(1, roots)
    # Every point but the last root has an edge.
    tree = vertices[:, :-1]
    tree = edges.gather(1, tree + (tree >= roots[:, :1]))
    return torch.stack([tree // max(n, 1), tree % max(n, 1)], dim=-1).reshape(*batch, max(n - 1, 0), 2)


def hook(lengths: Tensor, roots: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the shortest edge that leaves each component, and hook the component onto the one it reaches.

    Args:
        lengths: Edge lengths of shape `(b, n, n)`, symmetric.
        roots: Root of the component of each point, shape `(b, n)`.
        vertices: The numbers of the points, shape `(b, n)`.

    Returns:
        For each root the chosen edge (i, j), i < j, as `i * n + j`, and the root it is hooked onto, itself where
        nothing is left to reach or where it is the smaller of two roots that chose the same edge; shapes `(b, n)`.
    """
    n = lengths.shape[-1]
    inside = roots[:, :, None] == roots[:, None, :]
    shortest, nearest = torch.where(inside, torch.inf, lengths).min(dim=2)
    numbers = torch.minimum(vertices, nearest) * n + torch.maximum(vertices, nearest)
    best = torch.full_like(shortest, torch.inf).scatter_reduce(1, roots, shortest, "amin")
    tied = torch.where(shortest == best.gather(1, roots), numbers, n * n)
    chosen = torch.full_like(numbers, n * n).scatter_reduce(1, roots, tied, "amin")
    chosen = torch.where(best.isfinite(), chosen, 0)
    left, right = roots.gather(1, chosen // n), roots.gather(1, chosen % n)
    hooked = torch.where(best.isfinite(), torch.where(left == vertices, right, left), vertices)
    mutual = (hooked.gather(1, hooked) == vertices) & (vertices < hooked)
    return chosen, torch.where(mutual, vertices, hooked)
