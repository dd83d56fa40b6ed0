"""Persistent entropy: closed forms, gradients, and values at the edge of its domain."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from point_clouds import gauss

from st_isotropy.entropy import (
    absolute_entropy,
    absolute_entropy_deficit,
    entropy_deficit,
    largest_mean_bar,
    persistent_entropy,
    total_persistence,
)

ORDERS = (1.0, 0.5, 0.25, 0.125, 0.1, 2.0, 4.0)
orders = pytest.mark.parametrize("order", ORDERS)


def lengths_of(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def gradient(function, lengths):
    return torch.autograd.grad(function(lengths), lengths)[0]


@pytest.mark.parametrize("bars", [2, 3, 63])
def test_equal_bars_have_the_largest_entropy_and_no_deficit(bars):
    lengths = torch.full((bars,), 0.7)
    assert persistent_entropy(lengths).item() == pytest.approx(math.log(bars), rel=1e-6)
    assert persistent_entropy(lengths, normalize=True).item() == pytest.approx(1, rel=1e-6)
    assert entropy_deficit(lengths).item() == pytest.approx(0, abs=1e-12)


def test_two_bars_have_the_entropy_of_a_coin():
    assert persistent_entropy(lengths_of(3.0, 1.0)).item() == pytest.approx(
        -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=20), st.floats(1e-3, 1e3))
def test_entropy_is_invariant_to_scale_and_order_and_lies_between_zero_and_its_maximum(values, scale):
    lengths = torch.tensor(values, dtype=torch.float64)
    entropy = persistent_entropy(lengths).item()
    assert persistent_entropy(scale * lengths.flip(0)).item() == pytest.approx(entropy, abs=1e-12)
    assert 0 <= entropy <= math.log(len(values)) + 1e-12


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=20))
def test_the_deficit_is_one_minus_the_normalized_entropy(values):
    lengths = torch.tensor(values, dtype=torch.float64)
    expected = 1 - persistent_entropy(lengths, normalize=True).item()
    assert entropy_deficit(lengths).item() == pytest.approx(expected, abs=1e-12)
    assert entropy_deficit(lengths).item() >= 0


def test_a_small_deficit_keeps_its_digits_in_float32_where_one_minus_entropy_loses_them():
    lengths = 1 + 1e-2 * gauss(255, 1).flatten()
    exact = entropy_deficit(lengths.double()).item()
    assert exact < 1e-4
    assert entropy_deficit(lengths).item() == pytest.approx(exact, rel=1e-3)
    assert 1 - persistent_entropy(lengths, normalize=True).item() != pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("values", [(1.0, 2.0, 5.0), (1.0, 1.0, 1.0, 1.0), (1e-3, 1.0, 1e3)])
@pytest.mark.parametrize("function", [persistent_entropy, entropy_deficit])
def test_entropy_passes_gradcheck_in_float64(values, function):
    assert torch.autograd.gradcheck(function, lengths_of(*values), eps=1e-7, atol=1e-6)


def test_the_gradient_is_minus_log_share_plus_entropy_over_the_total_and_zero_at_zero_bars():
    lengths = lengths_of(0.5, 2.0, 0.0, 1.0, 0.0)
    entropy = persistent_entropy(lengths).detach()
    total = lengths.detach().sum()
    positive = lengths.detach() > 0
    expected = torch.where(positive, -((lengths.detach() / total).log() + entropy) / total, 0.0)
    torch.testing.assert_close(gradient(persistent_entropy, lengths), expected)
    torch.testing.assert_close(gradient(entropy_deficit, lengths), -expected / math.log(5))


@pytest.mark.parametrize("function", [persistent_entropy, entropy_deficit])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "values",
    [
        (),
        (2.0,),
        (0.0,),
        (0.0, 0.0, 0.0),
        (3.0, 3.0, 3.0),
        (1.0, 0.0, 0.0),
        (1e-12, 1.0, 1e12),
        (1e-12,) * 4,
    ],
)
def test_values_and_gradients_are_finite_at_the_edge_of_the_domain(function, dtype, values):
    lengths = lengths_of(*values, dtype=dtype)
    assert function(lengths).isfinite()
    assert gradient(function, lengths).isfinite().all()


def test_a_single_long_bar_and_no_long_bar_have_no_entropy():
    for values in [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]:
        assert persistent_entropy(lengths_of(*values)).item() == 0
        assert entropy_deficit(lengths_of(*values)).item() == 1


@pytest.mark.parametrize("function", [persistent_entropy, entropy_deficit])
def test_fewer_than_two_bars_give_a_zero_that_is_connected_to_the_graph(function):
    for values in [(), (2.0,)]:
        lengths = lengths_of(*values)
        assert function(lengths).item() == 0
        assert (gradient(function, lengths) == 0).all()


@pytest.mark.parametrize("function", [persistent_entropy, entropy_deficit])
def test_a_bar_that_is_nan_makes_the_result_nan(function):
    assert function(lengths_of(math.nan, 1.0, 1.0)).isnan()


def test_total_persistence_is_the_sum():
    assert total_persistence(lengths_of(1.0, 2.5)).item() == 3.5


def test_masked_bars_are_as_if_they_were_not_there():
    lengths = torch.tensor([0.5, 2.0, 0.0, 1.0, 9.0], dtype=torch.float64, requires_grad=True)
    among = torch.tensor([True, True, True, False, False])
    for masked, alone in [
        (persistent_entropy(lengths, among=among), persistent_entropy(lengths[:3])),
        (
            persistent_entropy(lengths, normalize=True, among=among),
            persistent_entropy(lengths[:3], normalize=True),
        ),
        (entropy_deficit(lengths, among), entropy_deficit(lengths[:3])),
    ]:
        torch.testing.assert_close(masked, alone)
        torch.testing.assert_close(*(torch.autograd.grad(value, lengths)[0] for value in (masked, alone)))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_mask_that_leaves_fewer_than_two_bars_gives_a_zero_that_is_connected_to_the_graph(
    kept,
):
    lengths = lengths_of(0.5, 2.0, 0.0)
    for function in (persistent_entropy, entropy_deficit):
        value = function(lengths, among=torch.arange(3) < kept)
        assert value.item() == 0
        assert (torch.autograd.grad(value, lengths)[0] == 0).all()


def shares_of_the_sphere(lengths):
    """The states of the absolute scale, in float64: the bars over the largest tree, and the rest."""
    shares = lengths.detach().double() / (len(lengths) * largest_mean_bar(len(lengths)))
    return torch.cat([shares, 1 - shares.sum(dim=0, keepdim=True)])


def even_shares(states):
    return torch.full((states,), 1 / states, dtype=torch.float64)


def entropy_by_formula(shares, order):
    """Tsallis entropy as it is published, Shannon's at 1."""
    shares = shares[shares > 0]
    return -(shares * shares.log()).sum() if order == 1 else (1 - (shares**order).sum()) / (order - 1)


@orders
def test_every_order_is_the_published_formula(order):
    lengths = torch.tensor([0.5, 0.9, 1.2, 0.1, 1.0], dtype=torch.float64)
    shares = lengths / lengths.sum()
    found, largest = entropy_by_formula(shares, order), entropy_by_formula(even_shares(5), order)
    torch.testing.assert_close(persistent_entropy(lengths, order=order), found)
    torch.testing.assert_close(persistent_entropy(lengths, normalize=True, order=order), found / largest)
    torch.testing.assert_close(entropy_deficit(lengths, order=order), 1 - found / largest)
    states = shares_of_the_sphere(lengths)
    found, largest = entropy_by_formula(states, order), entropy_by_formula(even_shares(6), order)
    torch.testing.assert_close(absolute_entropy(lengths, order), found, rtol=1e-7, atol=0)
    torch.testing.assert_close(absolute_entropy_deficit(lengths, order), 1 - found / largest, rtol=1e-7, atol=0)


def test_an_order_near_one_is_near_shannon():
    lengths = torch.tensor([0.5, 0.9, 1.2], dtype=torch.float64)
    for deficit in (
        lambda order: entropy_deficit(lengths, order=order),
        lambda order: absolute_entropy_deficit(lengths, order),
    ):
        torch.testing.assert_close(deficit(1 + 1e-6), deficit(1.0), rtol=1e-5, atol=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 1.4), min_size=2, max_size=20))
def test_absolute_entropy_is_that_of_the_spread_plus_the_spread_times_relative_entropy(values):
    lengths = torch.tensor(values, dtype=torch.float64)
    spread = lengths.mean().item() / largest_mean_bar(len(values))
    coin = -spread * math.log(spread) - (1 - spread) * math.log(1 - spread)
    expected = coin + spread * persistent_entropy(lengths).item()
    assert absolute_entropy(lengths).item() == pytest.approx(expected, rel=1e-9)


@orders
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bars", [1, 2, 7, 255])
def test_the_absolute_deficit_is_zero_at_one_length_one_at_a_point_and_known_at_a_simplex(bars, dtype, order):
    even = math.sqrt(2 * bars / (bars + 1))
    assert absolute_entropy_deficit(torch.full((bars,), even), order).item() == pytest.approx(0, abs=1e-10)
    assert absolute_entropy_deficit(torch.zeros(bars), order).item() == pytest.approx(1, rel=1e-6)
    simplex = torch.full((bars,), largest_mean_bar(bars), dtype=dtype)
    largest = entropy_by_formula(even_shares(bars + 1), order)
    expected = 1 - entropy_by_formula(even_shares(bars), order) / largest
    assert absolute_entropy_deficit(simplex, order).item() == pytest.approx(expected.item(), abs=1e-6)
    if order == 1:
        assert expected == pytest.approx(1 - math.log(bars) / math.log(bars + 1))


@orders
@pytest.mark.parametrize("bars", [15, 255])
@pytest.mark.parametrize("remainder_is_even", [False, True])
def test_a_small_absolute_deficit_and_its_gradient_keep_four_digits_in_float32(bars, order, remainder_is_even):
    noise = gauss(bars, 1).flatten()
    noise -= noise.mean() * remainder_is_even
    lengths = (math.sqrt(2 * bars / (bars + 1)) * (1 + 2e-2 * noise)).requires_grad_()
    exact = lengths.detach().double().requires_grad_()
    found, expected = (absolute_entropy_deficit(drawn, order) for drawn in (lengths, exact))
    states = shares_of_the_sphere(lengths)
    by_formula = 1 - entropy_by_formula(states, order) / entropy_by_formula(
        torch.full_like(states, 1 / len(states)), order
    )
    assert expected.item() == pytest.approx(by_formula.item(), rel=1e-6)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    found, expected = (
        torch.autograd.grad(value, leaf)[0].double() for value, leaf in ((found, lengths), (expected, exact))
    )
    assert (found - expected).norm() < 1e-4 * expected.norm()


@orders
def test_the_absolute_deficit_passes_gradcheck_in_float64(order):
    for values in ((1.0, 0.5, 1.2), (1e-2, 1.0, 1.4), (0.9,)):
        assert torch.autograd.gradcheck(lambda lengths: absolute_entropy_deficit(lengths, order), lengths_of(*values))


@orders
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "values", [(), (2.0,), (0.0,), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1e-30, 1e-38, 1.0), (1.7320509,) * 2, (5.0, 5.0)]
)
def test_the_absolute_deficit_is_finite_at_the_edge_of_its_domain_and_beyond(order, dtype, values):
    lengths = lengths_of(*values, dtype=dtype)
    assert absolute_entropy_deficit(lengths, order).isfinite()
    assert gradient(lambda bars: absolute_entropy_deficit(bars, order), lengths).isfinite().all()


@orders
def test_lengths_below_rounding_get_no_gradient_and_those_above_do(order):
    moved = gradient(
        lambda bars: absolute_entropy_deficit(bars, order), lengths_of(1e-8, 0.0, 1e-5, 1.0, dtype=torch.float32)
    )
    assert (moved != 0).tolist() == [False, False, True, True]
    assert moved[2] < 0  # the shorter a bar, the more it is to grow


def test_without_bars_the_absolute_deficit_is_a_zero_connected_to_the_graph():
    lengths = lengths_of()
    assert absolute_entropy_deficit(lengths).item() == absolute_entropy(lengths).item() == 0
    assert gradient(absolute_entropy_deficit, lengths).shape == (0,)


def test_several_barcodes_have_the_absolute_deficits_of_each():
    lengths = torch.rand(3, 8, dtype=torch.float64)
    together = absolute_entropy_deficit(lengths, 0.5)
    torch.testing.assert_close(together, torch.stack([absolute_entropy_deficit(bars, 0.5) for bars in lengths]))


def test_an_absolute_deficit_with_a_nan_bar_is_nan():
    assert absolute_entropy_deficit(lengths_of(math.nan, 1.0)).isnan()
