"""Measures of the spectrum: how many directions a cloud uses, and whether single coordinates rule it."""

import torch
from torch import Tensor

from st_isotropy.metrics.cloud import BLOCK_ROWS, Points, as_cloud


def participation_ratio(embeddings: Points) -> float:
    r"""Compute $(\sum \lambda_i)^2 / \sum \lambda_i^2$ over covariance eigenvalues: the number of directions in use.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value in [1, d]; 1 when the rows are one point. For `n` rows of an isotropic cloud about `nd / (n + d)`.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> cross = torch.cat([torch.eye(2), -torch.eye(2)])
        >>> participation_ratio(cross)
        2.0

    References:
        Gao et al. 2017, "A theory of multineuronal dimensionality, dynamics and measurement" (bioRxiv 214262).
    """
    return as_cloud(embeddings).participation


def isoscore(embeddings: Points) -> float:
    r"""Compute IsoScore, which equals $(PR - 1) / (d - 1)$ with PR the participation ratio of the covariance.

    The published formula compares the normalized spectrum with the flat one; expanding it gives this identity. The
    score is blind to the mean, and low for fewer rows than dimensions even if the cloud is isotropic: about
    `1 / (1 + d/n)`.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value in [0, 1]; 1 for a flat spectrum, 0 for a line or a point.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> isoscore(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
        0.0

    References:
        Rudman, Gillman, Rayne and Eickhoff 2022, "IsoScore: measuring the uniformity of embedding space utilization".
    """
    cloud = as_cloud(embeddings)
    return (cloud.participation - 1) / (cloud.points.shape[1] - 1)


def effective_rank(embeddings: Points, center: bool = True) -> float:
    r"""Compute the effective rank $\exp(-\sum p_i \ln p_i)$, with $p_i$ the shares of the singular values.

    Args:
        embeddings: Rows of shape `(n, d)`.
        center: Subtract the mean row first. Without it (RankMe) a large mean counts as one dominant direction.

    Returns:
        A value in [1, d].

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(effective_rank(torch.eye(3)), 6)
        2.0

    References:
        Roy and Vetterli 2007, "The effective rank"; Garrido et al. 2023, "RankMe".
    """
    cloud = as_cloud(embeddings)
    singular = (cloud.spectrum if center else cloud.uncentered_spectrum).sqrt()
    shares = singular / singular.sum().clamp(min=torch.finfo(singular.dtype).tiny)
    return torch.special.entr(shares).sum().exp().item()


def first_component_share(embeddings: Points) -> float:
    """Compute the share of the variance on the first principal component.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value in [1/d, 1]; 1 when the rows are one point.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(first_component_share(torch.eye(3)), 6)
        0.5
    """
    return _largest_share(as_cloud(embeddings).spectrum)


def largest_coordinate_share(embeddings: Points, center: bool = False) -> float:
    """Compute the largest coordinate's share of the squared norms, times `d`; far above 1, it is a rogue dimension.

    Args:
        embeddings: Rows of shape `(n, d)`.
        center: Subtract the mean row first: the largest coordinate's share of the variance.

    Returns:
        A value in [1, d].

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(largest_coordinate_share(torch.eye(3)), 6)
        1.0

    References:
        Timkey and van Schijndel 2021, "All bark and no bite: rogue dimensions in transformer language models".
    """
    cloud = as_cloud(embeddings)
    moments = cloud.variances if center else cloud.mean_squares
    return _largest_share(moments) * len(moments)


def partition_ratio(embeddings: Points) -> float:
    r"""Compute $\min_c Z(c) / \max_c Z(c)$ with $Z(c) = \sum_i \exp(c \cdot x_i)$.

    `c` runs over the unit eigenvectors of $X'X$ (its columns) and their negatives. The exponential makes it depend on
    the norms of the rows.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value in (0, 1]; 1 when no direction stands out.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> cross = torch.cat([torch.eye(2), -torch.eye(2)])
        >>> round(partition_ratio(cross), 6)
        1.0

    References:
        Mu and Viswanath 2018, "All-but-the-top"; Arora et al. 2016.
    """
    cloud = as_cloud(embeddings)
    directions = torch.linalg.eigh(cloud.second_moments).eigenvectors
    log_sums = torch.full((2 * len(directions),), -torch.inf, dtype=torch.float64, device=directions.device)
    for block in cloud.points.split(BLOCK_ROWS):
        heights = block.double() @ directions
        log_sums = torch.logaddexp(log_sums, torch.cat([heights, -heights], dim=1).logsumexp(dim=0))
    return (log_sums.min() - log_sums.max()).exp().item()


def _largest_share(parts: Tensor) -> float:
    return (parts.max() / parts.sum()).item() if parts.any() else 1.0
