import json
import re
import threading
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from small_corpus import SmallDevice, small_corpus, static_model, transformer_model
from torch.nn.functional import cross_entropy, normalize

from evaluation.data.docstrings import positive_pairs
from evaluation.errors import UserError
from evaluation.models.load import fingerprint
from evaluation.train.catalog import OBJECTIVES, REGULARIZERS
from evaluation.train.columns import for_objective
from evaluation.train.training import Recipe, Term, train, usual_learning_rate

pytestmark = pytest.mark.trainer

SHORT = Recipe("cosine", steps=6, batch_size=16, learning_rate=0.02)


@pytest.fixture(scope="module")
def pairs():
    return for_objective(positive_pairs(small_corpus()), "cosine", None, 16)


def trained(folder, pairs, term=None, seed=1, recipe=SHORT, start=None):
    return fingerprint(train(start or static_model(), pairs, recipe, term, seed, folder))


def test_the_same_seed_trains_the_same_weights_and_another_seed_does_not(tmp_path, pairs):
    first = trained(tmp_path / "a", pairs)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert trained(tmp_path / "b", pairs) == first
    assert trained(tmp_path / "c", pairs, seed=2) != first


def test_a_warm_up_starts_at_a_learning_rate_of_zero(tmp_path, pairs):
    one_step = replace(SHORT, steps=1)
    assert trained(tmp_path / "cold", pairs, recipe=one_step) != fingerprint(static_model())
    assert trained(tmp_path / "warm", pairs, recipe=replace(one_step, warmup=0.9)) == fingerprint(static_model())


def test_a_term_of_weight_zero_changes_nothing_so_variants_see_the_same_batches(tmp_path, pairs):
    plain = trained(tmp_path / "plain", pairs)
    assert trained(tmp_path / "zero", pairs, Term("persistent_entropy", 0.0)) == plain
    assert trained(tmp_path / "thirty", pairs, Term("persistent_entropy", 30.0)) != plain


def test_dropout_is_paired_across_variants(tmp_path, pairs):
    start = transformer_model(tmp_path / "start")
    recipe = replace(SHORT, steps=2, learning_rate=1e-3)
    plain = trained(tmp_path / "plain", pairs, recipe=recipe, start=start)
    zero = trained(tmp_path / "zero", pairs, Term("persistent_entropy", 0.0), recipe=recipe, start=start)
    assert zero == plain


def test_the_contrastive_objective_trains_on_pairs_without_scores(tmp_path):
    pairs = for_objective(positive_pairs(small_corpus()), "contrastive", None, 16)
    recipe = replace(SHORT, objective="contrastive")
    assert trained(tmp_path / "cell", pairs, recipe=recipe) != fingerprint(static_model())


def test_batches_of_distinct_classes_change_what_is_learned_and_classes_are_no_text(tmp_path):
    pairs = positive_pairs(small_corpus())
    classed = pairs.add_column("class", [row % 24 for row in range(len(pairs))])  # pyright: ignore[reportCallIssue]
    recipe = replace(SHORT, objective="contrastive")
    plain = trained(tmp_path / "plain", pairs, recipe=recipe)
    assert trained(tmp_path / "classed", classed, recipe=replace(recipe, distinct_classes=True)) != plain


def test_the_start_model_stays_as_it_was(tmp_path, pairs):
    start = static_model()
    before = fingerprint(start)
    assert trained(tmp_path / "cell", pairs, start=start) != before
    assert fingerprint(start) == before


def test_both_terms_are_logged_over_the_steps(tmp_path, pairs):
    trained(tmp_path / "cell", pairs, Term("persistent_entropy", 30.0))
    log = json.loads((tmp_path / "cell" / "log.json").read_text())
    assert [entry["step"] for entry in log["steps"]] == [1, 2, 3, 4, 5, 6]
    for entry in log["steps"]:
        assert entry["loss"] == pytest.approx(entry["base_loss"] + entry["persistent_entropy_loss"], abs=2e-3)


def test_a_finished_cell_is_loaded_and_not_trained_again(tmp_path, pairs):
    first = trained(tmp_path / "cell", pairs)
    log = tmp_path / "cell" / "log.json"
    log.write_text("untouched")
    assert trained(tmp_path / "cell", pairs) == first
    assert log.read_text() == "untouched"


def test_a_cell_that_fails_leaves_nothing_behind(tmp_path, pairs):
    with pytest.raises(UserError, match="Training stopped: The embeddings of input column 1 of 2 contain NaN"):
        trained(tmp_path / "cell", pairs, Term("persistent_entropy", 30.0), recipe=replace(SHORT, learning_rate=1e38))
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_stops_its_progress_display(tmp_path, pairs):
    before = set(threading.enumerate())
    with pytest.raises(UserError, match="Training stopped"):
        trained(tmp_path / "cell", pairs, Term("persistent_entropy", 30.0), recipe=replace(SHORT, learning_rate=1e38))
    new = set(threading.enumerate()) - before
    assert [thread for thread in new if type(thread).__module__ == "rich.live"] == []


def test_a_batch_that_does_not_fit_into_memory_is_told_in_a_sentence(tmp_path, pairs):
    model = static_model()
    model.append(SmallDevice(2))
    with pytest.raises(UserError, match=r"^Batches of 16 do not fit into the memory of cpu: give the regime a smaller"):
        train(model, pairs, Recipe(steps=2, batch_size=16), None, 0, tmp_path / "cell", show_progress=False)
    assert not (tmp_path / "cell").exists()


def test_plain_training_that_diverges_is_no_finished_cell(tmp_path, pairs):
    with pytest.raises(UserError, match=r"Training gave NaN or infinite weights at learning rate 1e\+38; lower it\."):
        trained(tmp_path / "cell", pairs, recipe=replace(SHORT, learning_rate=1e38))
    assert list(tmp_path.iterdir()) == []


def test_a_regularizer_that_does_not_go_with_the_model_is_told_in_a_sentence(tmp_path, pairs):
    with pytest.raises(UserError, match=r"^The regularizer token_entropy cannot be added: .*token"):
        trained(tmp_path / "cell", pairs, Term("token_entropy", 3.0))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_trainer_refuses_is_told_in_a_sentence(tmp_path, pairs):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Router

    router = Router.for_query_document([static_model()[0]], [static_model(seed=1)[0]])
    start = SentenceTransformer(modules=[router], device="cpu")
    with pytest.raises(UserError, match=r"^Training stopped: .*router_mapping"):
        trained(tmp_path / "cell", pairs, start=start)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_torch_is_told_in_a_sentence_and_so_is_a_frozen_model(tmp_path, pairs):
    narrow = Dataset.from_dict({"sentence": pairs["sentence1"], "label": [[0.0] * 8] * len(pairs)})
    with pytest.raises(UserError, match=r"^Training stopped: The size of tensor a \(16\) must match"):
        trained(tmp_path / "cell", narrow, recipe=replace(SHORT, objective="distillation"))
    frozen = static_model()
    frozen.requires_grad_(False)
    with pytest.raises(UserError, match="no parameter that can be trained; take one whose weights are not frozen"):
        trained(tmp_path / "cell", pairs, start=frozen)
    assert list(tmp_path.iterdir()) == []


def test_the_objective_that_the_documentation_adds_trains(tmp_path, pairs, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "OBJECTIVES[" in each]
    monkeypatch.setitem(OBJECTIVES, "angle", None)  # taken out again afterwards
    exec(block, {})
    assert trained(tmp_path / "cell", pairs, recipe=replace(SHORT, objective="angle")) != fingerprint(static_model())


def test_unknown_names_and_impossible_numbers_are_told_in_a_sentence():
    with pytest.raises(UserError, match=r"There is no objective 'cosin'; near names are cosine, cosent"):
        Recipe("cosin")
    with pytest.raises(UserError, match=r"The recipe's steps is 0 and must be a positive number\."):
        Recipe(steps=0)
    with pytest.raises(UserError, match=r"There is no regularizer 'entropy'; near names are token_entropy"):
        Term("entropy", 1.0)
    with pytest.raises(UserError, match="The weight of koleo is nan and must be a finite number"):
        Term("koleo", nan)


def test_a_transformer_is_trained_at_a_hundredth_of_the_learning_rate_of_static_embeddings(tmp_path):
    assert usual_learning_rate(static_model()) == 1e-2
    assert usual_learning_rate(transformer_model(tmp_path / "start")) == 2e-5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_with_a_term_and_without(tmp_path, objective):
    pairs = positive_pairs(small_corpus())
    if objective == "linear_head":
        pairs = Dataset.from_dict({"text": pairs["anchor"], "label": [row % 3 for row in range(len(pairs))]})
    pairs = for_objective(pairs, objective, static_model(dimensions=20), 16)
    recipe = replace(SHORT, objective=objective, steps=2)
    start = fingerprint(static_model())
    plain = trained(tmp_path / "plain", pairs, recipe=recipe)
    assert len({start, plain, trained(tmp_path / "term", pairs, Term("mst_length", 1.0), recipe=recipe)}) == 3


def test_in_batch_negatives_have_a_temperature_and_two_sided_forms(tmp_path, pairs):
    def loss(objective, scale):
        return Recipe(objective, temperature_scale=scale).loss(static_model(), pairs)

    assert [loss("contrastive", scale).scale for scale in (None, 5.0)] == [20.0, 5.0]
    columns = [torch.randn(6, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    cosines = 5 * normalize(columns[0], dim=1) @ normalize(columns[1], dim=1).T
    both = (cross_entropy(cosines, torch.arange(6)) + cross_entropy(cosines.T, torch.arange(6))) / 2
    found = loss("contrastive_two_sided", 5.0).compute_loss_from_embeddings(columns, None)
    torch.testing.assert_close(found, both)
    assert len(loss("contrastive_all_sides", 5.0).directions) == 4
    with pytest.raises(UserError) as error:
        Recipe("alignment", temperature_scale=5.0)
    assert str(error.value) == "The recipe has temperature_scale = 5.0, but the objective alignment has no temperature."


def test_the_orders_of_absolute_entropy_can_be_named():
    orders = {name: REGULARIZERS[name]().terms[0][0].order for name in REGULARIZERS if "absolute" in name}
    assert orders == {
        "absolute_entropy": None,
        "absolute_entropy_order_1": 1.0,
        "absolute_entropy_order_0.5": 0.5,
        "absolute_entropy_order_0.25": 0.25,
        "absolute_entropy_order_0.125": 0.125,
    }


def test_a_weight_can_be_balanced_or_fall_to_zero_over_the_training(tmp_path, pairs):
    for name, weight in (("auto", "auto:0.3"), ("decay", "decay:30")):
        trained(tmp_path / name, pairs, Term("persistent_entropy", weight))
    steps = json.loads((tmp_path / "decay" / "log.json").read_text())["steps"]
    weights = [entry["persistent_entropy_weight"] for entry in steps]
    assert weights[0] == 30.0 and weights == sorted(weights, reverse=True) and weights[-1] < 6


def test_several_terms_keep_their_proportion(tmp_path, pairs):
    trained(tmp_path / "cell", pairs, Term("entropy_and_spread", 30.0))
    [entry, *_] = json.loads((tmp_path / "cell" / "log.json").read_text())["steps"]
    assert (entry["persistent_entropy_weight"], entry["mst_length_weight"]) == (30.0, pytest.approx(1.0))


OTHER_INPUT = {  # token embeddings, integer labels
    "token_entropy",
    *("label_entropy", "label_prominent_entropy"),
    *("authors_all_bars", "authors_prominent_bars"),
}


TWO_STEPS = replace(SHORT, steps=2)


@pytest.fixture(scope="module")
def plainly_trained(tmp_path_factory, pairs):
    return trained(tmp_path_factory.mktemp("plain") / "cell", pairs, recipe=TWO_STEPS)


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name not in OTHER_INPUT])
def test_every_regularizer_changes_the_training(tmp_path, pairs, plainly_trained, name):
    assert trained(tmp_path / name, pairs, Term(name, 1.0), recipe=TWO_STEPS) != plainly_trained


def test_the_entropy_of_tokens_changes_the_training_of_a_transformer(tmp_path, pairs):
    start = transformer_model(tmp_path / "start")
    plain = trained(tmp_path / "plain", pairs, recipe=TWO_STEPS, start=start)
    term = Term("token_entropy", 30.0)
    assert trained(tmp_path / "tokens", pairs, term, recipe=TWO_STEPS, start=start) != plain
