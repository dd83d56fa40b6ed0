"""Penalties on how near rows are to each other: neighbors, or all pairs, repel on the sphere."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from st_isotropy.barcodes import barcode
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows


@dataclass(frozen=True)
class MSTLength(Regularizer):
    r"""How far the mean edge of the minimum spanning tree of L2-normalized rows is from its largest possible value.

    The largest mean edge of `n` rows on the unit sphere is that of a regular simplex, $\sqrt{2n/(n-1)}$. The penalty
    lies in [0, √(2n/(n−1))] and falls as rows spread, so it opens a cone and works against dimensional collapse.

    Examples:
        >>> import torch
        >>> MSTLength()(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item()
        0.0

    References:
        Mordacq, Loiseaux, Kalogeiton and Oudot 2025, "T-REGS: minimum spanning tree regularization for self-supervised
        learning" (arXiv 2510.23484).
    """

    name = "mst_length"
    citation = citations.MORDACQ_2025

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 when there is no edge."""
        count = len(embeddings)
        if count < 2:
            return embeddings.sum() * 0
        return math.sqrt(2 * count / (count - 1)) - barcode(unit_rows(embeddings)).lengths.mean()


@dataclass(frozen=True)
class KoLeo(Regularizer):
    r"""The Kozachenko–Leonenko penalty, by which neighbors repel.

    It is $-\frac{1}{n} \sum_i \ln \min_{j \ne i} \lVert u_i - u_j \rVert$. Coinciding rows count as `floor`
    apart and receive no gradient.

    Attributes:
        floor: Smallest distance that enters the logarithm.

    Examples:
        >>> import torch
        >>> round(KoLeo()(torch.eye(3)).item(), 4)
        -0.3466

    References:
        Sablayrolles, Douze, Schmid and Jégou 2019, "Spreading vectors for similarity search" (arXiv 1806.03198).
    """

    name = "koleo"
    citation = citations.SABLAYROLLES_2018

    floor: float = 1e-8

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        if len(rows) < 2:
            return rows.sum() * 0
        # Only the choice of neighbors needs all pairs, so backward costs O(nd).
        with torch.no_grad():
            distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
            nearest = distances.fill_diagonal_(torch.inf).argmin(dim=1)
        return -(rows - rows[nearest]).norm(dim=1).clamp(min=self.floor).log().mean()


@dataclass(frozen=True)
class Uniformity(Regularizer):
    r"""The Gaussian potential $\ln E[\exp(-t \lVert u_i - u_j \rVert^2)]$ over distinct rows.

    Attributes:
        temperature: The factor `t`.

    Examples:
        >>> import torch
        >>> round(Uniformity()(torch.eye(3)).item(), 4)
        -4.0

    References:
        Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity on the
        hypersphere" (arXiv 2005.10242).
    """

    name = "uniformity"
    citation = citations.WANG_2020

    temperature: float = 2.0

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        if len(rows) < 2:
            return rows.sum() * 0
        squared = torch.pdist(rows).square()
        return torch.logsumexp(-self.temperature * squared, dim=0) - math.log(len(squared))
