import math
import re
from pathlib import Path

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import GlobalOrthogonalRegularizationLoss
from torch.nn.functional import normalize

from st_isotropy import RegularizedLoss, metrics
from st_isotropy.regularizers import (
    Covariance,
    GlobalOrthogonal,
    IsoScoreStar,
    KoLeo,
    MeanCosine,
    MSTLength,
    PersistentEntropy,
    SIGReg,
    Uniformity,
)

ALL = (
    PersistentEntropy(),
    PersistentEntropy(scale="absolute"),
    MSTLength(),
    KoLeo(),
    Uniformity(),
    GlobalOrthogonal(),
    MeanCosine(),
    Covariance(),
    IsoScoreStar(),
    SIGReg(),
)
PAGE = Path(__file__).parents[2] / "docs" / "regularizers.md"
every = pytest.mark.parametrize("regularizer", ALL, ids=lambda each: each.name)


def cloud(count=24, width=8, seed=0, shift=0.5, dtype=torch.float32):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift
    return rows.to(dtype)


def penalty(regularizer, rows):
    torch.manual_seed(0)  # the random projections of SIGReg
    return regularizer(rows)


def gradient(regularizer, rows):
    leaf = rows.clone().requires_grad_()
    penalty(regularizer, leaf).backward()
    return leaf.grad


@every
def test_a_penalty_is_a_scalar_with_a_gradient_for_every_row(regularizer):
    rows = cloud()
    value = penalty(regularizer, rows)
    assert value.shape == ()
    moved = gradient(regularizer, rows)
    assert moved.isfinite().all()
    assert (moved.norm(dim=1) > 0).all()


@every
def test_the_gradient_is_that_of_finite_differences(regularizer):
    rows = cloud(7, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda leaf: penalty(regularizer, leaf), (rows,))


@every
def test_precision_changes_the_penalty_only_by_rounding(regularizer):
    exact = penalty(regularizer, cloud(dtype=torch.float64))
    assert exact.dtype == torch.float64
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.1)):
        value = penalty(regularizer, cloud(dtype=dtype))
        assert value.dtype == torch.float32
        if regularizer.name != "sigreg":  # its directions are drawn in the precision of the rows
            assert value.item() == pytest.approx(exact.item(), rel=tolerance, abs=2e-3)


@every
@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_give_a_zero_that_is_connected_to_the_graph(regularizer, count):
    rows = cloud(count).requires_grad_()
    value = penalty(regularizer, rows)
    assert value.item() == 0
    value.backward()
    assert (rows.grad == 0).all()


@every
def test_two_rows_give_a_finite_gradient(regularizer):
    assert gradient(regularizer, cloud(2)).isfinite().all()


@every
def test_duplicates_and_a_row_of_zeros_give_a_finite_gradient(regularizer):
    for rows in (torch.ones(5, 3), torch.cat([cloud(), cloud()]), torch.cat([cloud(), torch.zeros(1, 8)])):
        leaf = rows.clone().requires_grad_()
        value = penalty(regularizer, leaf)
        value.backward()
        assert value.isfinite()
        assert leaf.grad.isfinite().all()


@every
def test_a_row_of_zeros_has_no_direction_and_gets_no_gradient(regularizer):
    rows = cloud()
    rows[3] = 0
    moved = gradient(regularizer, rows).norm(dim=1)
    assert moved[3] == 0 and moved.max() < 10


@every
def test_neither_the_order_nor_the_norms_of_rows_matter(regularizer):
    rows = cloud(dtype=torch.float64)
    value = penalty(regularizer, rows).item()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    norms = torch.rand(len(rows), 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.5
    assert penalty(regularizer, rows[order]).item() == pytest.approx(value, rel=1e-9)
    assert penalty(regularizer, rows * norms).item() == pytest.approx(value, rel=1e-9)


@every
def test_following_the_gradient_lowers_the_penalty(regularizer):
    rows = normalize(cloud(32, 8, shift=1.0, dtype=torch.float64), dim=1)
    before = penalty(regularizer, rows).item()
    for _ in range(20):
        step = gradient(regularizer, rows)
        rows = normalize(rows - 0.01 * step / step.norm(dim=1).max(), dim=1)
    assert penalty(regularizer, rows).item() < before


@every
def test_every_regularizer_works_in_a_regularized_loss(regularizer, model, sentences):
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    loss = RegularizedLoss(model, losses.MultipleNegativesRankingLoss(model), regularizer, weight=0.5)
    features = [model.preprocess(sentences(8, seed=1)), model.preprocess(sentences(8, seed=2))]
    terms = loss(features, None)
    assert set(terms) == {"base_loss", f"{regularizer.name}_loss"}
    terms.backward()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
    assert "title=" in regularizer.citation or "title = " in regularizer.citation


def test_all_regularizers_work_together_in_one_loss(model, sentences):
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    loss = RegularizedLoss(model, losses.CoSENTLoss(model), [(each, 0.1) for each in ALL])
    features = [model.preprocess(sentences(8, seed=1)), model.preprocess(sentences(8, seed=2))]
    terms = loss(features, torch.rand(8))
    assert len(terms) == len(ALL) + 1
    assert sum(value.item() for value in terms.values()) == pytest.approx(terms.total.item(), rel=1e-5)


def test_koleo_agrees_with_a_naive_loop():
    rows = normalize(cloud(dtype=torch.float64), dim=1)
    nearest = [min((rows[i] - rows[j]).norm() for j in range(24) if j != i) for i in range(24)]
    assert KoLeo()(cloud(dtype=torch.float64)).item() == pytest.approx(-sum(math.log(each) for each in nearest) / 24)


def test_uniformity_agrees_with_a_naive_loop():
    rows = normalize(cloud(dtype=torch.float64), dim=1)
    potentials = [math.exp(-3 * (rows[i] - rows[j]).square().sum()) for i in range(24) for j in range(i)]
    assert Uniformity(3.0)(cloud(dtype=torch.float64)).item() == pytest.approx(
        math.log(sum(potentials) / len(potentials))
    )


def test_mst_length_is_zero_for_a_simplex_and_largest_for_a_point():
    simplex = torch.eye(5, dtype=torch.float64) - 0.2
    assert MSTLength()(simplex).item() == pytest.approx(0, abs=1e-12)
    assert MSTLength()(torch.ones(5, 3)).item() == pytest.approx(math.sqrt(2 * 5 / 4), rel=1e-6)
    assert MSTLength()(cloud(shift=3.0)) > MSTLength()(cloud(shift=1.0)) > MSTLength()(cloud(shift=0.0))


def test_global_orthogonal_is_what_sentence_transformers_computes(model):
    theirs = GlobalOrthogonalRegularizationLoss(model, mean_weight=2.0, second_moment_weight=0.5)
    terms = theirs.compute_loss_from_embeddings([cloud()])
    assert GlobalOrthogonal(2.0, 0.5)(cloud()).item() == pytest.approx(sum(each.item() for each in terms.values()))


def test_global_orthogonal_agrees_with_a_naive_loop():
    rows = normalize(cloud(dtype=torch.float64), dim=1)
    cosines = [float(rows[i] @ rows[j]) for i in range(24) for j in range(24) if i != j]
    mean, second = sum(cosines) / len(cosines), sum(each * each for each in cosines) / len(cosines)
    value = GlobalOrthogonal(2.0, 0.5)(cloud(dtype=torch.float64))
    assert value.item() == pytest.approx(2 * mean * mean + 0.5 * max(0.0, second - 1 / 8))


def test_mean_cosine_agrees_with_a_naive_loop():
    rows = normalize(cloud(dtype=torch.float64), dim=1)
    cosines = [float(rows[i] @ rows[j]) for i in range(24) for j in range(24) if i != j]
    assert MeanCosine()(cloud(dtype=torch.float64)).item() == pytest.approx(sum(cosines) / len(cosines))


def test_covariance_agrees_with_a_naive_loop_and_is_zero_when_coordinates_are_free():
    rows = normalize(cloud(dtype=torch.float64), dim=1) * math.sqrt(8)
    matrix = torch.cov(rows.T)
    variance = sum(max(0.0, 1 - math.sqrt(matrix[j, j] + 1e-4)) for j in range(8)) / 8
    covariance = sum(float(matrix[i, j]) ** 2 for i in range(8) for j in range(8) if i != j) / 8
    assert Covariance(1.0, 0.0)(cloud(dtype=torch.float64)).item() == pytest.approx(variance)
    assert Covariance(0.0, 1.0)(cloud(dtype=torch.float64)).item() == pytest.approx(covariance)
    corners = torch.cat([torch.eye(8), -torch.eye(8)])
    assert Covariance()(corners).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(40, 6), (5, 12)])
def test_isoscore_star_agrees_with_the_published_formula(shape):
    count, width = shape
    rows = normalize(cloud(*shape, dtype=torch.float64), dim=1)
    scatter = (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / count
    shrunk = 0.7 * scatter + 0.3 * scatter.trace() / width * torch.eye(width)
    spectrum = torch.linalg.svdvals(shrunk)
    flat = spectrum * math.sqrt(width) / spectrum.norm()
    distance = (flat - 1).norm() / math.sqrt(2 * (width - math.sqrt(width)))
    published = ((width - distance**2 * (width - math.sqrt(width))) ** 2 - width) / (width * (width - 1))
    value = IsoScoreStar(shrinkage=0.3)(cloud(*shape, dtype=torch.float64))
    assert value.item() == pytest.approx(1 - published.item())


def test_isoscore_star_is_zero_for_a_flat_spectrum_and_one_for_a_point():
    assert IsoScoreStar(0.0)(torch.cat([torch.eye(4), -torch.eye(4)])).item() == pytest.approx(0, abs=1e-6)
    assert IsoScoreStar()(torch.ones(6, 4)).item() == 1


def test_sigreg_agrees_with_a_naive_loop():
    rows = normalize(cloud(10, 4, dtype=torch.float64), dim=1) * 2
    torch.manual_seed(5)
    directions = normalize(torch.randn(4, 3, dtype=torch.float64), dim=0)
    nodes = torch.linspace(-3, 3, 33, dtype=torch.float64)
    statistics = []
    for direction in directions.T:
        heights = rows @ direction
        gaps = [
            abs(sum(complex(math.cos(t * h), math.sin(t * h)) for h in heights) / 10 - math.exp(-t * t / 2)) ** 2
            * math.exp(-t * t / 2)
            for t in nodes.tolist()
        ]
        statistics.append(10 * torch.trapezoid(torch.tensor(gaps, dtype=torch.float64), nodes).item())
    torch.manual_seed(5)
    assert SIGReg(slices=3)(cloud(10, 4, dtype=torch.float64)).item() == pytest.approx(sum(statistics) / 3)


def test_sigreg_tells_the_sphere_from_a_cone():
    sphere, cone = cloud(256, 64, shift=0.0), cloud(256, 64, shift=1.0)
    assert penalty(SIGReg(), cone) > 20 * penalty(SIGReg(), sphere)


def row_in_the_documentation(name):
    cells = re.search(rf"^\| {name} \|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)[1].split("|")
    return [float(cell.strip().replace("−", "-")) for cell in cells]


def start_in_a_cone():
    falling = torch.randn(64, 32, generator=torch.Generator().manual_seed(0)) / torch.arange(1, 33).sqrt()
    return normalize(normalize(falling, dim=1) / 2 + torch.ones(32) / 32**0.5, dim=1)


def geometry(rows):
    measures = (metrics.average_cosine, metrics.isoscore, metrics.persistent_entropy, metrics.mean_mst_length)
    return [measure(rows) for measure in measures]


def test_the_documented_start_is_a_cone_with_a_falling_spectrum():
    assert geometry(start_in_a_cone()) == pytest.approx(row_in_the_documentation("none"), abs=0.01)


@every
def test_each_regularizer_alone_does_what_the_documentation_shows(regularizer):
    torch.manual_seed(0)
    rows = start_in_a_cone()
    for step in range(200):
        leaf = rows.requires_grad_()
        regularizer(leaf).backward()
        stride = 0.05 * (1 - step / 200) / leaf.grad.norm(dim=1).max()
        rows = normalize(rows.detach() - stride * leaf.grad, dim=1)
    assert geometry(rows) == pytest.approx(row_in_the_documentation(regularizer.name), abs=0.03)


def test_the_regularizer_written_in_the_documentation_works_in_a_loss(model, sentences):
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    page = PAGE.with_name("extending.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    names = {"__name__": "__main__"}
    exec(code, names)
    loss = RegularizedLoss(model, losses.CoSENTLoss(model), names["MeanNorm"](), weight=0.1)
    terms = loss([model.preprocess(sentences(4)), model.preprocess(sentences(4, seed=1))], torch.rand(4))
    assert terms["mean_norm_loss"] > 0
