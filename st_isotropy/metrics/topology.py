"""Measures of the H0 barcode: the minimum spanning tree of L2-normalized rows."""

import numpy as np
import torch

from st_isotropy import entropy
from st_isotropy.metrics.cloud import Points, as_cloud

_SUBSETS = 8  # sizes at which the growth of the tree is measured


def mean_mst_length(embeddings: Points) -> float:
    """Compute the mean edge length of the minimum spanning tree of a seeded sample of L2-normalized rows.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value in [0, 2]; near 0 in a narrow cone or in tight clusters. It falls with the number of rows.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(mean_mst_length(torch.eye(3)), 6)
        1.414214

    References:
        Mordacq, Loiseaux, Kalogeiton and Oudot 2025, "T-REGS" (arXiv 2510.23484).
    """
    return as_cloud(embeddings).bars.mean().item()


def persistent_entropy(embeddings: Points, normalize: bool = True) -> float:
    r"""Compute the persistent entropy of the H0 barcode of a seeded sample of L2-normalized rows.

    It is blind to translation and scale, hence nearly so to a cone; what lowers it is clusters and, less, low rank.

    Args:
        embeddings: Rows of shape `(n, d)`.
        normalize: Divide by $\ln m$ for `m` bars.

    Returns:
        A value in [0, 1], or in nats when not normalized; 0 when all rows coincide.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(persistent_entropy(torch.eye(3)), 6)
        1.0

    References:
        Kudriashov, Karpik and Klyshinsky 2025, "Shrink the longest" (arXiv 2501.05502).
    """
    return entropy.persistent_entropy(as_cloud(embeddings).bars, normalize=normalize).item()


def ph_dimension(embeddings: Points) -> float:
    r"""Estimate the persistent-homology dimension from how fast the minimum spanning tree grows with the sample.

    The total length $E(m)$ of the tree of `m` rows grows like $m^{(D-1)/D}$; the slope `s` of $\ln E$ over $\ln m$,
    fitted over nested samples of 1/8 to all of the seeded sample, gives $D = 1/(1-s)$.

    Args:
        embeddings: Rows of shape `(n, d)`, L2-normalized first.

    Returns:
        A dimension, at least 1; infinite when the tree grows as fast as the sample. Noisy above 10 or so dimensions.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> angles = 3 * torch.rand(1000, generator=torch.Generator().manual_seed(0))
        >>> round(ph_dimension(torch.stack([angles.cos(), angles.sin()], dim=1)), 1)
        1.0

    References:
        Birdal, Lou, Guibas and Simsekli 2021; Schweinhart 2020, "Fractal dimension and the persistent homology of
        random geometric complexes".
    """
    cloud = as_cloud(embeddings)
    rows = cloud.unit[cloud.sample].double()
    sizes = np.unique(np.geomspace(max(2, len(rows) // 8), len(rows), _SUBSETS).astype(int))
    barcodes = [*(cloud.bars_of(rows[:size]) for size in sizes[:-1]), cloud.bars]
    totals = [entropy.total_persistence(lengths).item() for lengths in barcodes]
    if len(sizes) < 2 or min(totals) == 0:
        return 1.0
    slope = np.polyfit(np.log(sizes), np.log(totals), 1)[0]
    return float(max(1.0, 1 / (1 - slope))) if slope < 1 else float("inf")


def twonn_dimension(embeddings: Points, discard: float = 0.1) -> float:
    r"""Estimate the intrinsic dimension from the ratio of the two nearest-neighbor distances of each row.

    The ratio $\mu$ follows a Pareto law with exponent D; D is the slope through the origin of $-\ln(1 - F(\mu))$ over
    $\ln \mu$. It is blind to a cone, and far too low above 10 or so dimensions: compare it with its isotropic value.

    Args:
        embeddings: Rows of shape `(n, d)`, taken as they are; a seeded sample is used, rows that coincide once.
        discard: Share of the largest ratios left out of the fit.

    Returns:
        A dimension; 0 when fewer than three different rows are left.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> heights = torch.rand(1000, generator=torch.Generator().manual_seed(0))
        >>> round(twonn_dimension(torch.stack([heights, 2 * heights], dim=1)), 0)
        1.0

    References:
        Facco, d'Errico, Rodriguez and Laio 2017, "Estimating the intrinsic dimension of datasets by a minimal
        neighborhood information".
    """
    cloud = as_cloud(embeddings)
    rows = cloud.points[cloud.sample].double()
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    again = (distances <= cloud.squared_rounding.sum().sqrt()).tril(-1).any(dim=1)
    distances = distances[~again][:, ~again]
    if len(distances) < 3:
        return 0.0
    two_nearest = distances.fill_diagonal_(torch.inf).topk(2, largest=False).values
    ratios = (two_nearest[:, 1] / two_nearest[:, 0]).sort().values
    kept = min(int(len(ratios) * (1 - discard)), len(ratios) - 1)  # the law puts the largest ratio at infinity
    log_ratios = ratios[:kept].log()
    ranks = torch.arange(1, kept + 1, dtype=torch.float64, device=rows.device)
    heights = -torch.log1p(-ranks / len(ratios))
    squares = log_ratios.square().sum()
    return (log_ratios @ heights / squares).item() if squares > 0 else float("inf")
