"""Ways in which barcodes go wrong elsewhere, one test each; where a peer is installed, the test shows it failing."""

import numpy as np
import pytest
import torch
from point_clouds import CLOUDS, bars_by_hand, cone, gauss, near_duplicates
from test_mst import is_spanning_tree
from torch.nn.functional import normalize

from st_isotropy.barcodes import barcode, edge_lengths, minimum_spanning_tree
from st_isotropy.barcodes.distances import pairwise_distances
from st_isotropy.barcodes.large import large_tree
from st_isotropy.barcodes.mst import prim
from st_isotropy.barcodes.rips import critical_edges
from st_isotropy.entropy import entropy_deficit, persistent_entropy
from st_isotropy.metrics import k_occurrences
from st_isotropy.regularizers import PersistentEntropy


def gradient(points, function):
    points = points.clone().requires_grad_()
    return torch.autograd.grad(function(points), points)[0]


def test_edges_are_tracked_where_equal_bars_leave_several_edges_to_choose_from():
    # Looking edges up by the value of a bar would find another pair of points at the same distance.
    points = CLOUDS["grid"]
    found = barcode(points)
    distances = pairwise_distances(points)
    assert (distances == found.lengths[0]).sum() > 2 * len(found.lengths)
    assert is_spanning_tree(found.edges, len(points))
    weights = 1 + torch.rand(len(found.lengths), generator=torch.Generator().manual_seed(0))
    pulled = gradient(points, lambda x: (weights * barcode(x).lengths).sum())
    expected = gradient(points, lambda x: (weights * edge_lengths(x, found.edges)).sum())
    assert torch.equal(pulled, expected)


def test_each_new_point_is_joined_to_the_one_it_is_nearest_to_and_not_to_the_one_added_last():
    points = gauss(50, 4)
    edges = minimum_spanning_tree(points)
    assert is_spanning_tree(edges, 50)
    np.testing.assert_allclose(edge_lengths(points, edges).sort().values, bars_by_hand(points), rtol=1e-5)
    added_last = torch.cat([torch.zeros(1, dtype=torch.int64), edges[:-1, 1]])
    assert edge_lengths(points, torch.stack([added_last, edges[:, 1]], dim=1)).sum() > bars_by_hand(points).sum()


@pytest.mark.parametrize("engine", ["redzed", "giotto-ph"])
def test_a_matrix_that_is_asymmetric_by_one_ulp_loses_no_bar(engine):
    gph = pytest.importorskip("gph")
    pair = np.array([[0, 1], [np.nextafter(np.float32(1), np.float32(0)), 0]], dtype=np.float32)
    assert len(gph.ripser_parallel(pair, metric="precomputed", maxdim=0, return_generators=True)["gens"][0]) == 0
    assert len(barcode(torch.tensor([[0.0], [1.0]])).lengths) == 1

    if engine == "redzed":
        pytest.importorskip("redzed_tda")
    symmetric = pairwise_distances(gauss(40, 6))
    uneven = torch.where(torch.ones(40, 40).tril().bool(), symmetric, symmetric * (1 - 2**-23))
    torch.testing.assert_close(*(critical_edges(matrix, 1, engine) for matrix in (symmetric, uneven)))


def test_duplicates_are_exactly_zero_apart_and_near_duplicates_keep_their_distances():
    points = near_duplicates(1e-4) + 1
    product = torch.cdist(points, points, compute_mode="use_mm_for_euclid_dist")
    assert product.diagonal().max() > 1e-3  # a point is that far from itself in a matrix product
    np.testing.assert_allclose(barcode(points).lengths.sort().values, bars_by_hand(points), rtol=1e-4)
    assert (barcode(torch.cat([points, points])).lengths == 0).sum() == len(points)


def test_bars_of_length_zero_are_kept_so_that_there_are_always_n_minus_one():
    points = CLOUDS["duplicates"]
    assert len(barcode(points).lengths) == len(points) - 1
    gph = pytest.importorskip("gph")
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    generators = gph.ripser_parallel(distances, metric="precomputed", maxdim=0, return_generators=True)["gens"][0]
    assert len(generators) < len(points) - 1


def test_gradients_at_distance_zero_and_share_zero_are_zero_not_nan():
    root = gradient(torch.zeros(2, 3), lambda x: (x[0] - x[1]).square().sum().sqrt())
    entr = gradient(torch.tensor([0.0, 1.0]), lambda p: torch.special.entr(p).sum())
    assert root.isnan().any()
    assert not entr.isfinite().all()
    assert (gradient(torch.zeros(4, 3), lambda x: barcode(x).lengths.sum()) == 0).all()
    assert gradient(torch.tensor([0.0, 1.0, 2.0]), persistent_entropy).isfinite().all()
    assert gradient(CLOUDS["duplicates"], lambda x: entropy_deficit(barcode(x).lengths)).isfinite().all()


@pytest.mark.parametrize("dimension", [0, 1])
def test_nan_raises_and_never_becomes_an_empty_barcode(dimension):
    points = gauss(12, 3)
    points[5, 1] = float("nan")
    with pytest.raises(ValueError, match=r"^1 of 12 points"):
        barcode(points, dimension)
    gph = pytest.importorskip("gph")
    deaths = gph.ripser_parallel(torch.cdist(points, points).numpy(), metric="precomputed", maxdim=0)["dgms"][0][:, 1]
    assert np.isfinite(deaths).sum() < 11  # and no error


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_the_smallest_clouds_have_barcodes(n, dimension):
    if dimension:
        pytest.importorskip("redzed_tda")
    points = gauss(n, 5).requires_grad_()
    lengths = barcode(points, dimension).lengths
    assert len(lengths) == (max(n - 1, 0) if dimension == 0 else 0)
    lengths.sum().backward()
    assert points.grad.shape == (n, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("dimension", [0, 1])
def test_half_precision_is_searched_in_float32_even_under_autocast(dtype, dimension):
    if dimension:
        pytest.importorskip("redzed_tda")
    points = cone().to(dtype)
    expected = barcode(points.float(), dimension).lengths
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (points.float() @ points.float().T).dtype == torch.bfloat16  # why conversion alone is not enough
        assert torch.equal(barcode(points, dimension).lengths, expected)
        assert PersistentEntropy(dimension)(points).dtype == torch.float32


@pytest.mark.parametrize("engine", ["redzed", "giotto-ph"])
def test_ties_are_broken_the_same_way_in_every_run(engine):
    pytest.importorskip({"redzed": "redzed_tda", "giotto-ph": "gph"}[engine])
    points = CLOUDS["grid"]
    threads = torch.get_num_threads()
    try:
        for dimension in (0, 1):
            runs = []
            for torch_threads in (1, 2, 2, 2):
                torch.set_num_threads(torch_threads)
                runs.append(barcode(points, dimension, engine).edges)
            assert all(torch.equal(run, runs[0]) for run in runs)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("engine", ["redzed", "giotto-ph"])
def test_where_ties_make_two_gradients_valid_each_engine_gives_one_of_them(engine):
    # A valid one moves the ends of an edge as long as the birth, and of an edge as long as the death.
    pytest.importorskip({"redzed": "redzed_tda", "giotto-ph": "gph"}[engine])
    points = CLOUDS["grid"]
    found = barcode(points, 1, engine)
    births, deaths = edge_lengths(points, found.birth_edges), edge_lengths(points, found.edges)
    assert len(births) == 36
    assert torch.equal(births, torch.ones(36))
    torch.testing.assert_close(deaths, torch.full((36,), 2**0.5))
    moved = gradient(points, lambda x: barcode(x, 1, engine).lengths.sum())
    assert moved.isfinite().all()
    assert moved.norm() > 0


def test_unit_rows_in_half_precision_are_normalized_after_conversion():
    points = gauss(64, 48).bfloat16()
    expected = entropy_deficit(barcode(normalize(points.double(), dim=1)).lengths).item()
    assert PersistentEntropy()(points).item() == pytest.approx(expected, rel=1e-4)


def test_products_in_lower_precision_which_a_user_may_allow_reach_no_distance():
    points = normalize(cone(700, 64), dim=1)
    searches = {
        "barcode": lambda: barcode(points).lengths,
        "tree without compiled loops": lambda: edge_lengths(points, torch.from_numpy(prim(points.numpy(), None))),
        "tree of a large cloud": lambda: edge_lengths(points, torch.from_numpy(large_tree(points))),
        "distances": lambda: pairwise_distances(points),
        "neighbors": lambda: torch.from_numpy(k_occurrences(points)),
    }
    expected = {name: search() for name, search in searches.items()}
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        for name, search in searches.items():
            assert torch.equal(search(), expected[name]), name
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
