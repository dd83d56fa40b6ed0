"""The H0 barcode and its gradient with respect to the points."""

import numpy as np
import pytest
import torch
from point_clouds import CLOUDS, bars_by_hand, cone, gauss
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode, bars, edge_lengths, minimum_spanning_tree
from st_isotropy.barcodes.bars import CompiledBars, EdgeLengths
from st_isotropy.barcodes.large import large_tree
from st_isotropy.barcodes.rips import MODULES
from st_isotropy.entropy import entropy_deficit
from st_isotropy.regularizers import PersistentEntropy


def test_points_on_a_line_have_their_gaps_as_bars():
    points = torch.tensor([[0.0], [4.0], [1.0], [9.0]], dtype=torch.float64)
    assert barcode(points).lengths.sort().values.tolist() == [1.0, 3.0, 5.0]


def test_bars_are_invariant_to_order_translation_and_rotation_and_follow_scale():
    points = gauss(40, 6).double()
    rotation = torch.linalg.qr(gauss(6, 6, seed=1).double()).Q
    moved = 3 * (points.flip(0) @ rotation) - 7
    torch.testing.assert_close(barcode(moved).lengths.sort().values, 3 * barcode(points).lengths.sort().values)


def test_the_gradient_with_respect_to_points_passes_gradcheck_in_float64():
    points = gauss(9, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: barcode(x).lengths, points)
    assert torch.autograd.gradcheck(lambda x: entropy_deficit(barcode(x).lengths), points)


def test_the_gradient_of_a_length_pulls_the_two_ends_of_its_edge_apart():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    barcode(points).lengths.sum().backward()
    torch.testing.assert_close(points.grad, torch.tensor([[-0.6, -0.8], [0.6, 0.8]]))


def test_the_gradient_at_duplicate_points_is_zero_not_nan():
    points = torch.zeros(3, 2, requires_grad=True)
    barcode(points).lengths.sum().backward()
    assert (points.grad == 0).all()


def test_points_that_share_many_edges_get_the_gradients_of_all_of_them():
    points = gauss(6, 3).double().requires_grad_()
    edges = torch.tensor([[0, 1], [1, 0], [2, 1], [3, 1], [1, 4], [1, 1]])
    weights = torch.arange(1.0, 7.0, dtype=torch.float64)
    pulled = torch.autograd.grad((weights * edge_lengths(points, edges)).sum(), points)[0]
    expected = torch.autograd.grad((weights * (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=1)).sum(), points)[0]
    torch.testing.assert_close(pulled, expected)


def second_derivative(lengths, points):
    slope = torch.autograd.grad(lengths.sum(), points, create_graph=True)[0]
    return torch.autograd.grad(slope.square().sum(), points)


@pytest.mark.parametrize("kernels", [True, False], ids=["compiled", "torch"])
@pytest.mark.parametrize("dimension", [0, 1])
def test_a_second_derivative_is_refused_rather_than_wrong(dimension, kernels, monkeypatch):
    if dimension:
        pytest.importorskip(MODULES["redzed"])
    if not kernels:
        monkeypatch.setattr(bars, "compiled_kernels", lambda: None)
    points = gauss(20, 3).requires_grad_()
    sentence = (
        "A barcode has no second derivative; leave out create_graph=True, or keep the barcode out of what is "
        "differentiated twice."
    )
    for lengths in (
        lambda: barcode(points, dimension, "redzed").lengths,  # the gradient of their sum is a constant
        lambda: barcode(points, dimension, "redzed").lengths.square(),
        lambda: barcode(normalize(points, dim=1), dimension, "redzed").lengths,
    ):
        with pytest.raises(NotImplementedError) as error:
            second_derivative(lengths(), points)
        assert str(error.value) == sentence


def test_a_graph_of_the_first_derivative_changes_nothing():
    points = gauss(20, 3).requires_grad_()
    with_graph, without = (
        torch.autograd.grad(barcode(points).lengths.square().sum(), points, create_graph=graph)[0]
        for graph in (True, False)
    )
    assert with_graph.requires_grad and not without.requires_grad
    torch.testing.assert_close(with_graph, without)


def test_an_edge_from_a_point_to_itself_has_length_zero():
    assert edge_lengths(gauss(4, 2), torch.tensor([[1, 1]])).tolist() == [0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_points_give_float32_lengths_and_gradients_of_their_own_type(
    dtype,
):
    points = gauss(16, 8).to(dtype).requires_grad_()
    lengths = barcode(points).lengths
    assert lengths.dtype == torch.float32
    lengths.sum().backward()
    assert points.grad.dtype == dtype
    np.testing.assert_allclose(lengths.detach().sort().values, bars_by_hand(points.detach().float()), rtol=1e-5)


def test_bars_and_penalty_are_the_same_under_bfloat16_autocast():
    points = cone()
    lengths, penalty = barcode(points).lengths, PersistentEntropy()(points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(barcode(points).lengths, lengths)
        assert torch.equal(PersistentEntropy()(points), penalty)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_points_raise_an_error_that_counts_the_rows(value):
    points = gauss(10, 4)
    points[3, 1] = points[7, 0] = points[7, 2] = value
    with pytest.raises(
        ValueError,
        match=r"^2 of 10 points have a NaN or infinite coordinate; a barcode needs finite",
    ):
        barcode(points)


def test_finite_points_whose_squared_distances_overflow_raise_an_error_of_their_own():
    message = r"^Squared distances between the points overflow torch.float32; divide the points by a common factor\.$"
    for search in (barcode, large_tree):
        with pytest.raises(ValueError, match=message):
            search(1e30 * gauss(40, 4))


def test_points_far_from_the_origin_have_bars_though_their_own_squares_overflow():
    around = 1e17 * gauss(40, 4)
    lengths = barcode(2e19 + around).lengths
    torch.testing.assert_close(lengths.sort()[0], barcode(around).lengths.sort()[0], rtol=1e-3, atol=0)


@pytest.mark.parametrize("search", [minimum_spanning_tree, large_tree])
def test_non_finite_points_stop_every_search_on_the_cpu(search):
    points = gauss(40, 4)
    points[3, 1] = float("nan")
    with pytest.raises(ValueError, match=r"^1 of 40 points have a NaN"):
        search(points)


def test_no_clouds_have_no_bars():
    found = barcode(torch.zeros(0, 5, 3))
    assert (found.lengths.shape, found.edges.shape) == ((0, 4), (0, 4, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CLOUDS)
def test_compiled_bars_and_their_gradient_are_those_of_torch(name, dtype):
    kernels = pytest.importorskip("st_isotropy.barcodes.compiled", exc_type=ImportError)
    rows = CLOUDS[name].to(dtype)
    weights = torch.rand(len(rows) - 1, dtype=dtype, generator=torch.Generator().manual_seed(0))
    results = []
    for is_compiled in (False, True):
        points = rows.T.contiguous().T.requires_grad_()  # not contiguous
        lengths, edges = CompiledBars.apply(points, kernels)
        if not is_compiled:
            lengths = EdgeLengths.apply(points, edges)
        results.append((lengths, *torch.autograd.grad((weights * lengths).sum(), points)))
    torch.testing.assert_close(*results)
    assert all(part.isfinite().all() and part.dtype == dtype for part in results[1])
