"""The penalty this package is about: the persistent-entropy deficit of a barcode."""

from dataclasses import dataclass

from torch import Tensor

from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.rips import Engine, installed_engine
from st_isotropy.barcodes.selection import Selection, check_selection, selected_bars
from st_isotropy.entropy import entropy_deficit, persistent_entropy
from st_isotropy.precision import at_least_float32
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows


@dataclass(frozen=True)
class PersistentEntropy(Regularizer):
    r"""The normalized entropy deficit $1 - H / \ln m$ of the barcode of L2-normalized embeddings, in [0, 1].

    It is 0 when all `m` bars are equally long. Entropy is invariant to translation and scale of the barcode, so by
    itself it cannot open a narrow cone; see `MSTLength` for a term that does.

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
            only the mean's.

    Raises:
        ImportError: If `homology_dimension` is above 0 and the engine is not installed.
        ValueError: If `selection` is unknown, or the `engine` for dimensions above 0, or `homology_dimension` or
            `floor` is negative.

    Examples:
        >>> import torch
        >>> round(PersistentEntropy()(torch.eye(5)).item(), 6)
        0.0
        >>> authors = PersistentEntropy(selection="prominent", normalize=False, deficit=False)

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

    def __post_init__(self) -> None:
        check_selection(self.selection)
        if self.homology_dimension < 0:
            raise ValueError(f"PersistentEntropy.homology_dimension is {self.homology_dimension}; use 0 or more.")
        if self.homology_dimension:
            installed_engine(self.engine)
        if self.floor < 0:
            raise ValueError(
                f"PersistentEntropy.floor is {self.floor}; use a share of the mean bar length, 0 for no floor."
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Short snake_case name of the penalty; above dimension 0 it ends in the dimension."""
        return "persistent_entropy" + (f"_h{self.homology_dimension}" if self.homology_dimension else "")

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 when fewer than two bars count."""
        points = unit_rows(embeddings) if self.normalize else at_least_float32(embeddings)
        lengths = barcode(points, self.homology_dimension, self.engine).lengths
        among = None if self.selection == "all" else selected_bars(lengths, self.selection)
        if self.floor:
            lengths = lengths.clamp(min=self.floor * lengths.mean())
        return entropy_deficit(lengths, among) if self.deficit else -persistent_entropy(lengths, among=among)
