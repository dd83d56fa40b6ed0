"""Borůvka's search gives Prim's bars and never waits for a device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from point_clouds import CLOUDS, bars_by_hand, clustered, cone, gauss, near_duplicates
from test_mst import bars, is_spanning_tree
from torch.utils._python_dispatch import TorchDispatchMode

from st_isotropy.barcodes import barcode, edge_lengths, minimum_spanning_tree
from st_isotropy.barcodes.boruvka import boruvka
from st_isotropy.entropy import entropy_deficit


def boruvka_bars(points):
    return edge_lengths(points, boruvka(points)).sort().values.numpy()


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_boruvka_gives_the_bars_of_prim(name, dtype):
    points = CLOUDS[name].to(dtype)
    np.testing.assert_allclose(boruvka_bars(points), bars(points), rtol=1e-6, atol=1e-12)
    assert is_spanning_tree(boruvka(points), len(points))


@pytest.mark.parametrize("spacing", [1e-2, 1e-3, 1e-4, 1e-5])
def test_boruvka_is_exact_on_near_duplicate_groups(spacing):
    points = near_duplicates(spacing)
    np.testing.assert_allclose(boruvka_bars(points), bars_by_hand(points), rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)))
def test_ties_close_no_cycle(points):
    points = torch.from_numpy(points)
    assert is_spanning_tree(boruvka(points), len(points))
    np.testing.assert_allclose(boruvka_bars(points), bars(points), rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 33])
def test_every_size_has_a_spanning_tree_after_the_fixed_number_of_rounds(n):
    points = gauss(n, 2)
    assert boruvka(points).shape == (max(n - 1, 0), 2)
    assert is_spanning_tree(boruvka(points), n) or n == 0


def test_a_path_whose_gaps_grow_hooks_into_one_long_chain_and_is_joined_all_the_same():
    points = torch.arange(0.0, 65.0).square()[:, None]
    assert is_spanning_tree(boruvka(points), 65)


def test_several_clouds_in_one_call_give_the_trees_of_single_calls():
    clouds = torch.stack([gauss(), cone(), clustered()])
    together = boruvka(clouds)
    assert together.shape == (3, 63, 2)
    for tree, cloud in zip(together, clouds, strict=True):
        assert torch.equal(tree, boruvka(cloud))


def test_several_clouds_in_one_call_give_the_barcodes_of_single_calls_on_the_cpu():
    clouds = torch.stack([gauss(), cone(), clustered()])
    single = [barcode(cloud).lengths for cloud in clouds]
    torch.testing.assert_close(barcode(clouds).lengths, torch.stack(single))
    torch.testing.assert_close(entropy_deficit(torch.stack(single)), torch.stack([*map(entropy_deficit, single)]))


def test_barcode_and_deficit_run_on_the_meta_device_where_nothing_can_be_copied_to_the_host():
    points = torch.empty(100, 16, device="meta", requires_grad=True)
    deficit = entropy_deficit(barcode(points).lengths)
    deficit.backward()
    assert points.grad.shape == (100, 16)
    with pytest.raises(RuntimeError, match="meta tensor"):
        deficit.item()


def test_the_search_uses_neither_custom_operators_nor_shapes_that_depend_on_data():
    class Recorder(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.names = set()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.names.add(function._schema.name)
            return function(*args, **(kwargs or {}))

    with Recorder() as recorder:
        boruvka(gauss())
        recorded = set(recorder.names)
        recorder.names.clear()
        gauss()[gauss()[:, 0] > 0].sum().item()
    forbidden = {"aten::nonzero", "aten::index", "aten::index_put_", "aten::masked_select", "aten::_local_scalar_dense"}
    assert all(name.startswith(("aten::", "prim::")) for name in recorded)
    assert not forbidden & recorded
    assert forbidden & recorder.names  # the recorder does see such operators


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_penalty_does_not_synchronize_with_a_cuda_device():
    points = gauss(256, 64).cuda().requires_grad_()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        entropy_deficit(barcode(points).lengths).backward()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    np.testing.assert_allclose(
        barcode(points).lengths.detach().cpu().sort().values, bars(points.detach().cpu()), rtol=1e-5
    )


def test_devices_other_than_the_cpu_are_routed_to_boruvka():
    assert minimum_spanning_tree(torch.empty(5, 2, device="meta")).device.type == "meta"
