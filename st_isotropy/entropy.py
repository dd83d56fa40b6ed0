r"""Bar lengths to persistent entropy, relative to their sum or on the absolute scale of the unit sphere.

Every entropy here is Tsallis' of some order, written with one logarithm, $\ln_a x = (x^{a-1} - 1) / (a - 1)$, which is
$\ln x$ at order 1 and makes $-\sum_i p_i \ln_a p_i$ Shannon's entropy there.
"""

import math

import torch
from torch import Tensor


def persistent_entropy(
    lengths: Tensor, normalize: bool = False, among: Tensor | None = None, order: float = 1.0
) -> Tensor:
    r"""Compute the persistent entropy $H = -\sum_i p_i \ln p_i$ with $p_i = \ell_i / \sum_j \ell_j$.

    The natural logarithm is used. Bars of length zero contribute nothing to the entropy and receive no gradient, but
    they count in the normalization: `m` is the number of bars given. The gradient with respect to a positive length is
    $-(\ln p_i + H) / \sum_j \ell_j$: bars longer than $e^{-H} \sum_j \ell_j$ shrink, shorter ones grow.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, non-negative.
        normalize: Divide by the largest entropy of `m` bars, $\ln m$ at order 1, so that the result lies in [0, 1] and
            is 1 when all bars are equally long.
        among: Boolean mask of the bars that count, of the shape of `lengths`; `m` is then their number. All by default.
        order: Order of the entropy, above 0: Tsallis' $(1 - \sum_i p_i^a) / (a - 1)$, and Shannon's at 1. Float32 keeps
            the digits of a deficit from 0.1 to 4.

    Returns:
        The entropy of each barcode in nats, a 0-dim tensor for one, or its share of the largest. It is a
        gradient-connected 0 when all lengths are zero, and when there are fewer than two bars.

    Examples:
        >>> persistent_entropy(torch.ones(4), normalize=True).item()
        1.0

    References:
        Rucco et al. 2015, "Characterisation of the idiotypic immune network through persistent entropy";
        Atienza, Gonzalez-Diaz and Rucco 2017 (arXiv 1701.07857); Tsallis 1988, "Possible generalization of
        Boltzmann-Gibbs statistics".
    """
    shares, bars, _ = _shares(lengths, among)
    entropy = 0 - _times_log(shares, order).sum(dim=-1)  # a plain minus would print -0.0 for a single bar
    return entropy / _largest_entropy(bars.clamp(min=2), order) if normalize else entropy


def entropy_deficit(lengths: Tensor, among: Tensor | None = None, order: float = 1.0) -> Tensor:
    r"""Compute how far the persistent entropy is from its maximum: $1 - H / \ln m$, in [0, 1].

    It equals $\frac{1}{m \ln m} \sum_i (u_i \ln u_i - u_i + 1)$ with $u_i = m \ell_i / \sum_j \ell_j$, and likewise
    with $\ln_a$ at any order. No term is negative, so nothing cancels: a deficit of 1e-5, common in isotropic clouds,
    keeps four digits in float32, of which $1 - H / \ln m$ would leave two.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, non-negative.
        among: Boolean mask of the bars that count, of the shape of `lengths`; `m` is then their number. All by default.
        order: Order of the entropy; see `persistent_entropy`.

    Returns:
        The deficit of each barcode, a 0-dim tensor for one: 0 when all bars are equally long, 1 when one bar or none is
        longer than zero, and a gradient-connected 0 when there are fewer than two bars.

    Examples:
        >>> entropy_deficit(torch.tensor([1.0, 0.0, 0.0])).item()
        1.0
    """
    shares, bars, counted = _shares(lengths, among)
    excess = torch.where(counted, _excess(bars[..., None] * shares, order), 0.0).sum(dim=-1)
    deficit = torch.where(shares.sum(dim=-1) == 0, 1.0, excess / _largest_excess(bars.clamp(min=2), order))
    return deficit * (bars > 1)


def absolute_entropy(lengths: Tensor, order: float = 1.0) -> Tensor:
    r"""Compute the entropy of H0 bars of rows on the unit sphere together with what the bars leave of that sphere.

    The tree of `n` unit rows has `m = n - 1` edges and is at most $mR$ long, $R$ being `largest_mean_bar`. The bars
    take the shares $q_i = \ell_i / mR$ of it, and the remainder $r = 1 - \sum_i q_i$ counts as one more state. At order
    1, with $x = \sum_i q_i$ and $h$ the entropy of a coin, it is $h(x) + x H$: the persistent entropy $H$ in proportion
    to the spread, and a barrier whose slope has no bound as the rows collapse or the remainder empties.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, of the tree of `m + 1` unit rows.
        order: Order of the entropy; see `persistent_entropy`.

    Returns:
        The entropy of each barcode in nats, a 0-dim tensor for one; a gradient-connected 0 without bars.

    Examples:
        >>> half = torch.tensor([1.0])  # of the largest bar, and as much is left
        >>> round(absolute_entropy(half).item(), 4)
        0.6931
    """
    largest = -_log_of_number(1 / (lengths.shape[-1] + 1), order)
    return (1 - absolute_entropy_deficit(lengths, order)) * largest


def absolute_entropy_deficit(lengths: Tensor, order: float = 1.0) -> Tensor:
    r"""Compute how far `absolute_entropy` is from its maximum: $1 - H / \ln(m + 1)$ at order 1, in [0, 1].

    It is 0 when every bar is $mR / (m + 1) = \sqrt{2m / (m + 1)}$ long, and 1 when all rows coincide; a regular
    simplex, whose remainder is empty, has $1 - \ln m / \ln(m + 1)$. Bars shorter than the rounding of a unit row
    receive no gradient. Four digits of a deficit of 1e-5 are kept in float32, as in `entropy_deficit`.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes, of the tree of `m + 1` unit rows.
        order: Order of the entropy; see `persistent_entropy`.

    Returns:
        The deficit of each barcode, a 0-dim tensor for one; a gradient-connected 0 without bars.

    Examples:
        >>> absolute_entropy_deficit(torch.zeros(7)).item()
        1.0
    """
    bars = lengths.shape[-1]
    if bars == 0:
        return lengths.sum(dim=-1)
    excess = _excess(_absolute_states(lengths), order).sum(dim=-1)
    return excess / ((bars + 1) * _log_of_number(bars + 1, order))


def largest_mean_bar(bars: int) -> float:
    r"""Give the largest mean H0 bar of `bars + 1` unit rows, the edge $\sqrt{2n / (n - 1)}$ of a regular simplex.

    Args:
        bars: Number of bars, 1 or more.

    Examples:
        >>> largest_mean_bar(1)
        2.0
    """
    return math.sqrt(2 * (bars + 1) / bars)


def total_persistence(lengths: Tensor) -> Tensor:
    """Sum the bar lengths; for H0 this is the length of the minimum spanning tree.

    Args:
        lengths: Bar lengths of shape `(m,)`, or `(b, m)` for several barcodes.

    Returns:
        The sum of each barcode, a 0-dim tensor for one.

    Examples:
        >>> total_persistence(torch.tensor([1.0, 2.0])).item()
        3.0
    """
    return lengths.sum(dim=-1)


def _shares(lengths: Tensor, among: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Compute each counted bar's share of the total, how many bars count, and which; no gradient reaches zero bars."""
    counted = torch.ones_like(lengths, dtype=torch.bool) if among is None else among
    kept = torch.where(counted & ~(lengths <= 0), lengths, 0.0)  # so written, NaN stays NaN
    total = kept.sum(dim=-1, keepdim=True)
    return (
        kept / torch.where(total > 0, total, 1.0),
        counted.sum(dim=-1).to(lengths.dtype),
        counted,
    )


def _absolute_states(lengths: Tensor) -> Tensor:
    """Compute the states `(..., m + 1)` of the absolute scale, the remainder last, as multiples of their mean."""
    bars = lengths.shape[-1]
    even = math.sqrt(2 * bars / (bars + 1))
    rounding = 4 * torch.finfo(lengths.dtype).eps
    # Rows closer than rounding are one point; an order below 1 would tear them apart along noise.
    kept = torch.where(lengths > rounding, lengths, lengths.detach())
    # The remainder is a small difference: rounding `even` would leave an error of `bars` ulps in it.
    rounded = torch.tensor(even, dtype=lengths.dtype).item()
    remainder = even - (kept - rounded).sum(dim=-1, keepdim=True) + bars * (even - rounded)
    # What rounding leaves of an empty remainder, on either side of zero, is nothing.
    remainder = torch.where(remainder > bars * rounding, remainder, 0.0)
    return torch.cat([kept, remainder], dim=-1) / even


def _excess(ratios: Tensor, order: float) -> Tensor:
    """Compute what each state, as a multiple of the mean, adds to the deficit: u ln u - (u - 1), never negative."""
    # In this order the error near u = 1 is an ulp of u - 1, not of 1.
    return _times_log(ratios, order) - (ratios - 1)


def _largest_excess(states: Tensor, order: float) -> Tensor:
    """Sum the excess of states of which one has everything."""
    return _times_log(states, order)


def _largest_entropy(states: Tensor, order: float) -> Tensor:
    return -_log(states.reciprocal(), order)


def _times_log(values: Tensor, order: float) -> Tensor:
    """Compute x ln x with value and gradient 0 at zero and below, masked before the logarithm: `xlogy` gives NaN."""
    return values * _log(torch.where(values > 0, values, 1.0), order)


def _log(values: Tensor, order: float) -> Tensor:
    """Compute the logarithm of an order, (x^(order - 1) - 1) / (order - 1); its limit at 1 is the natural one."""
    return values.log() if order == 1 else torch.expm1((order - 1) * values.log()) / (order - 1)


def _log_of_number(value: float, order: float) -> float:
    """Compute the same logarithm of a number that no tensor holds."""
    return math.log(value) if order == 1 else math.expm1((order - 1) * math.log(value)) / (order - 1)
