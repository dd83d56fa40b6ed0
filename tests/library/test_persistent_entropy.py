"""The persistent-entropy penalty: its options, its invariances, and the authors' term."""

import math

import numpy as np
import pytest
import torch
from point_clouds import CLOUDS, clustered, cone, gauss
from test_selection import prominent_by_hand
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.entropy import absolute_entropy, absolute_entropy_deficit, entropy_deficit, persistent_entropy
from st_isotropy.regularizers import PersistentEntropy


def gradient(penalty, points):
    points = points.clone().requires_grad_()
    return torch.autograd.grad(penalty(points), points)[0]


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("selection", ["all", "prominent", ("top", 5), ("quantile", 0.5)])
def test_the_penalty_lies_in_the_unit_interval_with_a_finite_gradient(name, selection):
    points = CLOUDS[name].clone().requires_grad_()
    penalty = PersistentEntropy(selection=selection)(points)
    penalty.backward()
    assert penalty.shape == ()
    assert 0 <= penalty.item() <= 1 + 1e-6
    assert points.grad.isfinite().all()


def test_equidistant_points_have_no_penalty_and_a_long_bar_among_short_ones_has_one():
    assert PersistentEntropy()(torch.eye(9)).item() == pytest.approx(0, abs=1e-9)
    assert PersistentEntropy()(clustered()).item() > 0.01


def test_the_penalty_is_blind_to_translation_of_raw_points_and_to_the_norm_of_normalized_ones():
    points = gauss().double()
    raw, unit = PersistentEntropy(normalize=False), PersistentEntropy()
    torch.testing.assert_close(raw(points + 100), raw(points))
    torch.testing.assert_close(unit(points * torch.arange(1, 65)[:, None]), unit(points))


def test_the_penalty_passes_gradcheck_in_float64():
    points = gauss(10, 4).double().requires_grad_()
    for penalty in (
        PersistentEntropy(),
        PersistentEntropy(deficit=False),
        PersistentEntropy(floor=0.9),
    ):
        assert torch.autograd.gradcheck(penalty, points)


def test_without_deficit_the_penalty_is_minus_the_entropy_in_nats():
    points = cone()
    lengths = barcode(points).lengths
    penalty = PersistentEntropy(deficit=False, normalize=False)
    torch.testing.assert_close(penalty(points), -persistent_entropy(lengths))
    torch.testing.assert_close(1 + penalty(points) / math.log(63), entropy_deficit(lengths), rtol=0, atol=1e-6)


def test_the_authors_term_is_minus_the_entropy_of_prominent_bars_of_raw_points():
    points = clustered(40) * 3
    lengths = barcode(points).lengths.sort(descending=True).values
    prominent = lengths[: prominent_by_hand(lengths.numpy())]
    shares = (prominent / prominent.sum()).numpy()
    penalty = PersistentEntropy(selection="prominent", normalize=False, deficit=False)
    assert penalty(points).item() == pytest.approx(np.sum(shares * np.log(shares)), rel=1e-5)


def test_only_selected_bars_move_points():
    moved = gradient(PersistentEntropy(selection=("top", 3)), gauss()).abs().sum(dim=1) > 0
    assert 0 < moved.sum() <= 6


@pytest.mark.parametrize("cosine", [0.8, 0.89])
def test_a_floor_takes_the_gradient_from_a_near_pair_and_gives_it_back_to_the_cloud(
    cosine,
):
    points = normalize(gauss(64, 384), dim=1)
    alone = gradient(PersistentEntropy(), points).norm()
    other = normalize(points[1] - (points[1] @ points[0]) * points[0], dim=0)
    points[1] = cosine * points[0] + math.sqrt(1 - cosine**2) * other
    share = {}
    for floor in (0.0, 0.5):
        moves = gradient(PersistentEntropy(floor=floor), points).square().sum(dim=1)
        share[floor] = (moves[:2].sum() / moves.sum()).item()
    assert share[0.0] > 0.95
    assert share[0.5] < 0.15
    assert gradient(PersistentEntropy(floor=0.5), points).norm() < 2 * alone


@pytest.mark.parametrize(
    ("dimension", "name"),
    [
        (0, "persistent_entropy"),
        (1, "persistent_entropy_h1"),
        (2, "persistent_entropy_h2"),
    ],
)
def test_each_homology_dimension_has_its_own_name(dimension, name):
    assert PersistentEntropy(homology_dimension=dimension).name == name


def test_loops_have_a_penalty_of_their_own():
    pytest.importorskip("redzed_tda")
    points = gauss(64, 8)
    penalty = PersistentEntropy(homology_dimension=1)
    lengths = barcode(normalize(points, dim=1), 1).lengths
    torch.testing.assert_close(penalty(points), entropy_deficit(lengths))
    assert gradient(penalty, points).isfinite().all()
    assert gradient(penalty, points).norm() > 0


def test_a_cloud_without_loops_has_a_zero_that_is_connected_to_the_graph():
    pytest.importorskip("redzed_tda")
    assert (gradient(PersistentEntropy(homology_dimension=1, floor=0.5), gauss(3, 2)) == 0).all()


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("selection", ["all", "prominent", ("top", 2), ("quantile", 0.5)])
def test_tiny_clouds_give_a_zero_that_is_connected_to_the_graph(n, selection):
    penalty = PersistentEntropy(selection=selection, floor=0.5)
    assert penalty(gauss(n, 3)).item() == 0
    assert (gradient(penalty, gauss(n, 3)) == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    points = cone().to(dtype)
    assert torch.equal(PersistentEntropy()(points), PersistentEntropy()(points.float()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"homology_dimension": 1, "engine": "gudhi"},
            "The engine is 'gudhi', which is unknown; use 'auto', 'redzed', 'giotto-ph'.",
        ),
        ({"homology_dimension": -1}, "PersistentEntropy.homology_dimension is -1; use 0 or more."),
        (
            {"floor": -0.5},
            "PersistentEntropy.floor is -0.5; use a share of the mean bar length, 0 for no floor.",
        ),
        (
            {"floor": 1.5, "scale": "absolute"},
            "PersistentEntropy.floor is 1.5; on the absolute scale use a share of the largest mean bar, below 1.",
        ),
        *(
            (
                {"order": order},
                f"PersistentEntropy.order is {order}; use a number from 0.1 to 4.0, such as 1 for Shannon's entropy: "
                "beyond them float32 loses the penalty's digits.",
            )
            for order in (0, 0.09, 4.5, float("nan"), float("inf"))
        ),
        (
            {"floor": float("nan")},
            "PersistentEntropy.floor is nan; use a share of the mean bar length, 0 for no floor.",
        ),
        ({"scale": "sphere"}, "PersistentEntropy.scale is 'sphere', which is unknown; use 'relative' or 'absolute'."),
        (
            {"selection": ("top", 3), "scale": "absolute"},
            "PersistentEntropy.selection is ('top', 3), but on the absolute scale the bars left out "
            "would count as what is left of the "
            'sphere; use "all" or scale="relative".',
        ),
        (
            {"normalize": False, "scale": "absolute"},
            "PersistentEntropy.normalize is False, but the absolute scale is that of the unit sphere; use True or "
            'scale="relative".',
        ),
        (
            {"selection": "longest"},
            (
                "The selection is 'longest', which is unknown; "
                "use 'all', 'prominent', ('top', k) with k >= 1, or ('quantile', q) with 0 <= q < 1."
            ),
        ),
    ],
)
def test_bad_options_raise_at_once_and_say_how_to_fix_them(options, message):
    with pytest.raises(ValueError) as error:
        PersistentEntropy(**options)
    assert str(error.value) == message


def test_a_dimension_above_zero_has_no_absolute_scale():
    pytest.importorskip("redzed_tda")
    with pytest.raises(ValueError) as error:
        PersistentEntropy(homology_dimension=1, scale="absolute")
    assert str(error.value) == (
        "PersistentEntropy.homology_dimension is 1, but the absolute scale is known for dimension 0 alone; use 0 or "
        'scale="relative".'
    )


ABSOLUTE = PersistentEntropy(scale="absolute")
ORDERS = (1.0, 0.5, 0.25, 0.125)


def orthoplex(d):
    return torch.cat([torch.eye(d), -torch.eye(d)]).double()


@pytest.mark.parametrize("order", ORDERS)
def test_the_absolute_penalty_is_the_deficit_of_the_bars_of_unit_rows(order):
    points = gauss(20, 6).double()
    lengths = barcode(normalize(points, dim=1)).lengths
    options = {"scale": "absolute", "order": order}
    torch.testing.assert_close(PersistentEntropy(**options)(points), absolute_entropy_deficit(lengths, order))
    torch.testing.assert_close(PersistentEntropy(**options, deficit=False)(points), -absolute_entropy(lengths, order))


def test_the_default_orders_are_shannon_on_the_relative_scale_and_a_quarter_on_the_absolute_one():
    points = gauss(20, 6)
    assert PersistentEntropy()(points) == PersistentEntropy(order=1.0)(points)
    assert ABSOLUTE(points) == PersistentEntropy(scale="absolute", order=0.25)(points)


@pytest.mark.parametrize("order", ORDERS)
def test_the_absolute_penalty_passes_gradcheck_in_float64(order):
    points = gauss(10, 4).double().requires_grad_()
    for floor in (0.0, 0.4):
        assert torch.autograd.gradcheck(PersistentEntropy(scale="absolute", order=order, floor=floor), points)


def test_the_absolute_penalty_is_blind_to_rotation_order_and_norms_but_not_to_translation():
    points = gauss(30, 6).double()
    rotation = torch.linalg.qr(gauss(6, 6, seed=1).double()).Q
    moved = (points @ rotation).flip(0) * torch.arange(1, 31)[:, None]
    torch.testing.assert_close(ABSOLUTE(moved), ABSOLUTE(points))
    assert ABSOLUTE(points + 10) > 3 * ABSOLUTE(points)


def test_a_cone_opens_on_the_absolute_scale_and_not_on_the_relative_one():
    mean_bars = {}
    for scale in ("relative", "absolute"):
        points = cone(32, 24).double()
        for _ in range(100):
            slope = gradient(PersistentEntropy(scale=scale), points)
            points = normalize(points - 0.05 * slope / slope.norm(dim=1).max(), dim=1)
        mean_bars[scale] = barcode(points).lengths.mean().item()
    assert mean_bars["relative"] < 0.5
    assert mean_bars["absolute"] > 1


@pytest.mark.parametrize("d", [2, 3, 4])
def test_twice_as_many_points_as_dimensions_can_reach_an_absolute_zero_near_the_orthoplex(d):
    # The edges of the orthoplex itself are a little too long; its points can draw nearer to make them right.
    penalty = PersistentEntropy(scale="absolute", order=1.0)
    points = normalize(orthoplex(d) + 0.1 * gauss(2 * d, d), dim=1)
    assert 1e-3 < penalty(orthoplex(d)) < 0.1
    for step in range(600):
        points = normalize(points - 0.5 * (1 - step / 600) * gradient(penalty, points), dim=1)
    assert penalty(points) < 1e-6


def test_one_point_more_cannot_reach_an_absolute_zero():
    penalty = PersistentEntropy(scale="absolute", order=1.0)
    angles = torch.arange(5, dtype=torch.float64) * 2 * math.pi / 5
    pentagon = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert penalty(pentagon) > 1e-3
    assert min(penalty(gauss(5, 2, seed).double()) for seed in range(100)) >= penalty(pentagon)


def test_a_regular_simplex_is_not_the_optimum_because_its_remainder_is_empty():
    simplex = torch.eye(9, dtype=torch.float64) - 1 / 9
    penalty = PersistentEntropy(scale="absolute", order=1.0)(simplex).item()
    assert penalty == pytest.approx(1 - math.log(8) / math.log(9), abs=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coincident_rows_have_a_finite_absolute_penalty_and_gradient(order, dtype):
    penalty = PersistentEntropy(scale="absolute", order=order)
    points = gauss(8, 5).to(dtype)
    nudged = torch.cat([points, points + 1e-7])
    for rows in (torch.ones(6, 5, dtype=dtype), torch.cat([points, points]), nudged, points[:2], -points[:1]):
        assert penalty(rows).isfinite()
        assert gradient(penalty, rows).isfinite().all()
    assert penalty(torch.ones(6, 5, dtype=dtype)).item() == pytest.approx(1, rel=1e-5)
    assert (gradient(penalty, torch.ones(6, 5, dtype=dtype)) == 0).all()


def test_two_rows_want_sixty_degrees_and_opposite_ones_have_a_finite_gradient():
    sixty = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]], dtype=torch.float64)
    assert ABSOLUTE(sixty).item() == pytest.approx(0, abs=1e-12)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert ABSOLUTE(opposite).item() == pytest.approx(1, rel=1e-3)
    assert gradient(ABSOLUTE, opposite).isfinite().all()


@pytest.mark.parametrize("n", [0, 1])
def test_no_bar_gives_an_absolute_zero_that_is_connected_to_the_graph(n):
    for penalty in (ABSOLUTE, PersistentEntropy(scale="absolute", floor=0.5)):
        assert penalty(gauss(n, 3)).item() == 0
        assert (gradient(penalty, gauss(n, 3)) == 0).all()


def test_a_floor_on_the_absolute_scale_is_a_share_of_the_largest_mean_bar():
    points = gauss(30, 6).double()
    lengths = barcode(normalize(points, dim=1)).lengths
    expected = absolute_entropy_deficit(lengths.clamp(min=0.4 * math.sqrt(60 / 29)), 0.25)
    assert (lengths < 0.4 * math.sqrt(60 / 29)).any()
    torch.testing.assert_close(PersistentEntropy(scale="absolute", floor=0.4)(points), expected)
