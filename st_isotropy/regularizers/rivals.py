"""Rival regularizers: other published penalties on the geometry of a batch, all on L2-normalized rows.

Each is a frozen dataclass with its source, takes embeddings `(n, d)` and returns a 0-dim penalty that is a
gradient-connected 0 when there are too few rows to speak of geometry.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from sentence_transformers.sentence_transformer.losses import GlobalOrthogonalRegularizationLoss
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.precision import at_least_float32
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows, without_gradient_at_zero


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

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "mst_length"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 when there is no edge."""
        count = len(embeddings)
        if count < 2:
            return embeddings.sum() * 0
        return math.sqrt(2 * count / (count - 1)) - barcode(unit_rows(embeddings)).lengths.mean()

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.MORDACQ_2025


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

    floor: float = 1e-8

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "koleo"

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

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.SABLAYROLLES_2018


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

    temperature: float = 2.0

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "uniformity"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        if len(rows) < 2:
            return rows.sum() * 0
        squared = torch.pdist(rows).square()
        return torch.logsumexp(-self.temperature * squared, dim=0) - math.log(len(squared))

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.WANG_2020


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

    mean_weight: float = 1.0
    second_moment_weight: float = 1.0

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "global_orthogonal"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for a single row."""
        rows = without_gradient_at_zero(at_least_float32(embeddings))
        terms = self._loss().compute_loss_from_embeddings([rows])
        return torch.stack(list(terms.values())).sum()

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return self._loss().citation

    def _loss(self) -> GlobalOrthogonalRegularizationLoss:
        # The loss asks its model only to encode, and here the embeddings are given.
        no_model = cast(Any, None)
        return GlobalOrthogonalRegularizationLoss(
            no_model, mean_weight=self.mean_weight, second_moment_weight=self.second_moment_weight
        )


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

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "mean_cosine"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        pairs = max(len(rows) * (len(rows) - 1), 1)
        return (rows.sum(dim=0).square().sum() - rows.square().sum()) / pairs

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.GAO_2019


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

    variance_weight: float = 1.0
    covariance_weight: float = 0.04

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "covariance"

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

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.BARDES_2022


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

    shrinkage: float = 0.2

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "isoscore_star"

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
        spread_out = trace > count * torch.finfo(rows.dtype).eps ** 1.5
        participation_ratio = torch.where(spread_out, trace.square() / torch.where(spread_out, squares, 1), 1)
        return 1 - (participation_ratio - 1) / (width - 1)

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.RUDMAN_2024


@dataclass(frozen=True)
class SIGReg(Regularizer):
    r"""The Epps–Pulley statistic against a standard normal, averaged over random projections.

    $n \int |\hat\varphi(t) - e^{-t^2/2}|^2 e^{-t^2/2} dt$ by the trapezoidal rule, with $\hat\varphi$ the empirical
    characteristic function of projected rows of norm $\sqrt{d}$, at which isotropic projections have variance 1.

    Attributes:
        slices: Number of random projections, drawn from torch's generator anew in every call.
        knots: Number of nodes of the integral on [0, limit]; the integrand is even.
        limit: Largest frequency.

    Examples:
        >>> import torch
        >>> sphere, point = torch.cat([torch.eye(4), -torch.eye(4)]), torch.ones(8, 4)
        >>> (SIGReg()(sphere) < SIGReg()(point)).item()
        True

    References:
        Balestriero and LeCun 2025, "LeJEPA" (arXiv 2511.08544); Epps and Pulley 1983.
    """

    slices: int = 256
    knots: int = 17
    limit: float = 3.0

    @property
    def name(self) -> str:
        """Short snake_case name of the penalty."""
        return "sigreg"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings `(n, d)`; a gradient-connected 0 for fewer than two rows."""
        rows = unit_rows(embeddings)
        if len(rows) < 2:
            return rows.sum() * 0
        directions = normalize(torch.randn(rows.shape[1], self.slices, dtype=rows.dtype, device=rows.device), dim=0)
        frequencies = torch.linspace(0, self.limit, self.knots, dtype=rows.dtype, device=rows.device)
        normal = torch.exp(-(frequencies**2) / 2)
        phases = (math.sqrt(rows.shape[1]) * rows @ directions)[:, :, None] * frequencies
        gap = (phases.cos().mean(dim=0) - normal).square() + phases.sin().mean(dim=0).square()
        return 2 * len(rows) * torch.trapezoid(gap * normal, frequencies, dim=1).mean()

    @property
    def citation(self) -> str:
        """BibTeX of the method."""
        return citations.BALESTRIERO_2025
