"""Geometry and weights in the training log."""

import copy
import math
import re
import warnings
from types import SimpleNamespace

import pytest
import torch
from checkpoints import choosing_arguments
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from torch.nn.functional import normalize
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState

from st_isotropy import (
    AlignmentLoss,
    BalancedWeight,
    CachedAlignmentLoss,
    GeometryCallback,
    MSTLength,
    PersistentEntropy,
    PersistentEntropyLoss,
    RegularizedLoss,
    Regularizer,
    WeightSchedule,
    isotropy,
    regularizers,
)
from st_isotropy.barcodes import barcode
from st_isotropy.callbacks import LOGGED_MEASURES, describe
from st_isotropy.entropy import persistent_entropy
from st_isotropy.losses.penalties import Snapshot
from st_isotropy.regularizers import SIGReg

pytestmark = pytest.mark.trainer

GEOMETRY = {
    "persistent_entropy",
    "persistent_entropy_nats",
    "mean_mst_length",
    "bars",
    "average_cosine",
    "isoscore",
    "skipped_clouds",
    "persistent_entropy_weight",
    "persistent_entropy_gradient_ratio",
}


@pytest.fixture
def pairs(sentences):
    return Dataset.from_dict({"anchor": sentences(32, seed=1), "positive": sentences(32, seed=2)})


@pytest.fixture
def make_trainer(model, pairs, tmp_path):
    def make(loss, callbacks=(), **settings):
        settings = {"max_steps": 6, "logging_steps": 2, "per_device_train_batch_size": 8, "report_to": []} | settings
        arguments = SentenceTransformerTrainingArguments(
            str(tmp_path), use_cpu=True, disable_tqdm=True, save_strategy="no", **settings
        )
        return SentenceTransformerTrainer(model, arguments, train_dataset=pairs, loss=loss, callbacks=list(callbacks))

    return make


def training_entries(trainer):
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def test_geometry_is_in_every_training_log_entry(model, make_trainer):
    trainer = make_trainer(PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=7.0))
    GeometryCallback.attach(trainer)
    trainer.train()
    entries = training_entries(trainer)
    assert [entry["step"] for entry in entries] == [2, 4, 6]
    for entry in entries:
        assert GEOMETRY <= entry.keys()
        assert entry["persistent_entropy_weight"] == 7.0
        assert entry["persistent_entropy_gradient_ratio"] > 0


def test_logged_geometry_is_that_of_the_batch(model, make_trainer, sentences):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    callback = GeometryCallback(loss)
    trainer = make_trainer(loss, [callback], max_steps=1, logging_steps=1)
    columns = []
    hook = model.register_forward_hook(lambda module, inputs, output: columns.append(output["sentence_embedding"]))
    trainer.train()
    hook.remove()
    (entry,) = training_entries(trainer)
    bars = [barcode(normalize(column.detach(), dim=1)).lengths for column in columns]
    assert len(columns) == 2  # no extra forward pass
    assert math.isclose(entry["mean_mst_length"], sum(each.mean().item() for each in bars) / 2, rel_tol=1e-5)
    entropy = sum(persistent_entropy(each).item() for each in bars) / 2
    assert math.isclose(entry["persistent_entropy_nats"], entropy, rel_tol=1e-5)
    assert math.isclose(entry["persistent_entropy"], entropy / math.log(7), rel_tol=1e-5)
    assert entry["bars"] == 7


def test_logged_gradient_ratio_is_that_of_the_two_parts(model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    trainer = make_trainer(loss, [GeometryCallback(loss)], max_steps=1, logging_steps=1)
    norms = {}

    def measure(module, inputs, terms):
        columns = list(inputs[0])
        for key, term in terms.items():
            found = torch.autograd.grad(term, [part["sentence_embedding"] for part in columns], retain_graph=True)
            norms[key] = torch.cat(found).norm().item()

    loss.register_forward_hook(measure)
    trainer.train()
    (entry,) = training_entries(trainer)
    expected = norms["persistent_entropy_loss"] / norms["base_loss"]
    assert math.isclose(entry["persistent_entropy_gradient_ratio"], expected, rel_tol=1e-4)


def test_reporters_see_the_geometry_when_the_callback_is_attached(model, make_trainer, tmp_path):
    tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = make_trainer(PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model)), report_to=["tensorboard"])
    GeometryCallback.attach(trainer)
    trainer.train()
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    events = tensorboard.EventAccumulator(str(folder)).Reload()
    assert {f"train/{name}" for name in GEOMETRY} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/isoscore")] == [2, 4, 6]


@pytest.mark.parametrize("strategy", ["epoch", "steps"])
def test_geometry_follows_the_logging_strategy(strategy, model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    settings = {"max_steps": -1, "num_train_epochs": 2, "logging_strategy": strategy, "logging_steps": 3}
    trainer = make_trainer(loss, [GeometryCallback(loss)], logging_first_step=strategy == "steps", **settings)
    trainer.train()
    expected = {"epoch": [4, 8], "steps": [1, 3, 6]}[strategy]
    assert [entry["step"] for entry in training_entries(trainer) if "isoscore" in entry] == expected


def test_a_scheduled_weight_follows_the_global_step(model, make_trainer):
    loss = PersistentEntropyLoss(
        model, MultipleNegativesRankingLoss(model), weight=WeightSchedule(30.0, warmup=4, decay=2)
    )
    trainer = make_trainer(loss, [GeometryCallback(loss)], logging_steps=1)
    trainer.train()
    weights = [entry["persistent_entropy_weight"] for entry in training_entries(trainer)]
    assert weights == [0.0, 7.5, 15.0, 22.5, 30.0, 15.0]


def test_a_scheduled_weight_without_the_callback_is_an_error(model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=WeightSchedule(30.0, warmup=4))
    with pytest.raises(ValueError, match="does not know the trainer's step; attach the callback with"):
        make_trainer(loss).train()


def test_evaluation_counts_the_full_weight_of_a_schedule(model, make_trainer, sentences):
    held_out = Dataset.from_dict({"anchor": sentences(8, seed=5), "positive": sentences(8, seed=6)})
    loss, full = (
        PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=weight)
        for weight in (WeightSchedule(30.0, warmup=4), 30.0)
    )
    trainer = make_trainer(loss, [GeometryCallback(loss)])
    before = trainer.evaluate(held_out)["eval_loss"]  # no step is known yet
    assert before == pytest.approx(make_trainer(full).evaluate(held_out)["eval_loss"], rel=1e-6)


def test_nested_losses_all_get_the_step(model, make_trainer):
    inner = RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength(), WeightSchedule(1.0, warmup=4))
    loss = PersistentEntropyLoss(model, inner)
    trainer = make_trainer(loss, max_steps=2, logging_steps=1)
    callback = GeometryCallback.attach(trainer)
    trainer.train()
    first, second = training_entries(trainer)
    assert callback.penalties == {"": loss.penalties}
    assert first["mst_length_loss"] == 0 != second["mst_length_loss"]
    assert first["persistent_entropy_gradient_ratio"] > 0


def test_a_term_of_weight_zero_has_a_gradient_ratio_of_zero(model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), 0.0)
    trainer = make_trainer(loss, [GeometryCallback(loss)], max_steps=1, logging_steps=1)
    trainer.train()
    assert training_entries(trainer)[0]["persistent_entropy_gradient_ratio"] == 0


def test_each_dataset_of_a_dict_has_its_own_geometry(model, sentences, tmp_path):
    datasets = {
        name: Dataset.from_dict({"a": sentences(16, seed=seed), "b": sentences(16, seed=seed + 1)})
        for name, seed in (("first", 1), ("second", 3))
    }
    losses = {name: PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model)) for name in datasets}
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path), max_steps=4, logging_steps=1, per_device_train_batch_size=8, use_cpu=True, report_to=[]
    )
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=datasets, loss=losses)
    GeometryCallback.attach(trainer)
    trainer.train()
    entries = training_entries(trainer)
    assert all(("first_isoscore" in entry) != ("second_isoscore" in entry) for entry in entries)
    assert {key for entry in entries for key in entry if key.endswith("isoscore")} == {
        "first_isoscore",
        "second_isoscore",
    }


def test_datasets_with_one_loss_have_one_geometry_under_both_names(model):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    other = PersistentEntropyLoss(model, CosineSimilarityLoss(model))
    assert set(GeometryCallback({"a": loss, "b": other, "c": loss}).penalties) == {"a+c_", "b_"}


def test_a_checkpoint_can_be_chosen_by_the_objective_alone(model, pairs, tmp_path):
    arguments = choosing_arguments(tmp_path, "eval_base_loss")
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=30.0)
    trainer = SentenceTransformerTrainer(model, arguments, pairs, pairs, loss=loss, callbacks=[GeometryCallback(loss)])
    trainer.train()
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(evaluations) == 2
    assert trainer.state.best_metric == min(entry["eval_base_loss"] for entry in evaluations)
    metrics = trainer.evaluate()
    assert metrics["eval_base_loss"] + metrics["eval_persistent_entropy_loss"] == pytest.approx(
        metrics["eval_loss"], abs=2e-4
    )


@pytest.mark.parametrize("first", ["early stopping", "geometry"])
def test_early_stopping_reads_a_term_whatever_the_order_of_callbacks(first, model, pairs, tmp_path):
    arguments = choosing_arguments(tmp_path, "eval_base_loss", learning_rate=0.0)
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    callbacks = [EarlyStoppingCallback(1), GeometryCallback(loss)]
    if first == "geometry":
        callbacks.reverse()
    arguments.max_steps, arguments.eval_steps, arguments.save_steps = 6, 1, 1
    trainer = SentenceTransformerTrainer(model, arguments, pairs, pairs, loss=loss, callbacks=callbacks)
    trainer.train()
    assert trainer.state.global_step == 2  # the second evaluation is no better than the first


@pytest.mark.parametrize("place", [0, 1, 2, "added later", "attached"])
def test_early_stopping_and_reporters_work_beside_the_callback_in_every_place(place, model, pairs, tmp_path):
    class Reporting(TrainerCallback):
        def __init__(self):
            self.evaluated, self.logged = [], []

        def on_evaluate(self, args, state, control, metrics, **kwargs):
            self.evaluated.append(metrics["eval_base_loss"])

        def on_log(self, args, state, control, logs, **kwargs):
            self.logged += [logs["isoscore"]] if "loss" in logs else []

    arguments = choosing_arguments(tmp_path, "eval_base_loss", learning_rate=0.0)
    arguments.max_steps, arguments.eval_steps, arguments.save_steps, arguments.logging_steps = 6, 1, 1, 1
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    reporting = Reporting()
    callbacks = [EarlyStoppingCallback(1), reporting]
    if isinstance(place, int):
        callbacks.insert(place, GeometryCallback(loss))
    trainer = SentenceTransformerTrainer(model, arguments, pairs, pairs, loss=loss, callbacks=callbacks)
    if place == "added later":
        trainer.add_callback(GeometryCallback(loss))
    elif place == "attached":
        GeometryCallback.attach(trainer)
    trainer.train()
    assert trainer.state.global_step == len(reporting.evaluated) == len(reporting.logged) == 2
    assert trainer.state.best_metric == reporting.evaluated[0]


@pytest.mark.parametrize("draws", ["directions", "tokens", "a regularizer of one's own"])
def test_evaluation_draws_the_same_for_the_same_batch(draws, model, sentences):
    class Drawn(Regularizer):
        name = "drawn"

        def __call__(self, embeddings):
            return embeddings.sum() * 0 + torch.rand(())

    regularizer = {"directions": SIGReg(), "tokens": PersistentEntropy()}.get(draws, Drawn())
    options = {"level": "token", "max_points": 8} if draws == "tokens" else {}
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), regularizer, **options)
    columns = [sentences(8, seed=seed) for seed in (1, 2)]

    def terms():
        found = loss([model.preprocess(column) for column in columns])
        return found[f"{regularizer.name}_loss"].item()

    with torch.no_grad():
        evaluated = []
        for step in (1, 5, 9):
            loss.penalties.begin_step(step, 10)
            evaluated.append(terms())
    assert len(set(evaluated)) == 1
    torch.manual_seed(3)
    trained = []
    for step in (1, 5, 9):
        loss.penalties.begin_step(step, 10)
        trained.append(terms())
    assert len(set(trained)) == 3


@pytest.mark.parametrize("level", ["sentence", "token"])
@pytest.mark.parametrize("name", sorted(set(regularizers.__all__) - {"Regularizer"}))
def test_every_regularizer_gives_the_same_in_evaluation(name, level, model, sentences):
    base = CachedMultipleNegativesRankingLoss(model, mini_batch_size=4)
    losses = [MultipleNegativesRankingLoss(model), *([base] if level == "sentence" else [])]
    columns = [sentences(8, seed=seed) for seed in (1, 2)]
    regularizer = getattr(regularizers, name)()
    for objective in losses:
        loss = RegularizedLoss(model, objective, regularizer, level=level, max_points=10)
        found = set()
        with torch.no_grad():
            for step in (1, 2, 3):
                torch.manual_seed(step)
                loss.penalties.begin_step(step, 10)
                terms = loss([model.preprocess(column) for column in columns])
                found.add(terms[f"{regularizer.name}_loss"].item())
        assert len(found) == 1


def test_evaluation_leaves_the_draws_of_training_as_they_were(model, sentences):
    loss = RegularizedLoss(model, MultipleNegativesRankingLoss(model), SIGReg())
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    with torch.no_grad():
        loss([model.preprocess(sentences(8, seed=seed)) for seed in (1, 2)])
    assert torch.equal(torch.rand(3), expected)


def test_the_step_of_an_interrupted_training_means_nothing_to_the_next(model, make_trainer):
    class Interrupting(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise KeyboardInterrupt

    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=WeightSchedule(3.0))
    trainer = make_trainer(MatryoshkaLoss(model, loss, [32, 8]), callbacks=[Interrupting()])
    GeometryCallback.attach(trainer)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    with pytest.raises(ValueError, match="does not know the trainer's step"):
        make_trainer(loss).train()


@pytest.mark.parametrize("weight", ["a balance", "a schedule"])
def test_a_training_after_an_interrupted_one_is_that_of_a_new_loss(weight, model, pairs, make_trainer):
    class Interrupting(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise KeyboardInterrupt

    def new_loss():
        chosen = BalancedWeight(0.3) if weight == "a balance" else WeightSchedule(3.0, warmup=4)
        return PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=chosen)

    def logged(loss):
        model.load_state_dict(before)
        trainer = make_trainer(loss)
        GeometryCallback.attach(trainer)
        trainer.train()
        return [entry["persistent_entropy_loss"] for entry in training_entries(trainer)]

    before = copy.deepcopy(model.state_dict())
    expected, loss = logged(new_loss()), new_loss()
    trainer = make_trainer(loss, callbacks=[Interrupting()])
    GeometryCallback.attach(trainer)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert logged(loss) == expected


def test_a_batch_of_evaluation_is_not_logged_as_one_of_training(model, sentences):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    loss.penalties.watch()
    features = [model.preprocess(sentences(8, seed=seed)) for seed in (1, 2)]
    with torch.no_grad():
        loss(features, torch.zeros(8))
    assert loss.penalties.seen is None
    loss(features, torch.zeros(8))
    assert loss.penalties.seen is not None


def test_the_step_of_one_trainer_means_nothing_to_the_next(model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=WeightSchedule(3.0))
    trainer = make_trainer(loss)
    GeometryCallback.attach(trainer)
    trainer.train()
    with pytest.raises(ValueError, match="does not know the trainer's step"):
        make_trainer(loss).train()


def test_a_loss_inside_a_modifier_is_followed_at_its_full_dimension(model, make_trainer):
    inner = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    trainer = make_trainer(MatryoshkaLoss(model, inner, [8, 32]), max_steps=1, logging_steps=1)
    callback = GeometryCallback.attach(trainer)
    shapes = []
    inner.register_forward_hook(lambda *_: shapes.append(inner.penalties.seen.clouds[0].shape))
    trainer.train()
    assert callback.penalties == {"": inner.penalties}
    assert shapes == [(8, 32), (8, 32)]  # the first of the two dimensions is kept
    assert GEOMETRY <= training_entries(trainer)[0].keys()


def test_token_clouds_are_measured_and_balanced_too(model, make_trainer):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), "auto", level="token", layers=(-1, 1))
    trainer = make_trainer(loss, [GeometryCallback(loss)])
    trainer.train()
    for entry in training_entries(trainer):
        assert entry["bars"] > 7  # more tokens than the eight sentences of a column
        assert entry["persistent_entropy_weight"] > 0
        assert entry["persistent_entropy_gradient_ratio"] > 0


def test_a_loss_without_regularizers_cannot_be_followed(model):
    with pytest.raises(
        ValueError, match="There is no RegularizedLoss or PersistentEntropyLoss in CosineSimilarityLoss"
    ):
        GeometryCallback(CosineSimilarityLoss(model))


def test_measures_are_logged_under_the_names_and_with_the_values_of_the_catalog():
    points = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    measured = describe(Snapshot([points], 0, {}, {}))
    shared = isotropy(points, names=LOGGED_MEASURES)
    assert {name: measured[name] for name in LOGGED_MEASURES} == {name: found.value for name, found in shared.items()}
    assert measured.keys() - shared.keys() == {"bars", "skipped_clouds"}


def test_a_large_cloud_is_measured_whole():
    points = torch.randn(2100, 6, generator=torch.Generator().manual_seed(0))
    measured = describe(Snapshot([points], 0, {}, {}))
    lengths = barcode(normalize(points.double(), dim=1)).lengths
    assert measured["bars"] == len(lengths) == 2099
    assert measured["mean_mst_length"] == pytest.approx(lengths.mean().item())


def test_several_processes_need_the_same_terms_for_all_data_sets(model, tmp_path):
    losses = {
        "a": PersistentEntropyLoss(model, CosineSimilarityLoss(model)),
        "b": RegularizedLoss(model, MultipleNegativesRankingLoss(model), MSTLength()),
    }
    arguments = SentenceTransformerTrainingArguments(str(tmp_path), report_to=[])
    callback = GeometryCallback(losses)
    callback.on_train_begin(arguments, TrainerState(), TrainerControl())  # one process: each may have its own
    several = SimpleNamespace(world_size=2)
    with pytest.raises(ValueError, match=r"the same regularizers, but they have mst_length and persistent_entropy"):
        callback.on_train_begin(several, TrainerState(), TrainerControl())
    alike = {**losses, "b": PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=0.0)}
    GeometryCallback(alike).on_train_begin(several, TrainerState(), TrainerControl())


def test_a_loss_that_is_not_built_cannot_be_followed():
    with pytest.raises(ValueError, match=r"The callback needs a loss object, such as .*, not <function"):
        GeometryCallback(lambda model: model)


def unheld(make):
    """An objective that closes the cloud: its term has no weight."""
    return lambda model: RegularizedLoss(model, make(model), PersistentEntropy(scale="absolute"), 0.0)


@pytest.mark.parametrize("make", [AlignmentLoss, CachedAlignmentLoss])
def test_a_cloud_that_closes_without_negatives_is_warned_of_once_with_the_numbers(make, model, make_trainer):
    loss = MatryoshkaLoss(model, unheld(make)(model), [32])
    trainer = make_trainer(loss, max_steps=40, logging_steps=10, learning_rate=3e-3)
    GeometryCallback.attach(trainer)
    with pytest.warns(UserWarning, match="the cloud closes") as caught:
        trainer.train()
    (message,) = (str(each.message) for each in caught if "the cloud closes" in str(each.message))
    first, edge, step = re.match(
        r"The mean tree edge fell from (.+) in the first batch to (.+) at step (\d+): trained on positives alone, "
        r'the cloud closes; add PersistentEntropy\(scale="absolute"\) or another regularizer that sees how far the '
        r"cloud is spread, or raise its weight\.$",
        message,
    ).groups()
    entry = next(entry for entry in training_entries(trainer) if entry["mean_mst_length"] < float(first) / 2)
    assert (entry["step"], f"{entry['mean_mst_length']:.3f}") == (int(step), edge)


def test_the_first_batch_of_a_training_is_measured_although_it_is_not_logged(model, make_trainer):
    loss = unheld(AlignmentLoss)(model)
    trainer = make_trainer(loss, max_steps=4, logging_steps=4, logging_first_step=False)
    callback = GeometryCallback.attach(trainer)
    edges = []
    loss.register_forward_hook(lambda *_: edges.append(loss.penalties.seen and describe(loss.penalties.seen)))
    trainer.train()
    assert callback.first_edges == {"": edges[0]["mean_mst_length"]}
    assert edges[1:3] == [None, None]
    again = make_trainer(loss, max_steps=1)
    again.add_callback(callback)
    again.train()
    assert callback.first_edges == {"": edges[4]["mean_mst_length"]} != {"": edges[0]["mean_mst_length"]}


def test_a_training_on_batches_too_small_to_be_measured_is_watched_for_one_step_only(model, make_trainer):
    trainer = make_trainer(unheld(AlignmentLoss)(model), max_steps=3, per_device_train_batch_size=2)
    callback = GeometryCallback.attach(trainer)
    trainer.train()
    assert callback.first_edges == {"": 0.0}


def test_a_cloud_that_is_held_open_or_has_negatives_is_not_warned_of(model, sentences, make_trainer):
    held = RegularizedLoss(model, AlignmentLoss(model), PersistentEntropy(scale="absolute"), 3.0)
    trainer = make_trainer(held, max_steps=20, learning_rate=1e-3)
    GeometryCallback.attach(trainer)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*the cloud closes")
        trainer.train()
    negatives = GeometryCallback(PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model)))
    assert negatives.positives_alone == set()


def test_of_several_data_sets_the_one_whose_cloud_closes_is_named(model):
    losses = {"a": unheld(AlignmentLoss)(model), "b": PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))}
    callback = GeometryCallback(losses)
    assert callback.positives_alone == {"a_"}
    callback.first_edges = {"a_": 1.0}
    for penalties in callback.penalties.values():
        penalties._training.snapshot = Snapshot([0.01 * torch.eye(4) + 1], 0, {}, {})
    state = TrainerState(log_history=[{}], global_step=7)
    with pytest.warns(UserWarning, match=r"^The mean tree edge of a fell from 1\.000 in the first batch to 0\.0"):
        callback.on_log(None, state, TrainerControl(), {"loss": 1.0})
