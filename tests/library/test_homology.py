"""H1 and above: closed forms, engines against each other and against outside oracles, gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from point_clouds import CLOUDS, clustered, gauss, near_duplicates

from st_isotropy.barcodes import barcode, rips
from st_isotropy.barcodes.distances import pairwise_distances
from st_isotropy.barcodes.rips import critical_edges

MODULES = {"redzed": "redzed_tda", "giotto-ph": "gph"}
engines = pytest.mark.parametrize("engine", ["redzed", "giotto-ph"])


def lengths(points, dimension, engine):
    """Sorted bar lengths, without those that rounding alone can make."""
    pytest.importorskip(MODULES[engine])
    found = barcode(points, dimension, engine).lengths.detach().numpy()
    return np.sort(found[found > 1e-5 * scale(points)])


def scale(points):
    return max(pairwise_distances(points).max().item(), 1e-30)


def significant(diagram, points):
    found = diagram[:, 1] - diagram[:, 0]
    return np.sort(found[found > 1e-5 * scale(points)])


def circle(n=24):
    angle = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@engines
def test_a_square_has_one_loop_born_at_its_side_and_dead_at_its_diagonal(engine):
    pytest.importorskip(MODULES[engine])
    square = torch.tensor([[0.0, 0.0], [0.0, 3.0], [3.0, 3.0], [3.0, 0.0]])
    bars = barcode(square, 1, engine)
    assert bars.dimension == 1
    assert bars.lengths.item() == pytest.approx(3 * 2**0.5 - 3)
    assert bars.birth_edges.shape == bars.edges.shape == (1, 2)


@engines
def test_a_regular_polygon_has_one_loop_from_its_side_to_the_side_of_its_triangle(engine):
    pytest.importorskip(MODULES[engine])
    assert barcode(circle(), 1, engine).lengths.item() == pytest.approx(3**0.5 - 2 * np.sin(np.pi / 24), rel=1e-6)


@engines
def test_an_octahedron_has_one_void(engine):
    pytest.importorskip(MODULES[engine])
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)])
    assert barcode(octahedron, 2, engine).lengths.item() == pytest.approx(2 - 2**0.5, rel=1e-6)


@engines
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_fewer_than_four_points_have_no_loops(engine, n):
    pytest.importorskip(MODULES[engine])
    bars = barcode(gauss(n, 2), 1, engine)
    assert bars.lengths.shape == (0,)
    assert bars.edges.shape == (0, 2)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("dimension", [1, 2])
def test_engines_agree_on_every_cloud(name, dimension):
    points = CLOUDS[name]
    np.testing.assert_allclose(
        lengths(points, dimension, "redzed"), lengths(points, dimension, "giotto-ph"), atol=1e-5 * scale(points)
    )


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(4, 12), st.integers(1, 3)), elements=st.integers(-2, 2).map(float)))
def test_engines_agree_on_lattices_full_of_ties_and_duplicates(points):
    points = torch.from_numpy(points)
    np.testing.assert_allclose(lengths(points, 1, "redzed"), lengths(points, 1, "giotto-ph"), atol=1e-5)


@pytest.mark.parametrize("cloud", [gauss, clustered])
def test_gradients_of_the_engines_agree_where_no_two_distances_tie(cloud):
    gradients = []
    for engine in MODULES:
        pytest.importorskip(MODULES[engine])
        points = cloud(40, 8).double().requires_grad_()
        barcode(points, 1, engine).lengths.square().sum().backward()
        gradients.append(points.grad)
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


@engines
def test_the_gradient_of_loop_lengths_passes_gradcheck_in_float64(engine):
    pytest.importorskip(MODULES[engine])
    points = gauss(16, 2).double().requires_grad_()
    assert barcode(points, 1, engine).lengths.numel() > 1
    assert torch.autograd.gradcheck(lambda x: barcode(x, 1, engine).lengths, points)


@engines
@pytest.mark.parametrize("name", ["gauss", "clustered", "grid", "duplicates"])
def test_loops_match_ripser(engine, name):
    ripser = pytest.importorskip("ripser")
    points = CLOUDS[name]
    diagram = ripser.ripser(pairwise_distances(points).numpy(), maxdim=1, distance_matrix=True)["dgms"][1]
    np.testing.assert_allclose(lengths(points, 1, engine), significant(diagram, points), atol=1e-5 * scale(points))


@engines
@pytest.mark.parametrize("name", ["gauss", "clustered", "duplicates"])
def test_loops_and_voids_match_gudhi(engine, name):
    gudhi = pytest.importorskip("gudhi")
    points = CLOUDS[name][:24]
    tree = gudhi.RipsComplex(distance_matrix=pairwise_distances(points).numpy()).create_simplex_tree(max_dimension=3)
    tree.compute_persistence()
    for dimension in (1, 2):
        diagram = tree.persistence_intervals_in_dimension(dimension).reshape(-1, 2)
        np.testing.assert_allclose(
            lengths(points, dimension, engine), significant(diagram, points), atol=1e-5 * scale(points)
        )


def test_distances_are_symmetric_with_a_zero_diagonal_and_exact_for_near_duplicates():
    points = near_duplicates(1e-4, groups=6, each=5, d=64)
    distances = pairwise_distances(points)
    exact = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(distances.double(), exact, rtol=1e-4, atol=0)
    assert (distances.diagonal() == 0).all()


def test_auto_takes_the_first_installed_engine(monkeypatch):
    pytest.importorskip("gph")
    assert rips.installed_engine("auto") in MODULES
    monkeypatch.setitem(rips.MODULES, "redzed", "no_such_module")
    assert rips.installed_engine("auto") == "giotto-ph"


@pytest.mark.parametrize(
    ("engine", "packages"),
    [("auto", "redzed-tda or giotto-ph"), ("redzed", "redzed-tda"), ("giotto-ph", "giotto-ph")],
)
def test_a_missing_engine_is_named_together_with_its_extra(monkeypatch, engine, packages):
    for name in MODULES:
        monkeypatch.setitem(rips.MODULES, name, "no_such_module")
    message = (
        f"Homology of dimension 1 and above needs {packages}, which is not installed; "
        'run `pip install "st-isotropy[homology]"`.'
    )
    with pytest.raises(ImportError) as error:
        critical_edges(torch.zeros(4, 4), 1, engine)
    assert str(error.value) == message


def test_an_unknown_engine_raises_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError) as error:
        critical_edges(torch.zeros(4, 4), 1, "gudhi")
    assert str(error.value) == "The engine is 'gudhi', which is unknown; use 'auto', 'redzed', 'giotto-ph'."


@pytest.mark.parametrize(("search", "dimension"), [(barcode, -1), (critical_edges, -1), (critical_edges, 0)])
def test_a_dimension_that_no_engine_knows_is_refused_in_one_sentence(search, dimension):
    with pytest.raises(ValueError) as error:
        search(torch.zeros(4, 4), dimension)
    assert (
        str(error.value) == f"The dimension is {dimension}; use 1 or more, or 0, for which `barcode` needs no engine."
    )


def test_h0_needs_no_engine(monkeypatch):
    for name in MODULES:
        monkeypatch.setitem(rips.MODULES, name, "no_such_module")
    assert len(barcode(gauss(5, 2)).lengths) == 4


def test_distances_are_computed_in_float32_under_bfloat16_autocast():
    points = CLOUDS["cone"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pairwise_distances(points)
    assert torch.equal(inside, pairwise_distances(points))


@engines
def test_non_finite_distances_raise(engine):
    pytest.importorskip(MODULES[engine])
    distances = pairwise_distances(gauss(5, 2))
    distances[1, 2] = float("nan")
    with pytest.raises(ValueError, match=r"^The 5 x 5 distance matrix has a NaN or infinite entry; a barcode needs"):
        critical_edges(distances, 1, engine)


@pytest.mark.slow
def test_giotto_asked_for_by_name_warns_where_it_takes_seconds():
    pytest.importorskip("gph")
    cloud = torch.nn.functional.normalize(gauss(256, 384))  # all distances are nearly equal
    rips.warn_of_giotto.cache_clear()
    with pytest.warns(UserWarning) as caught:
        barcode(cloud, 1, "giotto-ph")
    assert [str(warning.message) for warning in caught] == [
        "giotto-ph takes more than 1 s for the bars of dimension 1 of 256 points, for which redzed-tda needs a small "
        "part of that; use engine='redzed', or 'auto' for the faster one installed."
    ]
    assert Path(caught[0].filename).name == Path(__file__).name


def test_giotto_warns_once_for_a_size(monkeypatch):
    pytest.importorskip("gph")
    monkeypatch.setattr(rips, "PATIENCE", 0)
    rips.warn_of_giotto.cache_clear()
    with pytest.warns(UserWarning, match="dimension 1 of 24 points") as caught:
        barcode(circle(), 1, "giotto-ph")
        barcode(circle(), 1, "giotto-ph")
    assert len(caught) == 1


@pytest.mark.parametrize("engine", ["auto", "redzed", "giotto-ph"])
def test_no_engine_warns_on_a_cloud_it_is_fast_on(engine, recwarn):
    if engine != "auto":
        pytest.importorskip(MODULES[engine])
    rips.warn_of_giotto.cache_clear()
    barcode(circle(), 1, engine)
    assert list(recwarn) == []


def test_the_default_engine_does_not_warn_however_long_it_takes(monkeypatch, recwarn):
    pytest.importorskip("redzed_tda")
    monkeypatch.setattr(rips, "PATIENCE", 0)
    barcode(circle(), 1)
    assert list(recwarn) == []
