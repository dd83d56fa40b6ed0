"""Training the rows that occur gives the same model as training all of them."""

import torch
from small_corpus import small_corpus, static_model

from evaluation.data.docstrings import positive_pairs
from evaluation.train.columns import for_objective
from evaluation.train.occurring_rows import occurring_rows
from evaluation.train.training import Recipe, Term, train


def test_the_rows_that_occur_are_the_only_parameters_and_the_output_is_the_same():
    model = static_model()
    texts = ["word1 word7 word7", "word3"]
    before = model.encode(texts, convert_to_tensor=True)
    with occurring_rows(model, texts):
        assert [tuple(parameter.shape) for parameter in model.parameters()] == [(3, 16)]
        assert torch.equal(model.encode(texts, convert_to_tensor=True), before)
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [(302, 16)]
    assert torch.equal(model.encode(texts, convert_to_tensor=True), before)


def test_what_was_trained_is_in_the_whole_model_and_nothing_else_changed():
    model = static_model()
    before = model[0].embedding.weight.detach().clone()
    with occurring_rows(model, ["word1"]), torch.no_grad():
        next(model.parameters()).add_(1.0)
    changed = (model[0].embedding.weight - before).abs().sum(dim=1).nonzero().flatten()
    assert changed.tolist() == model[0].preprocess(["word1"])["input_ids"].tolist()


def test_training_the_rows_that_occur_is_training_the_whole_table(tmp_path, monkeypatch):
    from contextlib import nullcontext

    from evaluation.train import training

    pairs = for_objective(positive_pairs(small_corpus()), "cosine", None, 16)
    recipe = Recipe("cosine", steps=6, batch_size=16, learning_rate=0.02)
    words = [*[f"word{i}" for i in range(300)], *[f"unseen{i}" for i in range(50)]]
    start = static_model(words=words)
    some = train(start, pairs, recipe, Term("persistent_entropy", 30.0), 1, tmp_path / "some")
    monkeypatch.setattr(training, "occurring_rows", lambda model, texts: nullcontext())
    whole = train(start, pairs, recipe, Term("persistent_entropy", 30.0), 1, tmp_path / "whole")
    assert torch.equal(some[0].embedding.weight[-50:], start[0].embedding.weight[-50:])
    torch.testing.assert_close(some[0].embedding.weight, whole[0].embedding.weight, rtol=0, atol=1e-6)
