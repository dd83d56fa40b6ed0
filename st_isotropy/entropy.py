"""Bar lengths to persistent entropy and total persistence."""

import math

import torch
from torch import Tensor


def persistent_entropy(lengths: Tensor, normalize: bool = False) -> Tensor:
    r"""Compute the persistent entropy $H = -\sum_i p_i \ln p_i$ with $p_i = \ell_i / \sum_j \ell_j$.

    The natural logarithm is used. Bars of length zero contribute nothing to the entropy and receive no gradient, but
    they count in the normalization: `m` is the number of bars given.

    Args:
        lengths: Bar lengths of shape `(m,)`, non-negative.
        normalize: Divide by $\ln m$, so that the result lies in [0, 1] and is 1 when all bars are equally long.

    Returns:
        The entropy in nats as a 0-dim tensor, or its share of $\ln m$. It is a gradient-connected 0 when all lengths
        are zero, and when there are fewer than two bars.

    Example:
        >>> persistent_entropy(torch.ones(4), normalize=True).item()
        1.0

    References:
        Rucco et al. 2015, "Characterisation of the idiotypic immune network through persistent entropy";
        Atienza, Gonzalez-Diaz and Rucco 2017 (arXiv 1701.07857).
    """
    total = lengths.sum()
    if lengths.numel() < 2:
        return total * 0
    # Masked before the logarithm: xlogy and entr have NaN gradients at zero.
    positive = lengths > 0
    shares = torch.where(positive, lengths, 1.0) / torch.where(total > 0, total, 1.0)
    entropy = -torch.where(positive, shares * shares.log(), 0.0).sum()
    return entropy / math.log(lengths.numel()) if normalize else entropy


def total_persistence(lengths: Tensor) -> Tensor:
    """Sum the bar lengths; for H0 this is the length of the minimum spanning tree.

    Args:
        lengths: Bar lengths of shape `(m,)`.

    Returns:
        The sum as a 0-dim tensor.
    """
    return lengths.sum()
