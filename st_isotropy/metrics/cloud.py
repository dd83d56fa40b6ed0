"""One point cloud and what several measures share: its unit rows, spectrum, neighbors and H0 barcode."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.metrics.neighbors import k_occurrences
from st_isotropy.precision import at_least_float32

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]

BLOCK_ROWS = 8192
_MOST_DOUBLINGS = 120  # a larger power of two overflows in float32
ROUNDINGS = 4  # rows that differ by so many units in the last place are one point


@dataclass(frozen=True, eq=False)
class Cloud:
    """A point cloud under a similarity function; shared intermediates are computed once, when first asked for.

    Build it with `as_cloud`, which checks the rows. Every measure takes a cloud in place of an array.

    Attributes:
        points: Rows of shape `(n, d)`, L2-normalized when the similarity is cosine.
        similarity: The model's similarity function. Manhattan is measured as Euclidean.
        sample_size: Most points that measures over all pairs (barcode, uniformity, intrinsic dimension) run on.
        seed: Seed of that sample.
    """

    points: Tensor
    similarity: Similarity = "euclidean"
    sample_size: int = 2000
    seed: int = 0
    _occurrences: "dict[Cloud | None, np.ndarray]" = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def unit(self) -> Tensor:
        """Rows of length one; a row of zeros stays zero."""
        return self.points if self.similarity == "cosine" else _unit_rows(self.points)

    @cached_property
    def sample(self) -> Tensor:
        """Indices of the rows that measures over all pairs run on, in random order."""
        generator = np.random.default_rng(self.seed)
        count = len(self.points)
        return torch.from_numpy(generator.permutation(count)[: self.sample_size]).to(self.points.device)

    @cached_property
    def mean(self) -> Tensor:
        """Mean row in float64."""
        return sum_rows(self.points) / len(self.points)

    @cached_property
    def second_moments(self) -> Tensor:
        """The matrix `X'X / n` in float64, not centered."""
        return _gram(self.points, torch.zeros_like(self.mean)) / len(self.points)

    @cached_property
    def covariance(self) -> Tensor:
        """Covariance (divided by `n`) in float64, summed over blocks of differences from the mean."""
        return _gram(self.points, self.mean) / len(self.points)

    @cached_property
    def mean_square(self) -> float:
        """Mean squared length of a row, in float64."""
        return sum(block.double().square().sum().item() for block in self.points.split(BLOCK_ROWS)) / len(self.points)

    @cached_property
    def spectrum(self) -> Tensor:
        """Eigenvalues of the covariance, largest first; all zero when the rows are one point."""
        return self._eigenvalues(self.covariance)

    @cached_property
    def participation(self) -> float:
        """Participation ratio of the covariance; 1 when the rows are one point."""
        count, width = self.points.shape
        centered = self.points.double() - self.mean if count < width else None
        # The matrix of inner products has the same eigenvalues as the covariance, and their sums need no decomposition.
        matrix = self.covariance if centered is None else centered @ centered.T / count
        if self._is_rounding(matrix):
            return 1.0
        return (matrix.trace().square() / matrix.square().sum()).item()

    @cached_property
    def uncentered_spectrum(self) -> Tensor:
        """Eigenvalues of the second moments, largest first."""
        return self._eigenvalues(self.second_moments)

    def _eigenvalues(self, matrix: Tensor) -> Tensor:
        if self._is_rounding(matrix):
            return torch.zeros_like(self.mean)
        return torch.linalg.eigvalsh(matrix).flip(0).clamp(min=0)

    def _is_rounding(self, matrix: Tensor) -> bool:
        rounding = (ROUNDINGS * torch.finfo(self.points.dtype).eps) ** 2
        return matrix.trace().item() <= rounding * self.mean_square

    @cached_property
    def bars(self) -> Tensor:
        """H0 bar lengths of the sampled unit rows."""
        return barcode(self.unit[self.sample].double()).lengths

    def occurrences(self, queries: "Cloud | None" = None) -> np.ndarray:
        """How often each row is among the 10 nearest rows of a query, or else of another row; shape `(n,)`."""
        if queries is not None and queries.points.shape[1] != self.points.shape[1]:
            raise ValueError(
                f"The corpus has {self.points.shape[1]} dimensions but the queries have {queries.points.shape[1]}; "
                "encode both with one model."
            )
        if queries not in self._occurrences:
            asking = None if queries is None else queries.points
            self._occurrences[queries] = k_occurrences(self.points, asking, similarity=self.similarity)
        return self._occurrences[queries]


Points = np.ndarray | Tensor | list[Tensor] | Cloud


def as_cloud(embeddings: Points, similarity: Similarity = "euclidean", **options: Any) -> Cloud:
    """Check embeddings of shape `(n, d)` and make a `Cloud` of them; a `Cloud` is returned as it is.

    Args:
        embeddings: At least two rows and two columns of finite numbers; a list holds one tensor per row.
        similarity: The model's similarity function. Under cosine the rows are L2-normalized; otherwise they are taken
            as they are.
        **options: `sample_size` and `seed` of `Cloud`.

    Returns:
        The cloud, in float32 unless the embeddings are float64.

    Raises:
        ValueError: If the array has not two axes with at least two rows and two columns, is sparse, or holds a value
            that is not finite; for an unknown similarity.

    Examples:
        >>> as_cloud(np.array([[3.0, 4.0], [0.0, 2.0]]), "cosine").points.tolist()
        [[0.6, 0.8], [0.0, 1.0]]
    """
    if isinstance(embeddings, Cloud):
        return embeddings
    if similarity not in get_args(Similarity):
        raise ValueError(f"The similarity must be one of {', '.join(get_args(Similarity))}, not {similarity!r}.")
    points = torch.stack(embeddings) if isinstance(embeddings, list) else torch.as_tensor(embeddings)
    points = points.detach()
    check_points(points)
    points = points.cpu() if points.device.type == "mps" else points  # Apple's GPUs have no float64
    points = at_least_float32(points)
    return Cloud(_unit_rows(points) if similarity == "cosine" else points, similarity, **options)


def _unit_rows(points: Tensor) -> Tensor:
    # Scaled by powers of two first, which changes no digit: the square of a tiny row is 0, and of a huge one infinite.
    exponents = torch.frexp(points.abs().amax(dim=1, keepdim=True)).exponent
    return normalize(torch.ldexp(points, -exponents.clamp(-_MOST_DOUBLINGS, _MOST_DOUBLINGS)), dim=1)


def check_points(points: Tensor) -> None:
    """Raise a `ValueError` unless `points` are finite, of shape `(n, d)` with at least two rows and two columns."""
    if points.layout != torch.strided:
        raise ValueError(
            "Isotropy is measured on dense embeddings, but these are sparse; use a SentenceTransformer, not a "
            "SparseEncoder."
        )
    if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] < 2:
        raise ValueError(
            f"Isotropy is measured on an array of shape (n, d) with at least 2 rows and 2 columns, "
            f"but this one has shape {tuple(points.shape)}; pass one embedding per row."
        )
    bad = (~torch.isfinite(points)).any(dim=1)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {len(points)} embeddings hold NaN or infinite values, the first in row "
            f"{int(bad.int().argmax())}; leave those rows out or fix the model that made them."
        )


def sum_rows(points: Tensor) -> Tensor:
    """Sum rows in float64, block by block, without a float64 copy of the cloud."""
    total = torch.zeros(points.shape[1], dtype=torch.float64, device=points.device)
    for block in points.split(BLOCK_ROWS):
        total += block.double().sum(dim=0)
    return total


def _gram(points: Tensor, origin: Tensor) -> Tensor:
    gram = torch.zeros(points.shape[1], points.shape[1], dtype=torch.float64, device=points.device)
    for block in points.split(BLOCK_ROWS):
        difference = block.double() - origin
        gram += difference.T @ difference
    return gram
