"""Bar lengths of a point cloud, differentiable with respect to its points."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from st_isotropy.barcodes.distances import pairwise_distances
from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.barcodes.mst import LARGE, minimum_spanning_tree, prim
from st_isotropy.barcodes.rips import Engine, critical_edges
from st_isotropy.precision import at_least_float32


@dataclass(frozen=True)
class Barcode:
    """The bars of one homology dimension of a Vietoris–Rips filtration.

    Attributes:
        lengths: Persistence of each bar, shape `(m,)`, differentiable with respect to the points.
        edges: Critical edge at which each bar dies, shape `(m, 2)`, indices into the points.
        dimension: Homology dimension of the bars.
        birth_edges: Critical edge at which each bar is born, shape `(m, 2)`; none in dimension 0, where all bars are
            born at 0.

    Examples:
        >>> barcode(torch.tensor([[0.0], [1.0], [3.0]])).edges.tolist()
        [[0, 1], [1, 2]]
    """

    lengths: Tensor
    edges: Tensor
    dimension: int = 0
    birth_edges: Tensor | None = None


def edge_lengths(points: Tensor, edges: Tensor) -> Tensor:
    """Compute the Euclidean lengths of edges; only these carry gradient, so backward costs O(md).

    Args:
        points: Point cloud of shape `(n, d)`, or several of shape `(b, n, d)`.
        edges: Index pairs of shape `(m, 2)`, or `(b, m, 2)`.

    Returns:
        Lengths of shape `(m,)` or `(b, m)`; the gradient at a length of zero is zero.

    Examples:
        >>> points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]])
        >>> edge_lengths(points, torch.tensor([[0, 1], [1, 2]])).tolist()
        [5.0, 4.0]
    """
    if points.ndim > 2 and len(points) == 0:
        return points.new_zeros(edges.shape[:-1])
    if points.ndim > 2:
        return torch.stack([edge_lengths(*cloud) for cloud in zip(points, edges, strict=True)])
    return EdgeLengths.apply(points, edges)


class EdgeLengths(Function):
    """Lengths of edges, with a backward pass that touches each end once and nothing else."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, edges: Tensor) -> Tensor:
        """Subtract the ends and keep the differences."""
        left, right = edges.unbind(dim=1)
        differences = points.index_select(0, left).sub_(points.index_select(0, right))
        lengths = differences.norm(dim=1)
        ctx.save_for_backward(points, differences, lengths, left, right)
        return lengths

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pull the ends apart along the differences; the ends of an edge of length zero stay."""
        points, differences, lengths, left, right = ctx.saved_tensors
        with torch.no_grad():
            pull = differences * (gradient / lengths.masked_fill(lengths == 0, 1))[:, None]
            pulled = torch.zeros_like(points).index_add_(0, left, pull).index_add_(0, right, pull, alpha=-1)
        return mark_first_derivative(pulled, points, gradient), None


class CompiledBars(Function):
    """Tree and lengths in compiled loops on arrays: few points otherwise spend most of their time on calls of torch."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, kernels: ModuleType) -> tuple[Tensor, Tensor]:
        """Compute the lengths, and the edges that have them."""
        array = np.ascontiguousarray(points.numpy())
        edges = prim(array, kernels)
        lengths = torch.from_numpy(kernels.lengths(array, edges))
        edges = torch.from_numpy(edges)
        ctx.mark_non_differentiable(edges)
        ctx.save_for_backward(points, edges, lengths)
        ctx.kernels = kernels
        return lengths, edges

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pull the ends apart along the differences, which are computed again; see `EdgeLengths`."""
        points, edges, lengths = ctx.saved_tensors
        array = np.ascontiguousarray(points.detach().numpy())
        strength = np.ascontiguousarray(gradient.detach().numpy())
        pulled = torch.from_numpy(ctx.kernels.pull(array, edges.numpy(), lengths.detach().numpy(), strength))
        return mark_first_derivative(pulled, points, gradient), None


class FirstDerivative(Function):
    """A gradient inside a graph, which says so when that graph is differentiated instead of counting as a constant."""

    @staticmethod
    def forward(ctx: Any, pulled: Tensor, points: Tensor, gradient: Tensor) -> Tensor:
        """Hand on the gradient; the other two are what it depends on."""
        return pulled.view_as(pulled)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Refuse."""
        raise NotImplementedError(
            "A barcode has no second derivative; leave out create_graph=True, or keep the barcode out of what is "
            "differentiated twice."
        )


def mark_first_derivative(pulled: Tensor, points: Tensor, gradient: Tensor) -> Tensor:
    """Hand on the gradient of lengths; where a graph of it is wanted (`create_graph=True`), as a `FirstDerivative`."""
    return FirstDerivative.apply(pulled, points, gradient) if torch.is_grad_enabled() else pulled


def barcode(points: Tensor, dimension: int = 0, engine: Engine = "auto") -> Barcode:
    """Compute the barcode of one homology dimension of the Vietoris–Rips filtration of a point cloud.

    Every H0 bar is born at 0 and dies at the length of a minimum-spanning-tree edge. There are always `n - 1` of them:
    duplicate points give bars of length zero rather than fewer bars. A bar of higher dimension lives from the length of
    one edge to the length of another; the number of bars depends on the cloud, and bars of length zero are left out.
    Half precision is converted to float32.

    Args:
        points: Point cloud of shape `(n, d)`; in dimension 0 also several clouds, `(b, n, d)`.
        dimension: Homology dimension, 0 or more.
        engine: Homology engine for dimensions above 0, see `critical_edges`; dimension 0 needs none.

    Returns:
        The barcode. Tensors have a leading axis of size `b` when several clouds were given.

    Raises:
        ImportError: If `dimension` is above 0 and no engine is installed.
        ValueError: If `dimension` is negative, or above 0 and the engine unknown; if points hold NaN or infinity, or
            their squared distances overflow. In dimension 0 on devices other than the CPU the check of the points is
            left to the caller, since it would have to wait for the device.

    Examples:
        >>> import torch
        >>> barcode(torch.tensor([[0.0], [1.0], [3.0]])).lengths.tolist()
        [1.0, 2.0]

    References:
        Edelsbrunner and Harer 2010, "Computational Topology: An Introduction".
    """
    points = at_least_float32(points)
    if dimension == 0:
        kernels = compiled_kernels() if points.is_cpu and points.ndim == 2 and len(points) <= LARGE else None
        if kernels is not None:
            return Barcode(*CompiledBars.apply(points, kernels))
        edges = minimum_spanning_tree(points)
        return Barcode(edge_lengths(points, edges), edges)
    # Engines run on the host, and so does what they need.
    critical = critical_edges(pairwise_distances(points.detach().cpu()), dimension, engine).to(points.device)
    births, deaths = edge_lengths(points, critical.flatten(0, 1)).unflatten(0, (-1, 2)).unbind(dim=1)
    return Barcode((deaths - births).clamp(min=0), critical[:, 1], dimension, critical[:, 0])
