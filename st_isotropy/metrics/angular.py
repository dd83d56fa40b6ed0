"""Measures of the angles between rows; all of them normalize the rows first."""

import math

import torch

from st_isotropy.metrics.cloud import BLOCK_ROWS, Points, as_cloud, sum_rows


def average_cosine(embeddings: Points, center: bool = False) -> float:
    r"""Compute the mean cosine of distinct rows.

    It is $(\lVert \sum u_i \rVert^2 - \sum \lVert u_i \rVert^2) / (n(n-1))$ for rows $u_i$ of length one, in O(nd).

    Args:
        embeddings: Rows of shape `(n, d)`.
        center: Subtract the mean row before normalizing. What remains is due to the shape of the cloud, not its place.

    Returns:
        A value in [-1/(n-1), 1]; 0 for isotropic rows, near 1 for a narrow cone.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> average_cosine(torch.eye(3))
        0.0

    References:
        Ethayarajh 2019, "How contextual are contextualized word representations?".
    """
    cloud = as_cloud(embeddings)
    unit = cloud.centered_unit if center else cloud.unit
    count = len(unit)
    squared_norms = sum_rows(unit.square().sum(dim=1, keepdim=True))
    return ((sum_rows(unit).square().sum() - squared_norms) / (count * (count - 1))).item()


def second_moment(embeddings: Points) -> float:
    r"""Compute $d \cdot E[\cos^2]$ over distinct rows, from the Gram matrix of the columns.

    Args:
        embeddings: Rows of shape `(n, d)`.

    Returns:
        A value up to `d`; 1 for isotropic rows, `d` when all rows are parallel.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> second_moment(torch.eye(3))
        0.0

    References:
        Zhang et al. 2017, "Learning spread-out local feature descriptors".
    """
    unit = as_cloud(embeddings).unit
    count, width = unit.shape
    gram = torch.zeros(width, width, dtype=torch.float64, device=unit.device)
    for block in unit.split(BLOCK_ROWS):
        gram += block.double().T @ block.double()
    on_diagonal = sum_rows(unit.square().sum(dim=1, keepdim=True).square())
    return (width * (gram.square().sum() - on_diagonal) / (count * (count - 1))).item()


def uniformity(embeddings: Points, temperature: float = 2.0) -> float:
    r"""Compute $\ln E[\exp(-t \lVert u - v \rVert^2)]$ over distinct rows of a seeded sample, L2-normalized.

    It sees a cone, but hardly a loss of dimensions.

    Args:
        embeddings: Rows of shape `(n, d)`.
        temperature: The factor `t`.

    Returns:
        A value in [-4t, 0]; smaller is more uniform. For `t = 2` and isotropic rows about `-4 + 8/d`.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array with at least two rows and two columns.

    Examples:
        >>> round(uniformity(torch.eye(3)), 6)
        -4.0

    References:
        Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity".
    """
    cloud = as_cloud(embeddings)
    rows = cloud.unit[cloud.sample].double()
    squared = torch.pdist(rows).square()
    return (torch.logsumexp(-temperature * squared, dim=0) - math.log(len(squared))).item()


def alignment(embeddings: Points, partners: Points) -> float:
    r"""Compute $E\lVert u_i - v_i \rVert^2$ over pairs of L2-normalized rows.

    Args:
        embeddings: Rows of shape `(n, d)`.
        partners: The row that belongs to each, shape `(n, d)`.

    Returns:
        A value in [0, 4]; 0 when partners coincide, 2 when they are orthogonal on average.

    Raises:
        ValueError: If the rows are not finite `(n, d)` arrays of one shape with at least two rows and two columns.

    Examples:
        >>> alignment(torch.eye(3), torch.eye(3))
        0.0

    References:
        Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity".
    """
    first, second = as_cloud(embeddings).unit, as_cloud(partners).unit
    if first.shape != second.shape:
        raise ValueError(
            f"Alignment needs one partner per row, but the shapes are {tuple(first.shape)} and {tuple(second.shape)}; "
            "pass pairs row by row."
        )
    return (first.double() - second.double()).square().sum(dim=1).mean().item()
