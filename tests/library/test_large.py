"""The search for large clouds gives Prim's bars without a distance matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from point_clouds import CLOUDS, bars_by_hand, clustered, gauss, near_duplicates
from test_mst import bars, is_spanning_tree

from st_isotropy.barcodes import edge_lengths, minimum_spanning_tree, mst
from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.barcodes.large import Search, large_tree


def large_bars(points):
    return edge_lengths(points, torch.from_numpy(large_tree(points))).sort().values.numpy()


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_search_gives_the_bars_of_prim(name, dtype):
    points = CLOUDS[name].to(dtype)
    np.testing.assert_allclose(large_bars(points), bars(points), rtol=1e-6, atol=1e-12)
    assert is_spanning_tree(torch.from_numpy(large_tree(points)), len(points))


@pytest.mark.parametrize("spacing", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("each", [8, 40])
def test_groups_of_near_duplicates_longer_than_a_neighbor_list_are_exact(spacing, each):
    points = near_duplicates(spacing, groups=5, each=each, d=64) + 3
    np.testing.assert_allclose(large_bars(points), bars_by_hand(points), rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(2, 60), st.integers(1, 2)), elements=st.integers(-3, 3).map(float)))
def test_ties_close_no_cycle(points):
    points = torch.from_numpy(points)
    assert is_spanning_tree(torch.from_numpy(large_tree(points)), len(points))
    np.testing.assert_allclose(large_bars(points), bars(points), rtol=1e-6)


def test_a_component_with_two_equally_short_ways_out_takes_only_one_of_them():
    places = [(0, 0), (0, 2), (0, 3), (3, 0), (3, 2)]
    order = [2, 0, 0, 4, 0, 1, 0, 3, 0, 0, 0, 1]
    points = torch.tensor([places[place] for place in order], dtype=torch.float32)
    np.testing.assert_allclose(large_bars(points), bars_by_hand(points))


def test_separated_clusters_are_joined_although_every_list_stays_inside_its_cluster():
    points = clustered(1200, 12) * 50
    np.testing.assert_allclose(large_bars(points), bars(points), rtol=1e-6)


def test_groups_of_duplicates_are_joined_by_edges_as_long_as_all_others_between_them():
    points = gauss(5, 6)[torch.arange(300) % 5]
    np.testing.assert_allclose(large_bars(points), bars_by_hand(points), rtol=1e-6, atol=1e-12)
    assert is_spanning_tree(torch.from_numpy(large_tree(points)), 300)


@pytest.mark.parametrize("spacing", [1e-1, 1e-3, 1e-5])
def test_the_closest_pair_of_two_groups_is_found_below_the_rounding_of_a_product(spacing):
    points = near_duplicates(spacing, groups=1, each=80, d=32) + 3
    exact = torch.cdist(points[:30].double(), points[30:].double()).square()
    search = Search(points)
    rows, group = torch.arange(30), torch.arange(30, 80)
    squared, edge = search.closest(rows, search.minima(rows, [group])[:, 0], group)
    assert squared.item() == pytest.approx(exact.min().item(), rel=1e-5)
    assert exact[edge[0], edge[1] - 30] == exact.min()


def test_lists_hold_the_nearest_points_and_a_bound_on_all_others():
    points = gauss(300, 6)
    exact = torch.cdist(points.double(), points.double()).square().fill_diagonal_(torch.inf)
    lists = Search(points).nearest(torch.arange(50), torch.arange(300))
    kept = lists.neighbors.shape[1]
    ordered = exact[:50].sort(dim=1).values
    torch.testing.assert_close(lists.squared.sort(dim=1).values.double(), ordered[:, :kept], rtol=1e-5, atol=0)
    assert (lists.bound <= ordered[:, kept]).all()
    assert (lists.bound >= 0.99 * ordered[:, kept - 1]).all()


def test_clouds_above_the_limit_are_routed_to_this_search(monkeypatch):
    points = gauss(200, 5)
    expected = bars(points)
    monkeypatch.setattr(mst, "LARGE", 100)
    monkeypatch.setattr(mst, "prim", None)
    np.testing.assert_allclose(bars(points), expected, rtol=1e-6)
    assert minimum_spanning_tree(points).dtype == torch.int64


@pytest.mark.slow
def test_twenty_thousand_points_have_the_bars_of_prim_to_its_accuracy():
    points = clustered(20_000, 16)
    expected = edge_lengths(points, torch.from_numpy(mst.prim(points.numpy(), compiled_kernels()))).sort().values
    np.testing.assert_allclose(large_bars(points), expected, rtol=1e-4)
