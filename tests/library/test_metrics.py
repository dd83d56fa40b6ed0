import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform
from torch.nn.functional import normalize

from st_isotropy import isotropy
from st_isotropy.metrics import (
    CATALOG,
    Cloud,
    alignment,
    anti_hub_share,
    as_cloud,
    average_cosine,
    effective_rank,
    first_component_share,
    hubness_skewness,
    isoscore,
    k_occurrences,
    largest_coordinate_share,
    largest_hub,
    mean_mst_length,
    neighbors,
    participation_ratio,
    partition_ratio,
    persistent_entropy,
    ph_dimension,
    second_moment,
    twonn_dimension,
    uniformity,
)
from st_isotropy.metrics import isotropic as isotropic_module
from st_isotropy.metrics.isotropic import IsotropicCloud, isotropic_values, simulate_isotropic

COUNT, WIDTH = 2000, 64
SIX = torch.cat([torch.eye(3), -torch.eye(3)])  # the corners of an octahedron


def gaussian(count=COUNT, width=WIDTH, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def constructed_clouds():
    rows, axis = gaussian(), torch.eye(WIDTH)[0]
    subspace = torch.linalg.qr(gaussian(WIDTH, 16, seed=3))[0]
    centers = gaussian(10, seed=2)[torch.randint(10, (COUNT,), generator=torch.Generator().manual_seed(4))]
    return {
        "gaussian": rows,
        "sphere": normalize(rows, dim=1),
        "cone": rows + 8 * axis,
        "narrow cap": normalize(rows, dim=1) + 10 * axis,
        "line": gaussian(width=1, seed=1) * axis + 1e-3 * rows,
        "point": axis + 1e-3 * rows,
        "power law": rows / torch.arange(1, WIDTH + 1).sqrt(),
        "rogue": rows * torch.where(torch.arange(WIDTH) < 3, 10.0, 1.0),
        "clusters": centers + 0.2 * rows,
        "rank d/4": rows[:, :16] @ subspace.T,
    }


@pytest.fixture(scope="module")
def clouds():
    return constructed_clouds()


# Values that the same constructions gave in an independent implementation (raw rows; the barcode on unit rows).
# name: isoscore, average cosine, uniformity, effective rank, uncentered, first component, MST total, d E[cos^2]
REFERENCE = {
    "gaussian": (0.967, 0.000, -3.88, 63.7, 63.7, 0.022, 2180.9, 1.00),
    "sphere": (0.968, 0.000, -3.88, 63.7, 63.7, 0.021, 2180.9, 1.00),
    "cone": (0.969, 0.502, -1.94, 63.7, 55.8, 0.021, 1491.7, 16.54),
    "narrow cap": (0.953, 0.990, -0.04, 63.0, 12.2, 0.021, 206.7, 62.76),
    "line": (0.000, 0.000, -0.72, 1.6, 1.6, 1.000, 73.7, 62.65),
    "point": (0.969, 1.000, 0.00, 63.7, 1.6, 0.022, 16.6, 63.99),
    "power law": (0.197, 0.000, -3.55, 54.8, 54.8, 0.218, 1752.7, 3.69),
    "rogue": (0.054, 0.000, -2.79, 42.9, 42.9, 0.287, 1123.6, 11.60),
    "rank d/4": (0.236, 0.000, -3.51, 16.0, 16.0, 0.073, 1464.1, 4.00),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_constructed_clouds_have_their_reference_values(clouds, name):
    cloud = as_cloud(clouds[name])
    measured = (
        isoscore(cloud),
        average_cosine(cloud),
        uniformity(cloud),
        effective_rank(cloud),
        effective_rank(cloud, center=False),
        first_component_share(cloud),
        mean_mst_length(cloud) * (COUNT - 1),
        second_moment(cloud),
    )
    assert measured == pytest.approx(REFERENCE[name], rel=0.08, abs=0.006)


def test_hubs_appear_in_a_cone_and_not_on_the_sphere(clouds):
    assert hubness_skewness(clouds["sphere"]) == pytest.approx(0.3, abs=0.15)
    assert anti_hub_share(clouds["sphere"]) < 0.001
    cone = normalize(clouds["cone"], dim=1)
    assert hubness_skewness(cone) == pytest.approx(3.58, rel=0.15)
    assert anti_hub_share(cone) == pytest.approx(0.10, abs=0.02)
    assert largest_hub(cone) > 4 * largest_hub(clouds["sphere"])


def test_persistent_entropy_sees_clusters_but_not_the_cone(clouds):
    entropies = {name: persistent_entropy(rows) for name, rows in clouds.items()}
    assert entropies["gaussian"] > 0.9998
    assert entropies["narrow cap"] > 0.9997
    assert 0.995 < entropies["clusters"] < 0.998
    assert entropies["line"] < 0.9


def test_isoscore_equals_its_published_formula(clouds):
    for name, rows in clouds.items():
        spectrum = torch.linalg.eigvalsh(torch.cov(rows.T.double())).clamp(min=0)
        flat = spectrum * math.sqrt(WIDTH) / spectrum.norm()
        distance = (flat - 1).norm() / math.sqrt(2 * (WIDTH - math.sqrt(WIDTH)))
        published = ((WIDTH - distance**2 * (WIDTH - math.sqrt(WIDTH))) ** 2 - WIDTH) / (WIDTH * (WIDTH - 1))
        assert isoscore(rows) == pytest.approx(published.item(), abs=1e-6), name


@pytest.mark.parametrize("shape", [(12, 30), (40, 6)])
def test_the_participation_ratio_is_that_of_the_eigenvalues(shape):
    """More rows than columns and fewer: it is taken from the smaller matrix, without a decomposition."""
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * torch.arange(1, shape[1] + 1)
    spectrum = as_cloud(rows).spectrum
    expected = float(spectrum.sum() ** 2 / (spectrum**2).sum())
    assert participation_ratio(rows) == pytest.approx(expected, rel=1e-10)
    assert participation_ratio(rows[:1].expand(shape)) == 1


def test_measures_of_a_regular_cross_polytope_have_closed_forms():
    assert participation_ratio(SIX) == pytest.approx(3)
    assert isoscore(SIX) == pytest.approx(1)
    assert effective_rank(SIX) == pytest.approx(3)
    assert first_component_share(SIX) == pytest.approx(1 / 3)
    assert largest_coordinate_share(SIX) == pytest.approx(1)
    assert largest_coordinate_share(SIX + torch.tensor([9.0, 0, 0]), center=True) == pytest.approx(1)
    assert partition_ratio(SIX) == pytest.approx(1)
    assert average_cosine(SIX) == pytest.approx(-1 / 5)  # three opposite pairs among fifteen
    assert second_moment(SIX) == pytest.approx(3 / 5)
    assert uniformity(SIX) == pytest.approx(math.log((12 * math.exp(-4) + 3 * math.exp(-8)) / 15))
    assert mean_mst_length(SIX) == pytest.approx(math.sqrt(2))
    assert persistent_entropy(SIX) == pytest.approx(1)
    assert persistent_entropy(SIX, normalize=False) == pytest.approx(math.log(5))
    assert hubness_skewness(SIX) == 0  # five others, all of them among the nearest
    assert largest_hub(SIX) == 5


def test_pair_measures_agree_with_naive_loops():
    rows = gaussian(30, 5, seed=7) + 1
    unit = normalize(rows, dim=1).double().numpy()
    pairs = [(u, v) for i, u in enumerate(unit) for j, v in enumerate(unit) if i != j]
    assert average_cosine(rows) == pytest.approx(np.mean([u @ v for u, v in pairs]), abs=1e-6)
    assert second_moment(rows) == pytest.approx(5 * np.mean([(u @ v) ** 2 for u, v in pairs]), rel=1e-5)
    potential = np.mean([math.exp(-2 * np.sum((u - v) ** 2)) for u, v in pairs])
    assert uniformity(rows) == pytest.approx(math.log(potential), abs=1e-6)
    centered = (rows - rows.mean(dim=0)).double().numpy()
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    loop = np.mean([centered[i] @ centered[j] for i in range(30) for j in range(30) if i != j])
    assert average_cosine(rows, center=True) == pytest.approx(loop, abs=1e-6)


def test_the_partition_ratio_runs_over_both_signs_of_the_eigenvector_columns():
    rows = (gaussian(40, 6, seed=8) * torch.arange(1, 7) / 4 + 0.3).double()
    columns = torch.linalg.eigh(rows.T @ rows).eigenvectors.T
    sums = [torch.exp(rows @ (sign * column)).sum().item() for column in columns for sign in (1, -1)]
    assert partition_ratio(rows) == pytest.approx(min(sums) / max(sums))


def test_neighbor_counts_agree_with_scikit_learn():
    search = pytest.importorskip("sklearn.neighbors").NearestNeighbors
    rows, queries = gaussian(300, 12, seed=1) + 1, gaussian(70, 12, seed=2) + 1
    for similarity, metric in (("cosine", "cosine"), ("euclidean", "euclidean")):
        fitted = search(n_neighbors=10, metric=metric, algorithm="brute").fit(rows.numpy())
        own = np.bincount(fitted.kneighbors(return_distance=False).ravel(), minlength=300)
        asked = np.bincount(fitted.kneighbors(queries.numpy(), return_distance=False).ravel(), minlength=300)
        assert (k_occurrences(rows, similarity=similarity) == own).all()
        assert (k_occurrences(rows, queries, similarity=similarity) == asked).all()
    products = (queries @ rows.T).topk(10, dim=1).indices
    assert (k_occurrences(rows, queries, similarity="dot") == np.bincount(products.ravel(), minlength=300)).all()


def test_a_row_of_zeros_is_no_hub_and_finds_nothing_by_cosine_or_dot_product():
    """A text without a known token has such an embedding on a static model."""
    search = pytest.importorskip("sklearn.neighbors").NearestNeighbors
    rows, queries = gaussian(300, 12, seed=1), gaussian(70, 12, seed=2)
    rows[7] = 0
    fitted = search(n_neighbors=10, metric="cosine", algorithm="brute").fit(rows.numpy())
    asked = np.bincount(fitted.kneighbors(queries.numpy(), return_distance=False).ravel(), minlength=300)
    found = k_occurrences(rows, queries)
    assert (found == asked).all()
    assert found[7] == 0
    assert k_occurrences(rows)[7] == 0
    assert k_occurrences(rows, similarity="euclidean")[7] > 50  # there it is in the middle of all
    queries[[3, 5]] = 0
    for similarity in ("cosine", "dot"):
        assert k_occurrences(rows, queries, similarity=similarity).sum() == 68 * 10
    assert isotropy(rows)["hubness_skewness"].level == 0


def test_neighbor_counts_do_not_depend_on_the_block_size(monkeypatch):
    rows = gaussian(257, 9)
    whole = k_occurrences(rows)
    monkeypatch.setattr(neighbors, "_SCORES_PER_BLOCK", 257 * 10)
    assert (k_occurrences(rows) == whole).all()
    assert whole.sum() == 257 * 10


def test_neighbors_in_a_very_narrow_cone_are_those_found_in_float64():
    rows = normalize(gaussian(400, 16), dim=1).double() * 1e-3 + torch.eye(16)[0]
    distances = squareform(pdist(normalize(rows.float(), dim=1).double().numpy()))
    np.fill_diagonal(distances, np.inf)
    exact = np.bincount(distances.argsort(axis=1)[:, :10].ravel(), minlength=400)
    assert np.abs(k_occurrences(rows.float()) - exact).mean() < 0.05


def test_the_barcode_measures_agree_with_scipy_and_persim():
    rows = gaussian(150, 10, seed=5) + 0.5
    unit = normalize(rows, dim=1).double().numpy()
    lengths = minimum_spanning_tree(squareform(pdist(unit))).data
    assert mean_mst_length(rows) == pytest.approx(lengths.mean(), rel=1e-5)
    persim = pytest.importorskip("persim.persistent_entropy")
    diagram = np.stack([np.zeros(len(lengths)), lengths], axis=1)
    assert persistent_entropy(rows, normalize=False) == pytest.approx(persim.persistent_entropy([diagram])[0], rel=1e-5)


def test_twonn_agrees_with_scikit_dimension():
    estimator = pytest.importorskip("skdim").id.TwoNN
    for width in (3, 12):
        rows = gaussian(1000, width, seed=width).numpy()
        assert twonn_dimension(rows) == pytest.approx(estimator(discard_fraction=0.1).fit(rows).dimension_, rel=1e-3)


@pytest.mark.parametrize("sphere", [1, 2, 4])
def test_intrinsic_dimensions_of_a_sphere_in_a_wide_space_are_found(sphere):
    frame = torch.linalg.qr(gaussian(50, sphere + 1, seed=9))[0]
    rows = simulate_isotropic(1500, sphere + 1) @ frame.T
    assert twonn_dimension(rows) == pytest.approx(sphere, rel=0.15)
    assert ph_dimension(rows) == pytest.approx(sphere, rel=0.2)


def test_alignment_is_the_mean_squared_distance_of_partners():
    first, second = gaussian(20, 4), gaussian(20, 4, seed=1)
    gaps = normalize(first, dim=1) - normalize(second, dim=1)
    assert alignment(first, second) == pytest.approx(gaps.square().sum(dim=1).mean().item(), rel=1e-5)
    assert alignment(first, 3 * first) == pytest.approx(0, abs=1e-10)
    assert alignment(first, -first) == pytest.approx(4)


@pytest.mark.parametrize("name", [name for name, each in CATALOG.items() if each.second is None])
def test_no_measure_of_the_sphere_depends_on_rotation_order_or_array_type(name):
    rows = normalize(gaussian(120, 8) + 0.4, dim=1)
    value = isotropy(rows, names=[name])[name].value
    permuted = rows[torch.randperm(120, generator=torch.Generator().manual_seed(0))]
    assert isotropy(permuted, names=[name])[name].value == pytest.approx(value, rel=2e-3 if "dim" not in name else 0.3)
    assert isotropy(rows.numpy(), names=[name])[name].value == value
    if "coordinate" not in name:
        rotation = torch.linalg.qr(gaussian(8, 8, seed=3))[0]
        assert isotropy(rows @ rotation, names=[name])[name].value == pytest.approx(value, rel=1e-3, abs=1e-5)


def test_scale_changes_no_measure_under_cosine():
    rows = gaussian(100, 6) + 0.5
    measured = isotropy(rows)
    for scale in (100, 1e-20, 1e30):  # in float32, where the squares of the last two are 0 and infinite
        for name, scaled in isotropy(rows * scale).items():
            assert scaled.value == pytest.approx(measured[name].value, rel=1e-4, abs=1e-6), (name, scale)


def test_closed_forms_for_isotropic_clouds_agree_with_simulation():
    closed = [name for name, each in CATALOG.items() if each.closed_form is not None and each.second is None]
    assert {"average_cosine", "isoscore", "uniformity", "second_moment"} <= set(closed)
    values = isotropic_values(tuple(closed), IsotropicCloud(500, 40))
    draws = [as_cloud(simulate_isotropic(500, 40, seed=seed)) for seed in range(8)]
    for name in closed:
        simulated = np.mean([CATALOG[name].compute(draw) for draw in draws])
        assert values[name] == pytest.approx(simulated, rel=0.01, abs=1e-3), name


def test_isotropic_isoscore_is_low_for_few_rows_as_theory_says():
    for count, width in ((32, 64), (640, 64), (384, 384), (2000, 384)):
        isotropic = IsotropicCloud(count, width)
        ratio = isotropic_values(("participation_ratio",), isotropic)["participation_ratio"]
        assert ratio / width == pytest.approx(1 / (1 + width / count), rel=0.03)
        assert isotropic_values(("isoscore",), isotropic)["isoscore"] == pytest.approx((ratio - 1) / (width - 1))


def test_every_measure_of_an_isotropic_cloud_reads_as_unremarkable():
    measures = isotropy(simulate_isotropic(600, 32, seed=5), queries=simulate_isotropic(300, 32, seed=6))
    assert {name for name, measure in measures.items() if measure.level} == set()
    for name, measure in measures.items():
        assert measure.low - 1e-6 <= measure.value <= measure.high + 1e-6, name
        assert measure.low - 1e-6 <= measure.isotropic <= measure.high + 1e-6, name


def test_measures_stay_in_their_range_on_every_constructed_cloud(clouds):
    for cloud, rows in clouds.items():
        for name, measure in isotropy(rows[:300], sample_size=150).items():
            tolerance = 1e-5 * max(1, abs(measure.value))
            assert measure.low - tolerance <= measure.value <= measure.high + tolerance, (cloud, name)


def documented_sight():
    page = (Path(__file__).parents[2] / "docs" / "measures.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| (yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    return {name: (mean == "yes", rank == "yes") for name, mean, rank in rows}


def test_which_measures_see_the_mean_and_which_see_rank():
    rows = simulate_isotropic(COUNT, WIDTH, seed=2)
    subspace = torch.linalg.qr(gaussian(WIDTH, 16, seed=3))[0]
    expected = documented_sight()
    names = list(expected)
    assert len(names) == 17
    flat = isotropy(rows, names=names)
    # The shifted rows are left as they are, so that only their place differs and not their shape.
    shifted = isotropy(rows + 3 * torch.eye(WIDTH)[0], names=names, similarity="euclidean")
    reduced = isotropy(rows[:, :16] @ subspace.T, names=names)
    seen = {}
    for name in names:
        floor = max(abs(flat[name].value), 0.02)
        changes = [abs(other[name].value - flat[name].value) / floor for other in (shifted, reduced)]
        seen[name] = tuple(change > 0.3 for change in changes)
    # Hubness under Euclidean distance is blind to a shift; under cosine the shift makes a cone, and that makes hubs.
    seen["hubness_skewness"] = (
        isotropy(rows + 3 * torch.eye(WIDTH)[0], names=["hubness_skewness"])["hubness_skewness"].level > 0,
        seen["hubness_skewness"][1],
    )
    assert seen == expected


def test_measures_over_all_pairs_run_on_a_sample_of_stated_size():
    rows = gaussian(500, 8)
    measures = isotropy(rows, sample_size=100)
    assert {name for name, measure in measures.items() if measure.points == 100} == {
        "uniformity",
        "mean_mst_length",
        "persistent_entropy",
        "persistent_entropy_nats",
        "twonn_dimension",
        "ph_dimension",
    }
    assert measures["isoscore"].points == 500
    assert isotropy(rows, sample_size=100, seed=1)["uniformity"].value != measures["uniformity"].value
    assert isotropy(rows, sample_size=100, seed=0) == measures


def test_queries_and_partners_add_their_measures():
    rows, queries = gaussian(100, 8), gaussian(50, 8, seed=1)
    plain = set(isotropy(rows))
    assert set(isotropy(rows, queries=queries)) - plain == {
        "hubness_skewness_queries",
        "anti_hub_share_queries",
        "largest_hub_queries",
    }
    assert set(isotropy(rows, partners=rows)) - plain == {"alignment"}
    assert isotropy(rows, partners=rows)["alignment"].value == pytest.approx(0, abs=1e-10)


def test_queries_are_measured_under_the_similarity_of_a_cloud(clouds):
    rows = torch.randn(300, 8) * torch.linspace(0.1, 10, 300)[:, None]
    names = ["hubness_skewness_queries", "largest_hub_queries"]
    from_cloud = isotropy(as_cloud(rows, "euclidean"), queries=rows[:50], names=names)
    assert from_cloud == isotropy(rows, queries=rows[:50], names=names, similarity="euclidean")


def test_few_isotropic_rows_have_no_remarkable_intrinsic_dimension():
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        measure = isotropy(torch.randn(100, 64, generator=generator), names=["ph_dimension"])["ph_dimension"]
        assert math.isinf(measure.isotropic)
        assert measure.level == 0


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_hubs_of_directions_without_a_preference_are_unremarkable_whatever_the_norms(similarity):
    """Long rows are near to many by dot product, and far from all by distance: the reference must have them, too."""
    norms = torch.exp(0.3 * torch.randn(1200, generator=torch.Generator().manual_seed(0)))
    rows, queries = (simulate_isotropic(count, 32, seed=seed) for seed, count in ((1, 1200), (2, 600)))
    names = [name for name, definition in CATALOG.items() if definition.scope == "search"]
    measures = isotropy(rows * norms[:, None], queries=queries, names=names, similarity=similarity)
    assert len(names) == 6
    for name, measure in measures.items():
        assert measure.level == 0, (name, measure)
        assert measure.value == pytest.approx(measure.isotropic, rel=0.25, abs=0.05), name


def test_the_isotropic_value_does_not_depend_on_the_scale_under_dot_products():
    rows = torch.randn(100, 16, generator=torch.Generator().manual_seed(0))
    names = ["effective_rank", "mean_mst_length"]
    large, small = (isotropy(rows * scale, names=names, similarity="dot") for scale in (1.0, 1e-7))
    for name in names:
        assert small[name].isotropic == pytest.approx(large[name].isotropic, rel=1e-3)


def test_rows_that_all_coincide_get_the_worst_value_and_no_nan():
    measures = isotropy(torch.ones(30, 4))
    assert all(math.isfinite(measure.value) for measure in measures.values())
    assert measures["isoscore"].value == 0
    assert measures["average_cosine"].value == pytest.approx(1)
    assert measures["first_component_share"].value == 1
    assert measures["mean_mst_length"].value == 0
    assert measures["twonn_dimension"].value == 0


def test_duplicates_leave_every_measure_finite():
    rows = gaussian(40, 6)
    assert all(math.isfinite(each.value) for each in isotropy(torch.cat([rows, rows])).values())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.ones(5), r"shape \(5,\); pass one embedding per row"),
        (torch.ones(1, 5), r"shape \(1, 5\)"),
        (torch.ones(2, 3, 4), r"shape \(2, 3, 4\)"),
        (torch.tensor([[1.0, 2.0], [math.nan, 0.0], [math.inf, 1.0]]), "2 of 3 embeddings hold NaN.*first in row 1"),
    ],
)
def test_bad_rows_are_refused_in_one_sentence(rows, message):
    with pytest.raises(ValueError, match=message) as error:
        isotropy(rows)
    assert "\n" not in str(error.value)


def test_an_unknown_similarity_is_refused():
    with pytest.raises(ValueError, match="The similarity must be one of cosine, dot, euclidean, manhattan, not 'cos'"):
        isotropy(torch.eye(4), similarity="cos")


def test_unknown_measures_are_answered_with_near_names():
    with pytest.raises(ValueError, match=r"no measure 'iso_score'; did you mean isoscore"):
        isotropy(torch.eye(4), names=["iso_score"])


def test_measures_that_lack_their_second_cloud_say_which():
    with pytest.raises(
        ValueError, match=r"'alignment' needs partners, but none were given; `isotropy\(..., partners=\)` takes"
    ):
        isotropy(torch.eye(4), names=["alignment"])


def test_queries_of_another_width_are_refused():
    with pytest.raises(ValueError, match="corpus has 4 dimensions but the queries have 3"):
        isotropy(torch.eye(4), queries=torch.eye(3))
    with pytest.raises(ValueError, match=r"shapes are \(4, 4\) and \(3, 3\)"):
        alignment(torch.eye(4), torch.eye(3))


def test_a_cloud_is_searched_once_for_all_measures_of_hubness(monkeypatch):
    searches = []
    monkeypatch.setattr("st_isotropy.metrics.cloud.k_occurrences", lambda *a, **k: searches.append(1) or np.arange(4))
    cloud = Cloud(torch.eye(4))
    hubness_skewness(cloud), anti_hub_share(cloud), largest_hub(cloud)
    assert len(searches) == 1


def test_above_the_most_searched_rows_a_part_is_searched_and_queries_are_thinned_alike(monkeypatch):
    """So that a row is found as often on average as in the whole cloud."""
    searches = []

    def recorded(points, queries, **options):
        searches.append((len(points), None if queries is None else len(queries)))
        return k_occurrences(points, queries, **options)

    monkeypatch.setattr("st_isotropy.metrics.cloud.k_occurrences", recorded)
    monkeypatch.setattr("st_isotropy.metrics.isotropic.MOST_SEARCHED", 100)
    names = ("hubness_skewness", "hubness_skewness_queries")
    clouds = (IsotropicCloud(count, 8, asking=count // 5) for count in (100, 400))
    small, large = (isotropic_values.__wrapped__(names, cloud) for cloud in clouds)
    assert searches == [(100, None), (100, 20)] * 2
    assert large == pytest.approx(small, abs=0.6)


@pytest.mark.slow
def test_memory_stays_bounded_when_the_distance_matrix_would_not_fit():
    program = (
        "import resource, numpy as np\n"
        "from st_isotropy import isotropy\n"
        "rows = np.random.default_rng(0).standard_normal((60_000, 32), dtype=np.float32)\n"
        "isotropy(rows[:500])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "isotropy(rows)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)\n"
    )
    grown = float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert grown < 800  # MB; the distances of 60,000 rows take 14,400


def test_twonn_without_discarding_is_finite():
    rows = simulate_isotropic(500, 3)
    assert twonn_dimension(rows, discard=0) == pytest.approx(twonn_dimension(rows), rel=0.3)


def test_closed_forms_are_given_without_a_simulation(monkeypatch):
    monkeypatch.setattr(isotropic_module, "simulate_isotropic", None)
    isotropic_values.cache_clear()
    assert isotropic_values(("average_cosine", "second_moment"), IsotropicCloud(50, 8)) == {
        "average_cosine": 0.0,
        "second_moment": 1.0,
    }


def test_sparse_embeddings_are_refused():
    with pytest.raises(
        ValueError, match="dense embeddings, but these are sparse; use a SentenceTransformer, not a SparseEncoder"
    ):
        isotropy(gaussian(30, 6).to_sparse())


def test_the_deprecated_names_still_work_and_say_what_takes_their_place():
    with pytest.warns(DeprecationWarning, match=r"metrics.CATALOGUE is deprecated; use st_isotropy.metrics.CATALOG\.$"):
        from st_isotropy.metrics import CATALOGUE
    assert CATALOGUE is CATALOG
    with pytest.warns(DeprecationWarning, match="isotropic_values is deprecated; st_isotropy.isotropy gives each"):
        from st_isotropy.metrics import isotropic_values as deprecated
    rows = gaussian(30, 6)
    assert deprecated(("isoscore",), 30, 6)["isoscore"] == isotropy(rows, names=["isoscore"])["isoscore"].isotropic
    with pytest.raises(ImportError, match="cannot import name 'isotropic_value'"):
        from st_isotropy.metrics import isotropic_value  # noqa: F401
