"""A penalty on the whole distribution of rows: how far random projections are from a normal one."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.regularizers import citations
from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.unit_rows import unit_rows


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

    name = "sigreg"
    citation = citations.BALESTRIERO_2025

    slices: int = 256
    knots: int = 17
    limit: float = 3.0

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
