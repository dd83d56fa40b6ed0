"""The persistent-entropy penalty: its options, its invariances, and the authors' term."""

import math

import numpy as np
import pytest
import torch
from point_clouds import CLOUDS, clustered, cone, gauss
from test_selection import prominent_by_hand
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode
from st_isotropy.entropy import entropy_deficit, persistent_entropy
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
