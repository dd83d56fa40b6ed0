"""Which bars of a barcode are features and which are noise."""

from math import ceil
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Selection", "count_prominent", "selected_bars"]

Selection = Literal["all", "prominent"] | tuple[Literal["top"], int] | tuple[Literal["quantile"], float]

# Sums of lengths times logarithms that differ by less are equal: rounding must not decide.
ROUNDING = 1e-12


def check_selection(selection: Selection) -> None:
    """Raise a `ValueError` that says what a selection may be, unless it is one."""
    match selection:
        case "all" | "prominent":
            return
        case ("top", int(count)) if count >= 1:
            return
        case ("quantile", float(share) | int(share)) if 0 <= share < 1:
            return
    raise ValueError(
        f"The selection is {selection!r}, which is unknown; "
        "use 'all', 'prominent', ('top', k) with k >= 1, or ('quantile', q) with 0 <= q < 1."
    )


@torch.no_grad()
def selected_bars(lengths: Tensor, selection: Selection) -> Tensor:
    """Mark the bars to keep, always the longest ones; among equals the first ones.

    Args:
        lengths: Bar lengths of shape `(m,)`.
        selection: `all` bars; the `prominent` ones, see `count_prominent`; `("top", k)`, the k longest; or
            `("quantile", q)`, all but the shortest share q, rounded up to a whole bar.

    Returns:
        Boolean mask of shape `(m,)`, found without waiting for the device.

    Raises:
        ValueError: If there is no such selection.

    Examples:
        >>> selected_bars(torch.tensor([1.0, 3.0, 2.0, 3.0]), ("top", 2)).tolist()
        [False, True, False, True]
    """
    check_selection(selection)
    if selection == "all":
        return torch.ones_like(lengths, dtype=torch.bool)
    if selection == "prominent":
        kept = count_prominent(lengths)
    else:
        kind, amount = selection
        # Rounded, because (1 - 0.7) * 10 is a little above 3.
        kept = amount if kind == "top" else ceil(round((1 - amount) * len(lengths), 9))
    ranks = lengths.argsort(descending=True, stable=True).argsort()
    return ranks < kept


@torch.no_grad()
def count_prominent(lengths: Tensor) -> Tensor:
    r"""Count the bars that separate from noise by the algorithm of Atienza et al., as Kudriashov et al. apply it.

    The longest bar is set apart. Going down the others, $a_0 \ge a_1 \ge \dots$, a bar is a candidate until one is
    shorter than the neutral length of the bars from it on together with the longest, $\exp(\sum \ell \ln \ell / \sum
    \ell)$. Where there are more candidates than $Q = \lceil n \alpha (\alpha - 1 - \ln \alpha) / (\alpha - 1)^2
    \rceil$, with n the number of bars and α the shortest over the longest, the algorithm starts anew from the
    candidates, the shortest and the longest. In the end the longest bar and the candidates are prominent.

    The criterion is monotone both in the bar and in the number of bars, so every possible restart is resolved at once
    by binary search over prefix sums, and the chain of restarts is followed by doubling: O(m log m), no host copy.

    Args:
        lengths: Bar lengths of shape `(m,)`.

    Returns:
        The count as a 0-dim int64 tensor. Bars of length zero are never prominent; all others are where fewer than
        four are longer than zero, and where all of those are equally long.

    Examples:
        >>> count_prominent(torch.tensor([9.0, 8.0, 0.1, 0.1, 0.1, 0.1])).item()
        2

    References:
        Atienza, Gonzalez-Diaz and Rucco 2017 (arXiv 1701.07857); Kudriashov et al. 2025 (arXiv 2501.05502).
    """
    if lengths.device.type == "mps":  # no float64
        return count_prominent(lengths.cpu()).to(lengths.device)
    positive = (lengths > 0).sum()
    if len(lengths) < 4:
        return positive
    bars = lengths.double().sort(descending=True).values
    bars = bars / bars[:1].clamp(min=torch.finfo(torch.float64).tiny)
    shortest = bars.gather(0, (positive - 1).clamp(min=0)[None])
    others = bars[1:]
    logs = torch.where(others > 0, others, 1.0).log()
    totals, weighted = prefix_sums(others), prefix_sums(others * logs)

    # Cut c stands for the restart from others[:c], the shortest and the longest, whose length is 1. In it, bar k is
    # shorter than the neutral length if weighted[c] - logs[k] * totals[c] exceeds threshold[k].
    threshold = weighted[:-1] - logs * (totals[:-1] - shortest - 1) - torch.xlogy(shortest, shortest) + ROUNDING
    cuts = torch.arange(len(bars), device=bars.device)
    first, last = torch.zeros_like(cuts), (cuts - 2).clamp(min=0)
    for _ in range(len(bars).bit_length()):
        middle = (first + last) // 2
        short = weighted - logs[middle] * totals > threshold[middle]
        first, last = (
            torch.where(short, first, (middle + 1).minimum(last)),
            torch.where(short, middle, last),
        )
    candidates = last + 1

    gap = (shortest - 1).clamp(max=-ROUNDING)
    limit = ((cuts + 2) * shortest * (gap - gap.log1p()) / gap.square()).ceil()
    following = torch.where(limit < candidates, candidates, cuts)
    for _ in range(len(bars).bit_length()):
        following = following[following]
    final = following.gather(0, (positive - 2).clamp(min=0)[None])
    count = candidates.gather(0, final)[0] + 1
    return torch.where((positive < 4) | (shortest[0] >= 1), positive, count)


def prefix_sums(values: Tensor) -> Tensor:
    """Sum the first 0, 1, ..., all values."""
    return torch.nn.functional.pad(values.cumsum(dim=0), (1, 0))
