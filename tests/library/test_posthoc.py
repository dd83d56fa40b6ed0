import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, SparseEncoder
from sklearn.decomposition import PCA

from st_isotropy.metrics import average_cosine, effective_rank, hubness_skewness, isoscore
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.posthoc import AllButTheTop, Center, ProjectOutMean, SpectralPower, Whitening, apply_posthoc

ALL = (Center(), ProjectOutMean(), AllButTheTop(2), SpectralPower(0.5), Whitening("pca"), Whitening("zca"))
every = pytest.mark.parametrize("transform", ALL, ids=repr)


def rows(count=200, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mixing + 2


def fitted(transform, cloud):
    return apply_posthoc(transform.fit_embeddings(cloud), cloud)


def at_norm_of(cloud, outcome):
    """An outcome at the mean norm of the cloud that the transform was fitted to."""
    return outcome * (cloud.norm(dim=-1).mean() / outcome.norm(dim=-1).mean())


@every
def test_the_mean_norm_of_what_a_transform_is_fitted_to_stays(transform):
    for cloud in (rows(), 1e-3 * rows(), 1e3 * rows()):
        assert fitted(transform, cloud).norm(dim=1).mean() == pytest.approx(cloud.norm(dim=1).mean().item(), rel=1e-4)


@every
def test_the_factor_changes_no_cosine(transform):
    held, cloud = rows(seed=1), rows()
    matrix, offset = transform.affine(as_cloud(cloud))
    raw = held.double() @ matrix.T + offset
    found = apply_posthoc(transform.fit_embeddings(cloud), held).double()
    expected = torch.cosine_similarity(raw[:100], raw[100:])
    assert torch.allclose(torch.cosine_similarity(found[:100], found[100:]), expected, atol=1e-4)


def test_a_cloud_of_which_nothing_is_left_gets_no_factor():
    same = torch.full((5, 3), 2.0)
    outcome = fitted(Center(), same)
    assert outcome.isfinite().all() and outcome.abs().max() < 1e-5


def test_centering_subtracts_the_mean():
    cloud = rows()
    assert torch.allclose(fitted(Center(), cloud), at_norm_of(cloud, cloud - cloud.mean(dim=0)), atol=1e-5)


def test_projecting_out_the_mean_leaves_nothing_along_it():
    direction = rows().mean(dim=0) / rows().mean(dim=0).norm()
    outcome = fitted(ProjectOutMean(), rows())
    assert (outcome @ direction).abs().max() < 1e-5
    left = rows() - torch.outer(rows() @ direction, direction)
    assert torch.allclose(outcome, at_norm_of(rows(), left), atol=1e-5)


def test_a_transform_is_fitted_on_texts_as_documents(model, sentences):
    model.prompts = {"query": "query ", "document": "document "}
    texts = sentences(40, seed=1)
    model.append(Center().fit(model, texts))
    assert (
        np.abs(model.encode_document(texts).mean(axis=0)).max() < 1e-6 < np.abs(model.encode(texts).mean(axis=0)).max()
    )


def test_all_but_the_top_leaves_the_other_principal_components():
    pca = PCA().fit(rows().double().numpy())
    outcome = fitted(AllButTheTop(2), rows()).numpy() @ pca.components_.T
    assert np.abs(outcome[:, :2]).max() < 1e-4
    left = torch.from_numpy(pca.transform(rows().double().numpy())[:, 2:])
    assert np.allclose(outcome[:, 2:], at_norm_of(rows(), left), atol=1e-4)


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_whitening_gives_zero_mean_and_equal_uncorrelated_variances(kind):
    outcome = fitted(Whitening(kind), rows())
    assert outcome.mean(dim=0).abs().max() < 1e-4
    covariance = torch.cov(outcome.T, correction=0)
    assert torch.allclose(covariance / covariance[0, 0], torch.eye(6), atol=1e-3)


def test_both_kinds_of_whitening_give_the_same_cosines_and_zca_stays_nearest():
    pca, zca = fitted(Whitening("pca"), rows()), fitted(Whitening("zca"), rows())
    cosines = [torch.cosine_similarity(each[:50], each[50:100]) for each in (pca, zca)]
    assert torch.allclose(*cosines, atol=1e-4)
    centered = at_norm_of(rows(), rows() - rows().mean(dim=0))
    assert (zca - centered).norm() < (pca - centered).norm()


def test_spectral_power_raises_the_spectrum_to_one_minus_gamma():
    spectrum = torch.linalg.eigvalsh(torch.cov(rows().T.double(), correction=0))
    for gamma in (0.0, 0.25, 0.5, 1.0):
        outcome = torch.linalg.eigvalsh(torch.cov(fitted(SpectralPower(gamma), rows()).T.double(), correction=0))
        raised = spectrum ** (1 - gamma)
        assert torch.allclose(outcome / outcome.sum(), raised / raised.sum(), rtol=1e-3)
    assert torch.allclose(fitted(SpectralPower(0.0), rows()), fitted(Center(), rows()), atol=1e-4)


def test_spectral_power_of_few_rows_keeps_the_other_directions():
    few, held = rows(20, 32), rows(500, 32)
    outcome = apply_posthoc(SpectralPower(0.5, shrinkage=0.1).fit_embeddings(few), held)
    assert effective_rank(outcome) > 0.9 * effective_rank(held)


def test_full_shrinkage_only_centers_and_scales():
    outcome = fitted(Whitening(shrinkage=1.0), rows())
    centered = rows() - rows().mean(dim=0)
    assert torch.allclose(outcome, at_norm_of(rows(), centered), atol=1e-4)


def test_directions_without_variance_are_not_scaled_up():
    flat = torch.cat([rows(width=3), torch.zeros(200, 2)], dim=1)
    outcome = fitted(Whitening(), flat)
    assert outcome.isfinite().all()
    assert outcome[:, 3:].abs().max() < 1e-4


def test_what_each_transform_mends_on_rows_it_was_not_fitted_on():
    generator = torch.Generator().manual_seed(1)
    spectrum = 1 / torch.arange(1, 33).sqrt()
    cloud = torch.randn(1600, 32, generator=generator) * spectrum + 2 * torch.eye(32)[0]
    fitting, held = cloud[:800], cloud[800:]
    outcomes = {repr(each): apply_posthoc(each.fit_embeddings(fitting), held) for each in ALL}
    assert average_cosine(held) > 0.4
    for name, outcome in outcomes.items():
        assert abs(average_cosine(outcome)) < 0.02, name
    assert isoscore(outcomes["Center()"]) == pytest.approx(isoscore(held), rel=1e-3)
    assert isoscore(held) < isoscore(outcomes[repr(SpectralPower(0.5))]) < isoscore(outcomes[repr(Whitening())])
    assert effective_rank(outcomes[repr(Whitening())]) > effective_rank(held)

    def hubs(points):
        return hubness_skewness(torch.nn.functional.normalize(points, dim=1))

    assert hubs(outcomes[repr(Whitening())]) < hubs(held)


@every
def test_a_saved_model_gives_the_same_vectors_without_this_package(transform, model, sentences, tmp_path):
    texts = sentences(80)
    plain = model.encode(texts[:5])
    module = transform.fit(model, texts[20:])
    assert (model.encode(texts[:5]) == plain).all()  # fitting changes nothing
    model.append(module)
    vectors = model.encode(texts[:5])
    assert np.allclose(vectors, apply_posthoc(module.cpu(), plain).numpy(), atol=1e-4)
    model.save_pretrained(str(tmp_path / "saved"))
    assert np.allclose(SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(texts[:5]), vectors, atol=1e-6)


def test_a_transform_acts_before_a_truncation_and_in_the_precision_of_the_model(model, sentences):
    texts = sentences(60)
    whole = torch.from_numpy(model.encode(texts))
    half = copy.deepcopy(model).bfloat16()
    assert np.abs(half.encode(texts).mean(axis=0)).max() > 0.1
    half.append(Center().fit(half, texts))
    assert half.dtype == torch.bfloat16 and np.abs(half.encode(texts).mean(axis=0)).max() < 0.05
    model.truncate_dim = 4
    model.append(Center().fit(model, texts))
    centered = at_norm_of(whole, whole - whole.mean(dim=0))
    assert np.allclose(model.encode(texts), centered[:, :4], atol=1e-5)


@pytest.mark.slow
def test_a_saved_model_loads_in_a_process_that_cannot_import_this_package(model, sentences, tmp_path):
    texts = sentences(60)
    model.append(Whitening(shrinkage=0.1).fit(model, texts))
    model.save_pretrained(str(tmp_path / "saved"))
    np.save(tmp_path / "expected.npy", model.encode(texts[:4]))
    program = (
        "import sys, numpy as np\n"
        "sys.modules['st_isotropy'] = None\n"
        "from sentence_transformers import SentenceTransformer\n"
        f"vectors = SentenceTransformer({str(tmp_path / 'saved')!r}, device='cpu').encode({texts[:4]!r})\n"
        f"assert np.allclose(vectors, np.load({str(tmp_path / 'expected.npy')!r}), atol=1e-6)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)


def test_repeated_texts_do_not_make_up_for_missing_ones(model, sentences):
    width = model.get_embedding_dimension()
    with pytest.raises(ValueError, match=f"needs more than {width} embeddings, but there are {width // 2}"):
        Whitening().fit(model, sentences(width // 2) * 5)


def test_a_model_of_another_kind_is_refused(bert_folder):
    with pytest.raises(ValueError, match="to the embeddings of a SentenceTransformer, not of a SparseEncoder"):
        Center().fit(SparseEncoder(bert_folder), ["a cat", "two dogs"])


def test_a_list_of_tensors_is_a_cloud():
    assert torch.equal(Center().fit_embeddings(list(rows())).linear.bias, Center().fit_embeddings(rows()).linear.bias)


def test_a_single_text_is_refused(model):
    with pytest.raises(ValueError, match="on a list of texts, but this is a single string"):
        Center().fit(model, "its characters are no texts")


@pytest.mark.parametrize(("texts", "found"), [(["a cat"] * 30, "is 1"), ([], "are none")])
def test_fewer_than_two_different_texts_are_refused(texts, found, model):
    with pytest.raises(ValueError) as caught:
        Center().fit(model, texts)
    assert str(caught.value) == f"A transform is fitted to at least 2 different texts, but there {found}; give more."


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (
            Whitening(),
            "A scaling of all 8 dimensions needs more than 8 embeddings, but there are 5; add texts or set a shrinkage",
        ),
        (SpectralPower(), "A scaling of all 8 dimensions needs more than 8 embeddings, but there are 5; add texts"),
        (SpectralPower(shrinkage=-0.1), "between 0 and 1, not -0.1"),
        (Whitening("cholesky"), 'The kind of whitening must be "pca" or "zca", not \'cholesky\''),
        (Whitening(shrinkage=2.0), "between 0 and 1, not 2.0"),
        (AllButTheTop(8), "between 1 and 7 of 8 components, not 8"),
        (AllButTheTop(1.5), r"between 1 and 7 of 8 components, not 1\.5"),
        (SpectralPower(float("nan")), "The power gamma of a spectrum must be between 0 and 1, not nan"),
        (SpectralPower(60), "The power gamma of a spectrum must be between 0 and 1, not 60"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(transform, message):
    with pytest.raises(ValueError, match=message):
        transform.fit_embeddings(rows(5, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8])
def test_embeddings_of_every_precision_are_transformed(dtype):
    embeddings = (10 * rows(50, 8)).to(dtype)
    transform = Center().fit_embeddings(embeddings)
    kept = torch.float64 if dtype == torch.float64 else torch.float32
    centered = embeddings.double() - embeddings.double().mean(dim=0)
    expected = at_norm_of(embeddings.double(), centered).to(kept)
    torch.testing.assert_close(apply_posthoc(transform, embeddings), expected)


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 3 embeddings hold NaN"):
        Center().fit_embeddings(torch.tensor([[0.0, 1.0], [float("nan"), 1.0], [1.0, 1.0]]))
