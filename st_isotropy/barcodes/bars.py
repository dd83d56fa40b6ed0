"""Bar lengths of a point cloud, differentiable with respect to its points."""

from dataclasses import dataclass

from torch import Tensor

from st_isotropy.barcodes.distances import at_least_float32
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
    return (points.index_select(0, edges[:, 0]) - points.index_select(0, edges[:, 1])).norm(dim=1)


def barcode(points: Tensor) -> Barcode:
    """Compute the H0 barcode of the Vietoris–Rips filtration of a point cloud.

    Every H0 bar is born at 0 and dies at the length of a minimum-spanning-tree edge. There are always `n - 1` bars:
    duplicate points give bars of length zero rather than fewer bars. Half precision is converted to float32.

    Args:
        points: Point cloud of shape `(n, d)`.

    Returns:
        The barcode, with `n - 1` bars (none for fewer than two points).

    Raises:
        ValueError: If points on the CPU hold NaN or infinity. On other devices the check is left to the caller, since
            it would have to wait for the device.

    Example:
        >>> barcode(torch.tensor([[0.0], [1.0], [3.0]])).lengths.tolist()
        [1.0, 2.0]
    """
    points = at_least_float32(points)
    _check_finite(points)
    edges = minimum_spanning_tree(points)
    return Barcode(lengths=edge_lengths(points, edges), edges=edges)


def _check_finite(points: Tensor) -> None:
    # A sum is ten times cheaper than isfinite, and never finite beside NaN or infinity; it can overflow without them.
    if points.device.type != "cpu" or points.detach().sum().isfinite():
        return
    rows = int((~points.isfinite()).any(dim=1).sum())
    if rows:
        raise ValueError(
            f"{rows} of {len(points)} points have a NaN or infinite coordinate; a barcode needs finite points, "
            "so find out where the embeddings overflow or leave these rows out."
        )
