"""One point cloud and what several measures share: its unit rows, spectrum, neighbors and H0 barcode."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.metrics.neighbors import k_occurrences
from st_isotropy.metrics.resolution import Resolution, find_resolution
from st_isotropy.metrics.rows import as_rows
from st_isotropy.precision import at_least_float32

Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]

BLOCK_ROWS = 8192
_MOST_DOUBLINGS = 120  # a larger power of two overflows in float32
ROUNDINGS = 2  # what differs by so many units in the last place, as the values were given, is equal


@dataclass(frozen=True, eq=False)
class Cloud:
    """A point cloud under a similarity function; shared intermediates are computed once, when first asked for.

    Build it with `as_cloud`, which checks the rows. Every measure takes a cloud in place of an array.

    Attributes:
        points: Rows of shape `(n, d)`, L2-normalized when the similarity is cosine.
        similarity: The model's similarity function. Manhattan is measured as Euclidean.
        sample_size: Most points that measures over all pairs (barcode, uniformity, intrinsic dimension) run on.
        seed: Seed of that sample.
        resolution: How finely the values were rounded that the points come from; by default as finely as the points.

    Examples:
        >>> from st_isotropy.metrics import average_cosine, isoscore
        >>> cloud = as_cloud(np.eye(4), "cosine")
        >>> average_cosine(cloud), round(isoscore(cloud), 3)
        (0.0, 0.667)
    """

    points: Tensor
    similarity: Similarity = "euclidean"
    sample_size: int = 2000
    seed: int = 0
    resolution: Resolution | None = None
    _occurrences: "dict[Cloud | None, np.ndarray]" = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def unit(self) -> Tensor:
        """Rows of length one; a row of zeros stays zero."""
        return self.points if self.similarity == "cosine" else _unit_rows(self.points)

    @cached_property
    def centered_unit(self) -> Tensor:
        """Rows minus their mean, of length one; a row that is at the mean, up to rounding, is zero."""
        centered = self.points - self.mean.to(self.points)
        apart = centered.square().sum(dim=1, keepdim=True) > self.squared_rounding.sum()
        return normalize(centered * apart, dim=1)

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
    def mean_squares(self) -> Tensor:
        """Mean square of each column, `(d,)` in float64."""
        return _mean_squares(self.points, torch.zeros_like(self.mean))

    @cached_property
    def variances(self) -> Tensor:
        """Variance of each column, `(d,)` in float64; 0 where rounding alone can make it."""
        variances = _mean_squares(self.points, self.mean)
        return variances.where(variances > self.squared_rounding, 0.0) * (not self.is_one_point)

    @cached_property
    def squared_rounding(self) -> Tensor:
        """The square of what equal values of each column can differ by through rounding, `(d,)` in float64."""
        resolution = self.resolution or find_resolution(self.points)
        return ROUNDINGS**2 * resolution.squared_units(self.mean_squares)

    @cached_property
    def is_one_point(self) -> bool:
        """Whether all rows coincide, up to rounding."""
        return bool(_mean_squares(self.points, self.mean).sum() <= self.squared_rounding.sum())

    @cached_property
    def principal(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of the covariance, largest first, 0 where they are rounding; eigenvectors as columns `(d, d)`."""
        values, directions = self._decomposed(self.covariance)
        return values * (not self.is_one_point), directions

    @cached_property
    def spectrum(self) -> Tensor:
        """Eigenvalues of the covariance, largest first, 0 where they are rounding: all when the rows are one point."""
        return self.principal[0]

    @cached_property
    def uncentered_spectrum(self) -> Tensor:
        """Eigenvalues of the second moments, largest first, 0 where they are rounding."""
        return self._decomposed(self.second_moments)[0]

    def _decomposed(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        values, directions = (part.flip(-1) for part in torch.linalg.eigh(matrix))
        decomposing = len(values) * torch.finfo(values.dtype).eps * values.max()
        rounding = directions.square().T @ self.squared_rounding + decomposing
        return values.where(values > rounding, 0.0), directions

    @cached_property
    def participation(self) -> float:
        """Participation ratio of the covariance; 1 when the rows are one point."""
        if self.is_one_point:
            return 1.0
        count, width = self.points.shape
        centered = self.points.double() - self.mean if count < width else None
        # The matrix of inner products has the same eigenvalues as the covariance, and their sums need no decomposition.
        matrix = self.covariance if centered is None else centered @ centered.T / count
        return (matrix.trace().square() / matrix.square().sum()).item()

    @cached_property
    def smallest_distance(self) -> float:
        """Unit rows that are no further apart are one point."""
        mean_square = self.mean_squares.sum()
        return (self.squared_rounding.sum() / mean_square).sqrt().item() if mean_square else 0.0

    @cached_property
    def bars(self) -> Tensor:
        """H0 bar lengths of the sampled unit rows; 0 where rows coincide, up to rounding."""
        return self.bars_of(self.unit[self.sample].double())

    def bars_of(self, rows: Tensor) -> Tensor:
        """H0 bar lengths of some of the unit rows, as `bars` are."""
        lengths = barcode(rows).lengths
        return lengths.where(lengths > self.smallest_distance, 0.0)

    def occurrences(self, queries: "Cloud | None" = None) -> np.ndarray:
        """How often each row is among the 10 nearest rows of a query, or else of another row; shape `(n,)`."""
        if queries is not None and queries.points.shape[1] != self.points.shape[1]:
            raise ValueError(
                f"The corpus has {self.points.shape[1]} dimensions but the queries have {queries.points.shape[1]}; "
                "encode both with one model."
            )
        if queries not in self._occurrences:
            asking = None if queries is None else queries.points
            found = k_occurrences(self.points, asking, similarity=self.similarity)
            # Among rows that are one point rounding chose the neighbors: every row is as near as any other.
            self._occurrences[queries] = np.full(len(found), found.mean()) if self.is_one_point else found
        return self._occurrences[queries]


Points = np.ndarray | Tensor | Sequence[Any] | Cloud


def as_cloud(embeddings: Points, similarity: Similarity = "euclidean", **options: Any) -> Cloud:
    """Check embeddings of shape `(n, d)` and make a `Cloud` of them; a `Cloud` is returned as it is.

    Args:
        embeddings: At least two rows and two columns of finite numbers, in any container that `as_rows` takes: arrays,
            tensors, lists of rows, data frames.
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
    given = as_rows(embeddings)
    given = given.cpu() if given.device.type == "mps" else given  # Apple's GPUs have no float64
    check_points(given)
    resolution, points = find_resolution(given), at_least_float32(given)
    if similarity == "cosine":
        resolution, points = resolution.of_unit_rows(points), _unit_rows(points)
    return Cloud(points, similarity, resolution=resolution, **options)


def _unit_rows(points: Tensor) -> Tensor:
    # Scaled by powers of two first, which changes no digit: the square of a tiny row is 0, and of a huge one infinite.
    exponents = torch.frexp(points.abs().amax(dim=1, keepdim=True)).exponent
    return normalize(torch.ldexp(points, -exponents.clamp(-_MOST_DOUBLINGS, _MOST_DOUBLINGS)), dim=1)


def check_points(points: Tensor) -> None:
    """Raise a `ValueError` unless `points` are finite, of shape `(n, d)` with at least two rows and two columns."""
    if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] < 2:
        raise ValueError(
            f"Isotropy is measured on an array of shape (n, d) with at least 2 rows and 2 columns, "
            f"but this one has shape {tuple(points.shape)}; pass one embedding per row."
        )
    # Block by block: at once it would take more memory than the points.
    bad = torch.cat([(~torch.isfinite(block)).any(dim=1) for block in points.split(BLOCK_ROWS)])
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


def _mean_squares(points: Tensor, origin: Tensor) -> Tensor:
    squares = torch.zeros_like(origin)
    for block in points.split(BLOCK_ROWS):
        squares += (block.double() - origin).square().sum(dim=0)
    return squares / len(points)


def _gram(points: Tensor, origin: Tensor) -> Tensor:
    gram = torch.zeros(points.shape[1], points.shape[1], dtype=torch.float64, device=points.device)
    for block in points.split(BLOCK_ROWS):
        difference = block.double() - origin
        gram += difference.T @ difference
    return gram
