"""Degenerate batches: defined results or one-sentence errors, never a non-finite gradient from finite input."""

import copy
from contextlib import nullcontext

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sentence_transformers.sentence_transformer.losses import (
    BatchAllTripletLoss,
    CachedMultipleNegativesRankingLoss,
    CoSENTLoss,
    CosineSimilarityLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)

from st_isotropy import PersistentEntropy, PersistentEntropyLoss

OBJECTIVES = {
    "cosine": (CosineSimilarityLoss, 2),
    "cosent": (CoSENTLoss, 2),
    "in-batch": (MultipleNegativesRankingLoss, 3),
    "cached": (lambda model: CachedMultipleNegativesRankingLoss(model, mini_batch_size=3), 3),
    "triplets": (BatchAllTripletLoss, 1),
    "matryoshka": (
        lambda model: MatryoshkaLoss(model, MultipleNegativesRankingLoss(model), [model.get_embedding_dimension(), 8]),
        2,
    ),
}
TEXTS = ["", "a", "cat", "cat cat", "cat dog", "the red cat sleeps", "the red cat sleeps on the sea", "zzz", "sun moon"]


def outcome(loss, model, texts, labels, context=None):
    with context or nullcontext():
        terms = loss([model.preprocess(column) for column in texts], labels)
    terms.backward()
    found = [each.grad for each in model.parameters() if each.grad is not None]
    model.zero_grad()
    return terms, torch.cat([each.flatten().float() for each in found])


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objective=st.sampled_from(list(OBJECTIVES)),
    cloud=st.sampled_from(["columns", "anchors", "queries-documents", "joint", "labels"]),
    level=st.sampled_from(["sentence", "token"]),
    kind=st.sampled_from(["bert", "static"]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, "autocast"]),
    weight=st.sampled_from([30.0, -1.0, "auto"]),
    selection=st.sampled_from(["all", "prominent", ("top", 2), ("quantile", 0.5)]),
    fill=st.sampled_from([None, None, 0.0, 1.0]),
    rows=st.integers(1, 9),
    data=st.data(),
)
def test_no_configuration_gives_a_non_finite_gradient(
    model, static_model, objective, cloud, level, kind, dtype, weight, selection, fill, rows, data
):
    chosen = copy.deepcopy({"bert": model, "static": static_model}[kind])
    make, columns = OBJECTIVES[objective]
    assume(kind == "bert" or (level == "sentence" and objective != "cached"))
    assume(not (objective == "cached" and level == "token"))
    if dtype != "autocast":
        chosen.to(dtype)
    if fill is not None:  # every embedding zero, or every embedding the same
        with torch.no_grad():
            for name, parameter in chosen.named_parameters():
                if "weight" in name:
                    parameter.fill_(fill)
    loss = PersistentEntropyLoss(
        chosen,
        make(chosen),
        weight,
        spread_weight=0.3,
        regularizer=PersistentEntropy(selection=selection),
        cloud=cloud,
        level=level,
    )
    texts = [data.draw(st.lists(st.sampled_from(TEXTS), min_size=rows, max_size=rows)) for _ in range(columns)]
    integers = cloud == "labels" or objective == "triplets"
    labels = torch.arange(rows) % 2 if integers else torch.linspace(0, 1, rows)
    if objective in ("cosine", "cosent") and dtype == torch.float64 and not integers:
        labels = labels.double()
    context = torch.autocast("cpu", torch.bfloat16) if dtype == "autocast" else None
    terms, gradient = outcome(loss, chosen, texts, labels, context)
    assert all(value.isfinite() for value in terms.values())
    assert gradient.isfinite().all()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("rows", [1, 2])
def test_batches_of_one_and_two_are_the_base_loss(objective, rows, model, sentences):
    make, columns = OBJECTIVES[objective]
    texts = [sentences(rows, seed=seed) for seed in range(columns)]
    labels = torch.arange(rows) if objective == "triplets" else torch.ones(rows)
    base = make(model)
    wrapped, gradient = outcome(PersistentEntropyLoss(model, base), model, texts, labels)
    value = base([model.preprocess(column) for column in texts], labels)
    value.backward()
    expected = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    assert wrapped["persistent_entropy_loss"] == 0
    torch.testing.assert_close(wrapped["base_loss"], value)
    torch.testing.assert_close(gradient, expected)


def test_identical_embeddings_of_different_texts_have_no_barcode_to_speak_of(model, sentences):
    with torch.no_grad():
        model[0].auto_model.embeddings.word_embeddings.weight.fill_(1.0)
        model[0].auto_model.embeddings.position_embeddings.weight.fill_(0.0)
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), spread_weight=1.0)
    terms, gradient = outcome(loss, model, [sentences(8, seed=seed) for seed in (1, 2)], None)
    assert all(value.isfinite() for value in terms.values())
    assert gradient.isfinite().all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("objective", ["in-batch", "cached"])
def test_a_broken_column_is_named_with_the_step(objective, value, model, sentences):
    broken = model.tokenizer.convert_tokens_to_ids("star")
    with torch.no_grad():
        model[0].auto_model.embeddings.word_embeddings.weight[broken] = value
    loss = PersistentEntropyLoss(model, OBJECTIVES[objective][0](model))
    loss.penalties.begin_step(41, 100)
    good = ["a cat", "two dogs", "the sea"]
    with pytest.raises(ValueError, match="The embeddings of input column 2 of 3 contain NaN or infinity at step 41; "):
        loss([model.preprocess(column) for column in (good, ["a star", "a cat", "the sun"], good)])
    loss.penalties.end_training()
    with pytest.raises(ValueError, match="input column 1 of 2 contain NaN or infinity; lower"):
        loss([model.preprocess(column) for column in (["a star", "a cat", "the sun"], good)])


@pytest.mark.parametrize("objective", ["in-batch", "cached", "cosine"])
def test_embeddings_without_gradient_give_values_without_gradient(objective, model, sentences):
    loss = PersistentEntropyLoss(model, OBJECTIVES[objective][0](model), "auto")
    texts = [sentences(8, seed=seed) for seed in (1, 2)]
    with torch.no_grad():
        first = loss([model.preprocess(column) for column in texts], torch.rand(8))
    assert not any(value.requires_grad for value in first.values())
    assert first["persistent_entropy_loss"] > 0


def test_a_frozen_model_gives_values_without_gradient(model, sentences):
    model.requires_grad_(False)
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), "auto")
    terms = loss([model.preprocess(sentences(8, seed=seed)) for seed in (1, 2)])
    assert not terms.total.requires_grad
    assert terms["persistent_entropy_loss"] > 0


@pytest.mark.parametrize("objective", ["in-batch", "cached"])
def test_a_model_in_evaluation_mode_gives_the_same_terms(objective, model, sentences):
    loss = PersistentEntropyLoss(model, OBJECTIVES[objective][0](model))
    texts = [sentences(8, seed=seed) for seed in (1, 2)]  # the tiny model has no dropout
    training = loss([model.preprocess(column) for column in texts]).detach()
    model.eval()
    evaluation = loss([model.preprocess(column) for column in texts]).detach()
    torch.testing.assert_close(dict(training), dict(evaluation))
