"""The minimum spanning tree: exact, deterministic, in every dtype."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from point_clouds import CLOUDS, bars_by_hand, gauss, near_duplicates

from st_isotropy import barcodes
from st_isotropy.barcodes import edge_lengths, minimum_spanning_tree
from st_isotropy.barcodes.distances import half_of_products, squared_distances
from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.barcodes.mst import keys, near_ends, prim, walk

cloud_names = pytest.mark.parametrize("name", CLOUDS)


def bars(points):
    return edge_lengths(points, minimum_spanning_tree(points)).sort().values.numpy()


def is_spanning_tree(edges, n):
    """Whether n - 1 edges join n points: union-find never meets a cycle."""
    root = list(range(n))

    def find(i):
        while root[i] != i:
            i = root[i]
        return i

    for i, j in edges.tolist():
        left, right = find(i), find(j)
        if left == right:
            return False
        root[left] = right
    return len(edges) == n - 1


@cloud_names
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bars_match_a_float64_prim_over_differences(name, dtype):
    points = CLOUDS[name].to(dtype)
    np.testing.assert_allclose(bars(points), bars_by_hand(points), rtol=1e-4, atol=1e-12)


@cloud_names
def test_edges_form_a_spanning_tree(name):
    points = CLOUDS[name]
    assert is_spanning_tree(minimum_spanning_tree(points), len(points))


@pytest.mark.parametrize("spacing", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_bars_of_near_duplicate_groups_are_exact_where_a_matrix_product_cancels(spacing, offset):
    points = near_duplicates(spacing) + offset
    np.testing.assert_allclose(bars(points), bars_by_hand(points), rtol=1e-4)


@pytest.mark.parametrize("spacing", [1e-3, 1e-6, 1e-9])
def test_float64_clouds_are_searched_in_float64(spacing):
    points = near_duplicates(spacing, groups=8, each=4, d=64).double()
    points += spacing * torch.randn(points.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    np.testing.assert_allclose(bars(points), bars_by_hand(points), rtol=1e-4)


def test_the_few_near_groups_of_a_cloud_of_several_strips_are_compared_by_differences():
    points = gauss(300, 384)
    for group in (3 + 7 * torch.arange(40)).view(5, 8).T:
        points[group] = points[group[0]] + 1e-3 * gauss(5, 384, seed=1)
    np.testing.assert_allclose(bars(points), bars_by_hand(points), rtol=1e-4)


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 64, 256, 257, 330, 512, 513])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("is_contiguous", [True, False])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_half_the_products_give_all_squared_distances(n, dtype, is_contiguous, is_compiled):
    points = gauss(n, 24).to(dtype)
    if not is_contiguous:
        points = points.T.contiguous().T
    cloud, norms = points.numpy(), points.square().sum(dim=1).numpy()
    if is_compiled and n:
        kernels = pytest.importorskip("st_isotropy.barcodes.compiled", exc_type=ImportError)
        squared = half_of_products(cloud)
        kernels.complete_distances(squared, norms)
        assert (squared == squared.T).all()
    else:
        squared = squared_distances(cloud, norms)
    assert squared.dtype == cloud.dtype
    exact = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    torch.testing.assert_close(torch.from_numpy(squared), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_squared_distance_that_cancellation_makes_negative_leads_to_no_point_twice(compiled):
    grow = walk
    if compiled:
        pytest.importorskip("numba")
        from st_isotropy.barcodes.compiled import walk as grow
    squared = torch.cdist(gauss(30, 5), gauss(30, 5)).square()
    squared[:10, :10] = -1e-3 * (1 + torch.rand(10, 10, generator=torch.Generator().manual_seed(0)))
    parents, lengths = grow(keys(squared.numpy()))
    assert is_spanning_tree(torch.from_numpy(np.stack([parents, np.arange(30)], axis=1)[1:]), 30)
    assert (lengths[1:10] < 0).all()


def test_duplicates_give_bars_of_exactly_zero_and_never_fewer_bars():
    points = torch.randn(20, 300, generator=torch.Generator().manual_seed(0)).repeat(2, 1) + 5
    lengths = edge_lengths(points, minimum_spanning_tree(points))
    assert len(lengths) == 39
    assert (lengths == 0).sum() == 20


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_points_have_no_edges(n):
    edges = minimum_spanning_tree(torch.ones(n, 3))
    assert edges.shape == (0, 2)
    assert edges.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_the_tree_of_the_same_points_in_float32(dtype):
    points = CLOUDS["gauss"].to(dtype)
    assert torch.equal(minimum_spanning_tree(points), minimum_spanning_tree(points.float()))


def test_autocast_does_not_reach_the_search():
    points = CLOUDS["cone"]
    expected = minimum_spanning_tree(points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(minimum_spanning_tree(points), expected)


@pytest.mark.parametrize("name", ["grid", "simplex", "duplicates", "one_place"])
def test_ties_are_broken_the_same_way_with_one_thread_and_two(name):
    points = CLOUDS[name]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = minimum_spanning_tree(points)
        torch.set_num_threads(2)
        for _ in range(3):
            assert torch.equal(minimum_spanning_tree(points), alone)
    finally:
        torch.set_num_threads(threads)


def test_without_a_folder_for_the_compiled_code_the_numpy_walk_is_taken(monkeypatch):
    numba = pytest.importorskip("numba")

    def njit(**options):
        raise RuntimeError("cannot cache function 'walk': no locator available")  # as in a read-only container

    monkeypatch.setattr(numba, "njit", njit)
    monkeypatch.delitem(sys.modules, "st_isotropy.barcodes.compiled", raising=False)
    monkeypatch.delattr(barcodes, "compiled", raising=False)
    assert compiled_kernels.__wrapped__() is None


@cloud_names
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_walk_takes_the_same_edges_as_the_numpy_one(name, dtype):
    kernels = pytest.importorskip("st_isotropy.barcodes.compiled", exc_type=ImportError)
    points = CLOUDS[name].to(dtype)
    distances = keys(squared_distances(points.numpy(), points.square().sum(dim=1).numpy()))
    for ours, plain in zip(kernels.walk(distances), walk(distances), strict=True):
        assert (ours == plain).all()


def test_the_compiled_search_suspects_the_same_points_as_the_numpy_one():
    kernels = pytest.importorskip("st_isotropy.barcodes.compiled", exc_type=ImportError)
    parents = np.array([0, 0, 1, 1, 2, 4], dtype=np.int32)
    squared = np.array([0, 1, 1e-9, 1, -1, 1], dtype=np.float32)
    norms = np.ones(6, dtype=np.float32)
    expected = [False, True, True, False, True, False]
    assert near_ends(squared, parents, norms, 1e-3).tolist() == expected
    assert kernels.near_ends(squared, parents, norms, 1e-3).tolist() == expected


@cloud_names
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_search_finds_a_tree_as_short_as_the_numpy_one(name, dtype):
    kernels = pytest.importorskip("st_isotropy.barcodes.compiled", exc_type=ImportError)
    points = CLOUDS[name].to(dtype)
    compiled, plain = (torch.from_numpy(prim(points.numpy(), chosen)) for chosen in (kernels, None))
    assert is_spanning_tree(compiled, len(points))
    torch.testing.assert_close(
        edge_lengths(points, compiled).sort().values, edge_lengths(points, plain).sort().values, rtol=1e-4, atol=0
    )


def test_the_search_leaves_no_gradient_and_no_trace_on_its_input():
    points = CLOUDS["duplicates"].clone().requires_grad_()
    before = points.detach().clone()
    edges = minimum_spanning_tree(points)
    assert not edges.requires_grad
    assert torch.equal(points.detach(), before)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(2, 9), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)))
def test_bars_on_lattices_full_of_ties_match_the_slow_search(points):
    np.testing.assert_allclose(bars(torch.from_numpy(points)), bars_by_hand(points), rtol=1e-6, atol=1e-12)
