"""Bar lengths of a point cloud, differentiable with respect to its points."""

from dataclasses import dataclass

from torch import Tensor

from st_isotropy.barcodes.mst import minimum_spanning_tree


@dataclass(frozen=True)
class Barcode:
    """The bars of one homology dimension of a Vietoris–Rips filtration.

    Attributes:
        lengths: Persistence of each bar, shape `(m,)`, differentiable with respect to the points.
        edges: Critical edge at which each bar dies, shape `(m, 2)`, indices into the points.
        dimension: Homology dimension of the bars.
    """

    lengths: Tensor
    edges: Tensor
    dimension: int = 0


def edge_lengths(points: Tensor, edges: Tensor) -> Tensor:
    """Compute the Euclidean lengths of edges; only these carry gradient, so backward costs O(md).

    Args:
        points: Point cloud of shape `(n, d)`.
        edges: Index pairs of shape `(m, 2)`.

    Returns:
        Lengths of shape `(m,)`; the gradient at a length of zero is zero.
    """
    return (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1)


def barcode(points: Tensor) -> Barcode:
    """Compute the H0 barcode of the Vietoris–Rips filtration of a point cloud.

    Every H0 bar is born at 0 and dies at the length of a minimum-spanning-tree edge. There are always `n - 1` bars:
    duplicate points give bars of length zero rather than fewer bars.

    Args:
        points: Point cloud of shape `(n, d)`.

    Returns:
        The barcode, with `n - 1` bars (none for fewer than two points).

    Example:
        >>> import torch
        >>> barcode(torch.tensor([[0.0], [1.0], [3.0]])).lengths.tolist()
        [1.0, 2.0]
    """
    edges = minimum_spanning_tree(points)
    return Barcode(lengths=edge_lengths(points, edges), edges=edges)
