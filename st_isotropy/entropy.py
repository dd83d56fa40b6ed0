"""Bar lengths to persistent entropy and total persistence."""

import math

import torch
from torch import Tensor


def persistent_entropy(lengths: Tensor, normalize: bool = False) -> Tensor:
    r"""Compute the persistent entropy $H = -\sum_i p_i \ln p_i$ with $p_i = \ell_i / \sum_j \ell_j$.

    The natural logarithm is used. Bars of length zero contribute nothing to the entropy and receive no gradient, but
    they count in the normalization: `m` is the number of bars given. The gradient with respect to a positive length is
    $-(\ln p_i + H) / \sum_j \ell_j$: bars longer than $e^{-H} \sum_j \ell_j$ shrink, shorter ones grow.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, non-negative.
        normalize: Divide by $\ln m$, so that the result lies in [0, 1] and is 1 when all bars are equally long.

    Returns:
        The entropy of each barcode in nats, a 0-dim tensor for one, or its share of $\ln m$. It is a gradient-connected
        0 when all lengths are zero, and when there are fewer than two bars.

    Example:
        >>> persistent_entropy(torch.ones(4), normalize=True).item()
        1.0

    References:
        Rucco et al. 2015, "Characterisation of the idiotypic immune network through persistent entropy";
        Atienza, Gonzalez-Diaz and Rucco 2017 (arXiv 1701.07857).
    """
    bars = lengths.shape[-1]
    if bars < 2:
        return lengths.sum(dim=-1) * 0
    shares, logs = _shares_and_logs(lengths)
    entropy = 0 - (shares * logs).sum(dim=-1)  # a plain minus would print -0.0 for a single bar
    return entropy / math.log(bars) if normalize else entropy


def entropy_deficit(lengths: Tensor) -> Tensor:
    r"""Compute how far the persistent entropy is from its maximum: $1 - H / \ln m$, in [0, 1].

    It equals $\frac{1}{m \ln m} \sum_i (u_i \ln u_i - u_i + 1)$ with $u_i = m \ell_i / \sum_j \ell_j$. No term is
    negative, so nothing cancels: a deficit of 1e-5, common in isotropic clouds, keeps four digits in float32, of which
    $1 - H / \ln m$ would leave two.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, non-negative.

    Returns:
        The deficit of each barcode, a 0-dim tensor for one: 0 when all bars are equally long, 1 when one bar or none is
        longer than zero, and a gradient-connected 0 when there are fewer than two bars.

    Example:
        >>> entropy_deficit(torch.tensor([1.0, 0.0, 0.0])).item()
        1.0
    """
    bars = lengths.shape[-1]
    if bars < 2:
        return lengths.sum(dim=-1) * 0
    shares, logs = _shares_and_logs(lengths, times=bars)
    deficit = (shares * logs - shares + 1).sum(dim=-1) / (bars * math.log(bars))
    return torch.where(shares.sum(dim=-1) > 0, deficit, 1.0)


def total_persistence(lengths: Tensor) -> Tensor:
    """Sum the bar lengths; for H0 this is the length of the minimum spanning tree.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes.

    Returns:
        The sum of each barcode, a 0-dim tensor for one.
    """
    return lengths.sum(dim=-1)


def _shares_and_logs(lengths: Tensor, times: int = 1) -> tuple[Tensor, Tensor]:
    """Compute `times` each bar's share of the total, and its logarithm; both are 0, without gradient, at zero bars.

    Zeros are masked before the sum and before the logarithm: `xlogy` and `entr` have NaN gradients there.
    """
    kept = torch.where(lengths > 0, lengths, 0.0)
    total = kept.sum(dim=-1, keepdim=True)
    shares = times * kept / torch.where(total > 0, total, 1.0)
    return shares, torch.where(shares > 0, shares, 1.0).log()
