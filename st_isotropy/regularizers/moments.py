"""Penalties on the first two moments of rows on the sphere: their mean and their covariance."""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from sentence_transformers.sentence_transformer.losses import GlobalOrthogonalRegularizationLoss
from torch import Tensor

from st_isotropy.precision import at_least_float32
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows, without_gradient_at_zero

# What stands for the model of a loss of sentence-transformers that asks it only to encode, where embeddings are given.
_NO_MODEL = cast(Any, None)


@dataclass(frozen=True)
class MeanCosine(Regularizer):
    r"""The mean cosine of distinct rows; it moves only the mean.

    It is $(\lVert \sum_i u_i \rVert^2 - \sum_i \lVert u_i \rVert^2) / n(n-1)$.

    Examples:
        >>> import torch
        >>> round(MeanCosine()(torch.ones(4, 2)).item(), 4)
        1.0

    References:
        Gao et al. 2019, "Representation degeneration problem in training natural language generation models"
        (CosReg; arXiv 1907.12009), which divides by `n²`.
    """

    name = "mean_cosine"
    citation = citations.GAO_2019

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        pairs = max(len(rows) * (len(rows) - 1), 1)
        return (rows.sum(dim=0).square().sum() - rows.square().sum()) / pairs


@dataclass(frozen=True)
class GlobalOrthogonal(Regularizer):
    r"""Squared mean cosine plus the excess of the mean squared cosine over $1/d$, as sentence-transformers computes it.

    Attributes:
        mean_weight: Weight of the squared mean cosine.
        second_moment_weight: Weight of the excess second moment.

    Examples:
        >>> import torch
        >>> round(GlobalOrthogonal()(torch.ones(4, 2)).item(), 4)
        1.5

    References:
        Zhang, Yu, Kumar and Chang 2017, "Learning spread-out local feature descriptors" (arXiv 1708.06320).
    """

    name = "global_orthogonal"
    citation = GlobalOrthogonalRegularizationLoss(_NO_MODEL).citation

    mean_weight: float = 1.0
    second_moment_weight: float = 1.0

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for a single row."""
        rows = without_gradient_at_zero(at_least_float32(embeddings))
        loss = GlobalOrthogonalRegularizationLoss(
            _NO_MODEL, mean_weight=self.mean_weight, second_moment_weight=self.second_moment_weight
        )
        return torch.stack(list(loss.compute_loss_from_embeddings([rows]).values())).sum()


@dataclass(frozen=True)
class Covariance(Regularizer):
    r"""VICReg's variance and covariance terms: every coordinate varies, and no two vary together.

    Rows are L2-normalized and scaled by $\sqrt{d}$, so that isotropic rows have unit variance in every coordinate. The
    terms are the mean of $\max(0, 1 - \sqrt{v_j + 10^{-4}})$ over coordinates and the sum of the squared covariances of
    distinct coordinates over `d`.

    Attributes:
        variance_weight: Weight of the variance term.
        covariance_weight: Weight of the covariance term; a 25th of the other, as in the paper.

    Examples:
        >>> import torch
        >>> round(Covariance()(torch.eye(3)).item(), 4)
        0.02

    References:
        Bardes, Ponce and LeCun 2022, "VICReg" (arXiv 2105.04906).
    """

    name = "covariance"
    citation = citations.BARDES_2022

    variance_weight: float = 1.0
    covariance_weight: float = 0.04

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        count, width = rows.shape
        if count < 2:
            return rows.sum() * 0
        centered = math.sqrt(width) * (rows - rows.mean(dim=0))
        covariance = centered.T @ centered / (count - 1)
        variances = covariance.diagonal()
        variance_term = (1 - (variances + 1e-4).sqrt()).relu().mean()
        covariance_term = (covariance.square().sum() - variances.square().sum()) / width
        return self.variance_weight * variance_term + self.covariance_weight * covariance_term


@dataclass(frozen=True)
class IsoScoreStar(Regularizer):
    r"""One minus IsoScore* of L2-normalized rows: $1 - (PR(S) - 1)/(d - 1)$ with a shrunk covariance `S`.

    $S = (1 - \zeta) C + \zeta \frac{\mathrm{tr}\,C}{d} I$; its participation ratio needs traces only, no decomposition.
    The paper shrinks toward a larger sample's covariance, a state, and finds that negative weights help most tasks.

    Attributes:
        shrinkage: The factor ζ in [0, 1]. Without it a batch smaller than `d` looks anisotropic whatever its geometry.

    Examples:
        >>> import torch
        >>> round(IsoScoreStar()(torch.eye(2)).item(), 4)
        0.7805

    References:
        Rudman and Eickhoff 2024, "Stable anisotropic regularization" (I-STAR; arXiv 2305.19358).
    """

    name = "isoscore_star"
    citation = citations.RUDMAN_2024

    shrinkage: float = 0.2

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; 1 without gradient when the rows coincide."""
        rows = unit_rows(embeddings)
        count, width = rows.shape
        if count < 2:
            return rows.sum() * 0
        centered = rows - rows.mean(dim=0)
        trace = centered.square().sum()
        gram = centered @ centered.T if count < width else centered.T @ centered  # the smaller has the same squares
        kept = (1 - self.shrinkage) ** 2
        squares = kept * gram.square().sum() + (1 - kept) * trace.square() / width
        # Rows closer than rounding are one point, whose noise must not be given a shape.
        rounding = max(torch.finfo(rows.dtype).eps ** 1.5, (2 * torch.finfo(embeddings.dtype).eps) ** 2)
        spread_out = trace > count * rounding
        participation_ratio = torch.where(spread_out, trace.square() / torch.where(spread_out, squares, 1), 1)
        return 1 - (participation_ratio - 1) / (width - 1)
