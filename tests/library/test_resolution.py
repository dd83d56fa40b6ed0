"""What a rank, a zero or a neighbor is must not depend on how finely the embeddings were rounded."""

import numpy as np
import pytest
import torch
from point_clouds import gauss
from sentence_transformers.sentence_transformer.modules import Dense

from st_isotropy import IsotropyEvaluator, isotropy
from st_isotropy.diagnosis.diagnosis import diagnose
from st_isotropy.metrics import (
    anti_hub_share,
    average_cosine,
    effective_rank,
    hubness_skewness,
    isoscore,
    mean_mst_length,
    persistent_entropy,
    twonn_dimension,
)
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.posthoc import AllButTheTop, Center, SpectralPower, Whitening, apply_posthoc
from st_isotropy.regularizers import IsoScoreStar


def int8(rows: torch.Tensor) -> torch.Tensor:
    """Codes with one step for all values, as float32 again."""
    step = rows.abs().max() / 127
    return (rows / step).round() * step


def int8_by_column(rows: torch.Tensor) -> torch.Tensor:
    """Codes with a range for every column, as sentence-transformers quantizes, as float32 again."""
    low, high = rows.amin(dim=0), rows.amax(dim=0)
    step = (high - low) / 255
    return low + ((rows - low) / step).round() * step


def int8_by_row(rows: torch.Tensor) -> torch.Tensor:
    """Codes from -127 to 127 of each row by itself, as float32 again."""
    step = rows.abs().amax(dim=1, keepdim=True) / 127
    return (rows / step).round() * step


ROUNDED = {
    "bfloat16": torch.Tensor.bfloat16,
    "float16": torch.Tensor.half,
    "bfloat16 in a float32 array": lambda rows: rows.bfloat16().float(),
    "float16 in a float64 array": lambda rows: rows.half().double(),
    "int8": int8,
    "int8 by column": int8_by_column,
    "int8 by row": int8_by_row,
}
every_rounding = pytest.mark.parametrize("rounding", ROUNDED)


def low_rank(rank=16, width=32, count=400):
    """Rows in a subspace, somewhat off the origin."""
    return (gauss(count, rank, seed=1) + 0.5) @ gauss(rank, width, seed=2) / rank**0.5


def collapsed():
    row = gauss(1, 32, seed=3)
    return row * (1 + 3e-4 * gauss(300, 32, seed=4))


def cosines(rows):
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    return (unit @ unit.T)[tuple(torch.triu_indices(len(rows), len(rows), 1))]


@every_rounding
@pytest.mark.parametrize(
    "transform", [Whitening(), Whitening("pca"), Whitening(shrinkage=0.1), SpectralPower(0.5)], ids=repr
)
def test_a_transform_scales_no_rounding_up(transform, rounding):
    rows = low_rank()
    exact, rounded = (transform.fit_embeddings(given) for given in (rows, ROUNDED[rounding](rows)))
    gains = [torch.linalg.matrix_norm(module.linear.weight.double(), 2).item() for module in (exact, rounded)]
    assert gains[1] == pytest.approx(gains[0], rel=0.05)
    both = torch.stack([cosines(apply_posthoc(module, rows)) for module in (exact, rounded)])
    assert torch.corrcoef(both)[0, 1] > 0.999


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_whitening_after_all_but_the_top_in_half_precision_is_that_of_single_precision(kind, model, sentences):
    texts = sentences(300)
    factors = [gauss(32, 16, seed=5), gauss(16, 32, seed=6)]
    narrow = Dense(32, 32, activation_function=None, bias=False, init_weight=factors[0] @ factors[1] / 32)
    model.append(narrow)

    def whitened():
        for transform in (AllButTheTop(1), Whitening()):
            model.append(transform.fit(model, texts))
        vectors = torch.from_numpy(model.encode(texts)).float()
        for _ in range(2):
            del model[len(model) - 1]
        return cosines(vectors)

    exact = whitened()
    model.to(kind)
    assert torch.corrcoef(torch.stack([exact, whitened()]))[0, 1] > 0.98


@every_rounding
def test_the_effective_rank_counts_no_rounding(rounding):
    assert effective_rank(ROUNDED[rounding](low_rank())) == pytest.approx(effective_rank(low_rank()), rel=1e-3)
    rounded = as_cloud(ROUNDED[rounding](low_rank()))
    assert (rounded.spectrum > 0).sum() == 16


@pytest.mark.parametrize(
    "rounding", ["bfloat16", "float16", "bfloat16 in a float32 array", "float16 in a float64 array"]
)
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_rows_equal_up_to_half_precision_are_one_point(similarity, rounding):
    rows = ROUNDED[rounding](collapsed())
    assert len(torch.unique(rows, dim=0)) > 2
    with pytest.raises(ValueError, match="All 300 embeddings coincide; give texts that differ, or fix the model"):
        diagnose(rows, similarity=similarity)
    assert isoscore(rows) == 0
    assert (effective_rank(rows), twonn_dimension(rows)) == (1, 0)
    assert (mean_mst_length(rows), persistent_entropy(rows)) == (0, 0)
    assert (hubness_skewness(rows), anti_hub_share(rows)) == (0, 0)
    assert average_cosine(rows, center=True) == 0
    assert isotropy(rows, similarity=similarity)["largest_coordinate_share_centered"].value == 32


def test_rows_with_the_same_codes_up_to_one_step_are_one_point():
    row = (40 * gauss(1, 64, seed=3)).round().clamp(-128, 127)
    steps = torch.randint(-1, 2, (300, 64), generator=torch.Generator().manual_seed(1))
    codes = (row + steps).clamp(-128, 127).to(torch.int8)
    for rows in (codes, codes.float() / 127):
        with pytest.raises(ValueError, match="All 300 embeddings coincide"):
            diagnose(rows)


@pytest.mark.parametrize("rounding", ["bfloat16", "float16"])
def test_near_duplicates_up_to_rounding_have_bars_of_length_zero(rounding):
    rows = gauss(40, 32)
    twice = ROUNDED[rounding](torch.cat([rows, rows * (1 + 1e-5 * gauss(40, 32, seed=9))]))
    bars = as_cloud(twice, "cosine").bars
    assert (bars == 0).sum() == 40
    assert twonn_dimension(twice) == pytest.approx(twonn_dimension(rows), rel=0.05)


def test_a_narrow_cone_in_half_precision_is_no_point():
    rows = (1 + 0.03 * gauss(300, 32)).bfloat16()
    assert average_cosine(rows) > 0.998
    assert isoscore(rows) == pytest.approx(isoscore(0.03 * gauss(300, 32)), abs=0.02)
    assert (as_cloud(rows).spectrum > 0).sum() == 32


@pytest.mark.parametrize(
    "exact",
    [
        torch.eye(8),
        gauss(60, 8).sign(),
        torch.poisson(torch.full((200, 8), 0.2), generator=torch.Generator().manual_seed(0)),
        torch.arange(60.0).view(20, 3) % 7,
    ],
    ids=["one-hot", "signs", "counts", "small integers"],
)
def test_whole_numbers_are_exact(exact):
    as_given, shifted = as_cloud(exact), as_cloud(exact.double() * 0.1)
    assert as_given.participation == pytest.approx(shifted.participation)
    assert torch.equal(as_given.spectrum > 0, shifted.spectrum > 0)


def test_a_collapsed_model_in_half_precision_has_no_isotropy(model, sentences):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "word_embeddings" in name or "position_embeddings" in name:
                weight.fill_(0.5).add_(1e-4 * torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)))
    model.to(torch.bfloat16)
    assert IsotropyEvaluator(sentences(60))(model)["isotropy_isoscore"] == 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
def test_the_penalty_gives_the_noise_of_coinciding_rows_no_shape(kind):
    assert IsoScoreStar()(collapsed().to(kind) if kind != torch.float32 else collapsed() * 0 + 1) == 1


def test_a_list_of_numpy_halves_keeps_its_resolution():
    rows = low_rank().half()
    assert (as_cloud(list(np.asarray(rows))).spectrum > 0).sum() == 16


@pytest.mark.parametrize("mean", [0.0, 3.0])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("first", [AllButTheTop(2), Center()], ids=repr)
def test_a_second_transform_of_rows_kept_in_half_precision_scales_no_rounding_up(first, kind, mean):
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(16, 32, generator=generator) * torch.linspace(0.2, 3, 32)
    rows = torch.randn(600, 16, generator=generator) @ basis + mean * torch.randn(32, generator=generator)

    def chained(given):
        for transform in (first, Whitening()):
            given = apply_posthoc(transform.fit_embeddings(given), given).to(given.dtype)
        return cosines(given)

    assert torch.corrcoef(torch.stack([chained(rows.to(kind)), chained(rows)]))[0, 1] > 0.999
