"""Selection of bars: against a plain loop, and at the edge of its domain."""

from functools import partial

import numpy as np
import pytest
import torch
from point_clouds import gauss

from st_isotropy.barcodes.selection import (
    check_selection,
    count_prominent,
    selected_bars,
)


def prominent_by_hand(lengths):
    """The authors' loop: entropy of every tail anew, restart while there are more candidates than Q."""
    bars = np.sort(lengths[lengths > 0])[::-1].astype(np.float64)
    if len(bars) < 4 or bars[0] == bars[-1]:
        return len(bars)
    bars = np.append(bars[1:], bars[0])
    alpha = bars[-2] / bars[-1]
    while True:
        n = len(bars)
        total = bars.sum()
        for i in range(1, n - 2):
            tail = bars[i:]
            shares = tail / tail.sum()
            entropy = -(shares * np.log(shares)).sum()
            before, total = total, tail.sum() * (1 + i / np.exp(entropy))
            if before / total < 1 - 1e-12:
                break
        if np.ceil(n * alpha * (alpha - 1 - np.log(alpha)) / (alpha - 1) ** 2) >= i:
            return i + 1
        bars = np.append(bars[:i], bars[-2:])


def random_barcode(rng):
    m = rng.integers(1, 65)
    kind = rng.integers(6)
    lengths = [
        rng.uniform(0, 1, m),
        rng.exponential(1, m),
        rng.pareto(1, m),
        1 + 0.05 * rng.normal(size=m),
        rng.integers(0, 5, m).astype(float),
        np.where(rng.uniform(size=m) < 0.3, 5.0, 0.2) + 0.1 * rng.uniform(size=m),
    ][kind]
    return np.where(rng.uniform(size=m) < rng.choice([0, 0.2]), 0.0, np.abs(lengths))


def test_prominent_bars_equal_those_of_the_plain_loop_on_2000_barcodes_with_ties_and_zeros():
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(2000):
        lengths = random_barcode(rng)
        expected = prominent_by_hand(lengths)
        assert count_prominent(torch.from_numpy(lengths)).item() == expected, lengths.tolist()
        counts.add(expected)
    assert len(counts) > 10  # the barcodes do tell counts apart


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], 0),
        ([0.0], 0),
        ([2.0], 1),
        ([2.0, 1.0, 0.0, 0.0, 0.0], 2),
        ([0.0] * 6, 0),
        ([3.0] * 7, 7),
        ([3.0] * 7 + [0.0], 7),
        ([1e12, 1.0, 1.0, 1e-12, 1e-12], 2),
    ],
)
def test_degenerate_barcodes_keep_their_positive_bars(lengths, expected):
    assert count_prominent(torch.tensor(lengths)).item() == expected


def test_long_bars_stand_out_from_many_short_ones():
    lengths = torch.cat(
        [
            0.1 + 0.01 * torch.rand(60, generator=torch.Generator().manual_seed(0)),
            torch.tensor([9.0, 8.0]),
        ]
    )
    mask = selected_bars(lengths, "prominent")
    assert mask[60:].all()
    assert mask.sum() < 10


def test_top_keeps_the_longest_and_the_first_among_equals():
    lengths = torch.tensor([2.0, 5.0, 2.0, 1.0, 2.0])
    assert selected_bars(lengths, ("top", 3)).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert selected_bars(lengths, ("top", 99)).all()


@pytest.mark.parametrize(("q", "kept"), [(0.0, 8), (0.5, 4), (0.6, 4), (0.75, 2), (0.99, 1)])
def test_quantile_drops_the_shortest_share(q, kept):
    lengths = gauss(8, 1).flatten().abs()
    mask = selected_bars(lengths, ("quantile", q))
    assert mask.sum() == kept
    assert lengths[mask].min() >= lengths[~mask].max() if kept < 8 else mask.all()


@pytest.mark.parametrize(("q", "count", "kept"), [(0.7, 10, 3), (0.7, 20, 6), (0.85, 20, 3), (0.45, 100, 55)])
def test_a_share_that_is_a_whole_number_of_bars_keeps_no_bar_more(q, count, kept):
    assert selected_bars(torch.arange(float(count)), ("quantile", q)).sum() == kept


def test_all_keeps_zero_bars():
    assert selected_bars(torch.zeros(3), "all").all()


@pytest.mark.parametrize("selection", ["prominent", ("top", 3), ("quantile", 0.5)])
def test_selection_runs_on_the_meta_device_where_nothing_can_be_copied_to_the_host(
    selection,
):
    assert selected_bars(torch.empty(33, device="meta"), selection).shape == (33,)


@pytest.mark.parametrize(
    "selection",
    ["most", ("topp", 2), ("top", 0), ("top", 2.5), ("quantile", 1.0), ("quantile", -0.1), ("top",)],
)
def test_an_unknown_selection_raises_an_error_that_lists_the_known_ones(selection):
    for call in (check_selection, partial(selected_bars, torch.ones(3))):
        with pytest.raises(ValueError) as error:
            call(selection)
        assert str(error.value) == (
            f"The selection is {selection!r}, which is unknown; "
            "use 'all', 'prominent', ('top', k) with k >= 1, or ('quantile', q) with 0 <= q < 1."
        )
