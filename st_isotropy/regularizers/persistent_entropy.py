"""The penalty this package is about: the persistent-entropy deficit of a barcode."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.rips import Engine, installed_engine
from st_isotropy.barcodes.selection import Selection, check_selection, selected_bars
from st_isotropy.entropy import (
    absolute_entropy,
    absolute_entropy_deficit,
    entropy_deficit,
    largest_mean_bar,
    persistent_entropy,
)
from st_isotropy.precision import at_least_float32
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import MINIMUM_POINTS, Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows

Scale = Literal["relative", "absolute"]

# Shannon's is the paper's. On the absolute scale nothing else keeps the shortest bars from closing, and a low order
# pushes at those and leaves bars of middling length to the objective.
DEFAULT_ORDER: dict[Scale, float] = {"relative": 1.0, "absolute": 0.25}
# In float32, lower ones lose four digits near the optimum, and higher ones all in large clouds.
ORDERS = 0.1, 4.0


@dataclass(frozen=True)
class PersistentEntropy(Regularizer):
    r"""The normalized entropy deficit $1 - H / \ln m$ of the barcode of L2-normalized embeddings, in [0, 1].

    On the relative scale, the paper's, bars are divided by their sum. It is 0 when all `m` bars are equally long, and
    invariant to translation and scale of the barcode, so by itself it cannot open a narrow cone.

    On the absolute scale bars are divided by the largest sum that the unit sphere allows, and what they leave of it is
    one more state (`absolute_entropy_deficit`). It is 0 when all bars are $\sqrt{2(n-1)/n}$ long, which up to $2d$ rows
    in `d` dimensions can be, and 1 when all rows coincide. It opens a cone and holds the rows apart where nothing else
    does. Rows that coincide exactly get no gradient: it cannot part them.

    The shortest bars get the largest gradient. One pair at cosine 0.89 in a cloud of 64 isotropic points holds 99 % of
    the squared gradient and multiplies its norm by 14; with `floor=0.5` the norm is as without the pair.

    Args:
        homology_dimension: Dimension of the bars. Above 0 an engine is needed: the extra `homology`.
        selection: Bars that count: `"all"`; `"prominent"`, as selected by the authors; `("top", k)`, the k longest; or
            `("quantile", q)`, all but the shortest share q.
        engine: Homology engine for dimensions above 0: `"auto"`, `"redzed"` or `"giotto-ph"`.
        normalize: Project embeddings onto the unit sphere first; False takes them as they are.
        deficit: False gives $-H$ in nats instead, the authors' term.
        floor: Bars shorter than this share of the mean bar count as that long. Their own lengths then get no gradient,
            only the mean's. On the absolute scale it is a share of the largest mean bar, and below 1.
        scale: `"relative"` to the sum of the bars, or `"absolute"`, for bars of dimension 0 of unit rows.
        order: Order of the entropy: Tsallis', from 0.1 to 4, Shannon's at 1. The lower, the more the shortest
            bars count. None for 1 on the relative scale and 1/4 on the absolute one.

    Raises:
        ImportError: If `homology_dimension` is above 0 and the engine is not installed.
        ValueError: If `selection` or `scale` is unknown, or the `engine` for dimensions above 0; if
            `homology_dimension` or `floor` is negative, or `order` not from 0.1 to 4; for options that the absolute
            scale does not have.

    Examples:
        >>> import torch
        >>> round(PersistentEntropy()(torch.eye(5)).item(), 6)
        0.0
        >>> cone = torch.eye(5) + 3
        >>> absolute = PersistentEntropy(scale="absolute")
        >>> round(PersistentEntropy()(cone).item(), 6), round(absolute(cone).item(), 2)
        (0.0, 0.3)
        >>> authors = PersistentEntropy(
        ...     selection="prominent", normalize=False, deficit=False
        ... )

    References:
        Kudriashov, Karpik and Klyshinsky 2025, "Shrink the longest: improving latent space isotropy with simplicial
        geometry" (arXiv 2501.05502).
    """

    citation = citations.KUDRIASHOV_2025

    homology_dimension: int = 0
    selection: Selection = "all"
    engine: Engine = "auto"
    normalize: bool = True
    deficit: bool = True
    floor: float = 0.0
    scale: Scale = "relative"
    order: float | None = None

    def __post_init__(self) -> None:
        check_selection(self.selection)
        if self.homology_dimension < 0:
            raise ValueError(f"PersistentEntropy.homology_dimension is {self.homology_dimension}; use 0 or more.")
        if self.homology_dimension:
            installed_engine(self.engine)
        if not self.floor >= 0:
            raise ValueError(
                f"PersistentEntropy.floor is {self.floor}; use a share of the mean bar length, 0 for no floor."
            )
        lowest, highest = ORDERS
        if self.order is not None and not lowest <= self.order <= highest:
            raise ValueError(
                f"PersistentEntropy.order is {self.order}; use a number from {lowest} to {highest}, such as 1 for "
                "Shannon's entropy: beyond them float32 loses the penalty's digits."
            )
        if self.scale not in DEFAULT_ORDER:
            raise ValueError(
                f"PersistentEntropy.scale is {self.scale!r}, which is unknown; use 'relative' or 'absolute'."
            )
        if self.scale == "absolute":
            self._check_absolute()

    def _check_absolute(self) -> None:
        if self.homology_dimension:
            raise ValueError(
                f"PersistentEntropy.homology_dimension is {self.homology_dimension}, but the absolute scale is known "
                'for dimension 0 alone; use 0 or scale="relative".'
            )
        if self.selection != "all":
            raise ValueError(
                f"PersistentEntropy.selection is {self.selection!r}, but on the absolute scale the bars left out would "
                'count as what is left of the sphere; use "all" or scale="relative".'
            )
        if not self.normalize:
            raise ValueError(
                "PersistentEntropy.normalize is False, but the absolute scale is that of the unit sphere; use True or "
                'scale="relative".'
            )
        if self.floor >= 1:
            raise ValueError(
                f"PersistentEntropy.floor is {self.floor}; on the absolute scale use a share of the largest mean bar, "
                "below 1."
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Short snake_case name of the penalty: its scale's, and above dimension 0 it ends in the dimension."""
        if self.scale == "absolute":
            return "absolute_entropy"
        return "persistent_entropy" + (f"_h{self.homology_dimension}" if self.homology_dimension else "")

    @property
    def minimum_points(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """On the absolute scale two points have a bar to compare with what it leaves of the sphere."""
        return 2 if self.scale == "absolute" else MINIMUM_POINTS

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 when fewer than two bars count.

        On the absolute scale a single bar counts, since it leaves a remainder.
        """
        points = unit_rows(embeddings) if self.normalize else at_least_float32(embeddings)
        lengths = barcode(points, self.homology_dimension, self.engine).lengths
        order = DEFAULT_ORDER[self.scale] if self.order is None else self.order
        if self.scale == "absolute":
            return self._absolute(lengths, order)
        among = None if self.selection == "all" else selected_bars(lengths, self.selection)
        if self.floor:
            lengths = lengths.clamp(min=self.floor * lengths.mean())
        if self.deficit:
            return entropy_deficit(lengths, among, order)
        return -persistent_entropy(lengths, among=among, order=order)

    def _absolute(self, lengths: Tensor, order: float) -> Tensor:
        if self.floor and len(lengths):
            lengths = lengths.clamp(min=self.floor * largest_mean_bar(len(lengths)))
        return absolute_entropy_deficit(lengths, order) if self.deficit else -absolute_entropy(lengths, order)
