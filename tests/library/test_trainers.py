"""The loss inside the real trainers: every precision, way of stepping, kind of model, and what is logged."""

import copy
import math

import pytest
import torch
from datasets import Dataset, DatasetDict
from peft import LoraConfig, TaskType
from sentence_transformers import (
    InputExample,
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import (
    BatchHardTripletLoss,
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    GISTEmbedLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer
from torch.utils.data import DataLoader

from st_isotropy import (
    GeometryCallback,
    MSTLength,
    PersistentEntropy,
    PersistentEntropyLoss,
    RegularizedLoss,
    WeightSchedule,
)
from st_isotropy.losses import DEFAULT_WEIGHT

pytestmark = pytest.mark.trainer

TERMS = ("base_loss", "persistent_entropy_loss")


@pytest.fixture
def pairs(sentences):
    return Dataset.from_dict({"anchor": sentences(32, seed=1), "positive": sentences(32, seed=2)})


@pytest.fixture
def train(tmp_path):
    """A function that trains for four steps and returns the trainer."""

    def run(model, dataset, loss, callbacks=(), resume=None, **changes):
        settings = {
            "output_dir": str(tmp_path / "run"),
            "max_steps": 4,
            "per_device_train_batch_size": 8,
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "report_to": [],
            "disable_tqdm": True,
            "use_cpu": True,
            "save_strategy": "no",
            "dataloader_pin_memory": False,
        }
        arguments = SentenceTransformerTrainingArguments(**(settings | changes))
        trainer = SentenceTransformerTrainer(
            model, arguments, train_dataset=dataset, loss=loss, callbacks=list(callbacks)
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return run


def logged(trainer, key):
    return [entry[key] for entry in trainer.state.log_history if key in entry]


def weights(model):
    return torch.cat([each.detach().flatten().float() for each in model.parameters() if each.requires_grad])


def assert_trained_on_both_terms(trainer, before):
    """Both terms are logged in every step, add up, and move the weights."""
    totals, bases, penalties = (logged(trainer, key) for key in ("loss", *TERMS))
    assert len(totals) == len(bases) == len(penalties) == trainer.state.max_steps
    for total, base, penalty in zip(totals, bases, penalties, strict=True):
        assert penalty > 0
        assert math.isclose(total, base + penalty, rel_tol=1e-2, abs_tol=2e-4)
    assert torch.isfinite(weights(trainer.model)).all()
    assert not torch.equal(before, weights(trainer.model))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bf16": True},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
        {"torch_compile": True, "torch_compile_backend": "eager"},
    ],
    ids=lambda settings: ", ".join(settings) or "plain",
)
@pytest.mark.parametrize("objective", [MultipleNegativesRankingLoss, CachedMultipleNegativesRankingLoss])
def test_both_terms_are_trained_and_logged(objective, settings, model, pairs, train):
    before = weights(model)
    assert_trained_on_both_terms(
        train(model, pairs, PersistentEntropyLoss(model, objective(model)), **settings), before
    )


def test_a_double_precision_model_stays_in_double_precision(model, pairs, train):
    model.double()
    seen = []
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    loss.register_forward_hook(lambda module, inputs, terms: seen.extend(each.dtype for each in terms.values()))
    before = weights(model)
    assert_trained_on_both_terms(train(model, pairs, loss), before)
    assert set(seen) == {torch.float64}


def test_half_precision_embeddings_are_measured_in_single_precision(model, sentences):
    model.bfloat16()
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    features = [model.preprocess(sentences(16, seed=seed)) for seed in (1, 2)]
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss(features)
    halves = [each["sentence_embedding"] for each in features]
    assert {each.dtype for each in halves} == {torch.bfloat16}
    expected = DEFAULT_WEIGHT * sum(PersistentEntropy()(each.double()) for each in halves) / 2
    assert terms["persistent_entropy_loss"].dtype == torch.float32
    assert terms["persistent_entropy_loss"].item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_gradient_scaler_scales_both_terms_alike(model, sentences):
    loss = PersistentEntropyLoss(model, CachedMultipleNegativesRankingLoss(model, mini_batch_size=4))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    found = []
    for scale in (lambda value: value, scaler.scale):
        terms = loss([model.preprocess(sentences(8, seed=seed)) for seed in (1, 2)])
        scale(torch.stack(list(terms.values())).sum()).backward()
        found.append(torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None]))
        model.zero_grad()
    torch.testing.assert_close(found[1], 2.0**12 * found[0], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("objective", [MultipleNegativesRankingLoss, CachedMultipleNegativesRankingLoss])
def test_a_model_compiled_in_place_gives_the_same_terms(objective, model, sentences):
    loss = PersistentEntropyLoss(model, objective(model))

    def terms():
        found = loss([model.preprocess(sentences(8, seed=seed)) for seed in (1, 2)])
        found.backward()
        gradient = model[0].auto_model.embeddings.word_embeddings.weight.grad.clone()
        model.zero_grad()
        return found.detach(), gradient

    plain = terms()
    model.compile(backend="eager")
    for _ in range(2):
        torch.testing.assert_close(terms(), plain)


def test_accumulated_micro_batches_are_clouds_of_their_own(model, pairs, train):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    sizes = []
    loss.register_forward_hook(lambda module, inputs, terms: sizes.append(len(inputs[0][0]["input_ids"])))
    trainer = train(model, pairs, loss, max_steps=2, gradient_accumulation_steps=2)
    assert sizes == [8, 8, 8, 8]
    for total, base, penalty in zip(*(logged(trainer, key) for key in ("loss", *TERMS)), strict=True):
        assert math.isclose(total, base + penalty, abs_tol=3e-4)


def test_adapters_alone_are_trained(model, pairs, train):
    model.add_adapter(
        LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=2, target_modules=["query", "value"], lora_alpha=4)
    )
    trained = {name for name, each in model.named_parameters() if each.requires_grad}
    assert trained
    assert all("lora" in name for name in trained)
    before = weights(model)
    assert_trained_on_both_terms(
        train(model, pairs, PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))), before
    )


def test_a_static_model_is_trained(static_model, pairs, train):
    loss = PersistentEntropyLoss(static_model, MultipleNegativesRankingLoss(static_model))
    before = weights(static_model)
    assert_trained_on_both_terms(train(static_model, pairs, loss), before)


def test_an_asymmetric_model_is_trained_with_a_cloud_for_each_tower(bert_folder, pairs, train):
    def tower():
        transformer = Transformer(bert_folder)
        return [transformer, Pooling(transformer.get_embedding_dimension())]

    model = SentenceTransformer(modules=[Router.for_query_document(tower(), tower())], device="cpu")
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    before = weights(model)
    trainer = train(model, pairs, loss, router_mapping={"anchor": "query", "positive": "document"})
    assert_trained_on_both_terms(trainer, before)


def test_prompts_reach_the_regularized_embeddings(model, pairs, train):
    batches = []
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    loss.register_forward_hook(lambda module, inputs, terms: batches.append(inputs[0]))
    before = weights(model)
    trainer = train(model, pairs, loss, prompts={"anchor": "query ", "positive": "document "})
    assert_trained_on_both_terms(trainer, before)
    for column, word in zip(batches[0], ("query", "document"), strict=True):
        assert (column["input_ids"][:, 1] == model.tokenizer.convert_tokens_to_ids(word)).all()


def test_a_batch_of_one_is_trained_on_the_base_loss(model, pairs, train):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    trainer = train(model, pairs.select(range(1)), loss, max_steps=1)
    assert logged(trainer, "persistent_entropy_loss") == [0.0]


def test_a_resumed_run_has_the_losses_of_an_unbroken_one(model, pairs, train, tmp_path):
    def run(resume=None):
        copied = copy.deepcopy(model)
        loss = PersistentEntropyLoss(
            copied,
            MultipleNegativesRankingLoss(copied),
            WeightSchedule(30.0, warmup=0.5, shape="cosine"),
            spread_weight="auto",
        )
        return train(
            copied,
            pairs,
            loss,
            [GeometryCallback(loss)],
            resume,
            max_steps=8,
            save_strategy="steps",
            save_steps=4,
            seed=3,
        )

    unbroken = run()
    resumed = run(str(tmp_path / "run" / "checkpoint-4"))
    assert len(logged(resumed, "loss")) == 8  # four from the checkpoint's log, four of its own
    for key in ("loss", *TERMS, "mst_length_loss", "persistent_entropy_weight", "mst_length_weight"):
        assert logged(resumed, key) == logged(unbroken, key)


def test_each_dataset_may_have_a_loss_of_its_own(model, pairs, sentences, train):
    scored = pairs.add_column("label", [index / 32 for index in range(32)])
    single = Dataset.from_dict({"text": sentences(32, seed=3), "label": [index % 3 for index in range(32)]})
    losses = {
        "pairs": PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model)),
        "scored": CosineSimilarityLoss(model),
        "single": PersistentEntropyLoss(model, BatchHardTripletLoss(model), cloud="labels"),
    }
    seen = set()
    for name, each in losses.items():
        each.register_forward_hook(lambda *_, name=name: seen.add(name))
    before = weights(model)
    train(model, DatasetDict(pairs=pairs, scored=scored, single=single), losses, max_steps=12)
    assert seen == losses.keys()
    assert torch.isfinite(weights(model)).all()
    assert not torch.equal(before, weights(model))


@pytest.mark.parametrize("modifier", [lambda model, loss: MatryoshkaLoss(model, loss, [32, 16])])
@pytest.mark.parametrize("objective", [MultipleNegativesRankingLoss, CachedMultipleNegativesRankingLoss])
def test_the_terms_reach_the_log_through_a_modifier(objective, modifier, model, pairs, train):
    loss = modifier(model, PersistentEntropyLoss(model, objective(model)))
    before = weights(model)
    assert_trained_on_both_terms(train(model, pairs, loss), before)


def test_training_against_the_penalty_alone_lowers_it(model, pairs, sentences, train):
    class Nothing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, features, labels=None):
            return sum(self.model(each)["sentence_embedding"].sum() * 0 for each in features)

    def deficit():
        return PersistentEntropy()(model.encode(sentences(32, seed=1), convert_to_tensor=True)).item()

    before = deficit()
    train(model, pairs, PersistentEntropyLoss(model, Nothing()), max_steps=30, per_device_train_batch_size=32)
    assert deficit() < before / 2


@pytest.mark.parametrize("method", ["fit", "old_fit"])
@pytest.mark.filterwarnings("ignore:'pin_memory' argument")
def test_fit_trains_with_the_wrapped_loss(method, model, sentences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # fit writes checkpoints below the working directory
    texts = zip(sentences(16, seed=1), sentences(16, seed=2), strict=True)
    examples = [InputExample(texts=list(pair), label=0.5) for pair in texts]
    loss = PersistentEntropyLoss(model, CosineSimilarityLoss(model))
    values = []
    loss.register_forward_hook(lambda module, inputs, terms: values.append(terms["persistent_entropy_loss"].item()))
    before = weights(model)
    objectives = [(DataLoader(examples, batch_size=8), loss)]
    getattr(model, method)(objectives, epochs=2, warmup_steps=0, show_progress_bar=False)
    assert len(values) == 4
    assert all(value > 0 for value in values)
    assert not torch.equal(before, weights(model))


def evaluated(trainer):
    return [entry for entry in trainer.state.log_history if any(key.endswith("_runtime") for key in entry)]


def test_the_evaluation_loss_of_a_dataset_is_the_sum_of_its_logged_terms(model, pairs, train, tmp_path):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), spread_weight="auto")
    trainer = train(model, pairs, loss)
    metrics = trainer.evaluate(pairs.select(range(8)))
    entry = trainer.state.log_history[-1]
    terms = [entry[f"eval_{key}"] for key in (*TERMS, "mst_length_loss")]
    assert metrics["eval_loss"] == pytest.approx(sum(terms), abs=3e-4)
    with torch.no_grad():
        by_hand = loss([model.preprocess(pairs[key][:8]) for key in ("anchor", "positive")])
    assert metrics["eval_loss"] == pytest.approx(by_hand.total.item(), rel=1e-4)


def test_evaluation_reports_a_balanced_term_unweighted(model, sentences):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), "auto")
    features = [model.preprocess(sentences(16, seed=seed)) for seed in (1, 2)]
    with torch.no_grad():
        terms = loss(features)
    deficits = [PersistentEntropy()(each["sentence_embedding"]) for each in features]
    assert terms["persistent_entropy_loss"].item() == pytest.approx(sum(deficits).item() / 2, rel=1e-5)


def test_sentence_transformers_logs_the_total_but_no_terms_for_a_dict_of_evaluation_datasets(model, pairs, train):
    loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
    trainer = train(model, pairs, loss)
    datasets = {"first": pairs.select(range(8)), "second": pairs.select(range(8, 16))}
    metrics = trainer.evaluate(datasets)
    for name, dataset in datasets.items():
        with torch.no_grad():
            by_hand = loss([model.preprocess(dataset[key][:]) for key in ("anchor", "positive")])
        assert metrics[f"eval_{name}_loss"] == pytest.approx(by_hand.total.item(), rel=1e-4)
    assert not any("base_loss" in key for entry in trainer.state.log_history for key in entry if "eval" in key)


def test_the_model_card_names_a_guide_without_its_layers(model):
    loss = RegularizedLoss(model, GISTEmbedLoss(model, guide=copy.deepcopy(model), temperature=0.05), MSTLength())
    assert loss.get_config_dict()["loss"].startswith("GISTEmbedLoss(guide=SentenceTransformer, temperature=0.05")
    around = PersistentEntropyLoss(model, loss).get_config_dict()["loss"]
    assert around.startswith("RegularizedLoss(loss=") and "GISTEmbedLoss(guide=SentenceTransformer, " in around


def test_parts_add_up_where_all_batches_are_equally_large_and_not_where_the_last_is_smaller(model, pairs, train):
    """As docs/using-the-loss.md says."""
    gaps = []
    for rows in (8, 9):
        loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), weight=30.0)
        trainer = train(model, pairs, loss, per_device_eval_batch_size=4)
        trainer.evaluate(pairs.select(range(rows)))
        entry = next(entry for entry in trainer.state.log_history if "eval_base_loss" in entry)
        gaps.append(abs(entry["eval_loss"] - entry["eval_base_loss"] - entry["eval_persistent_entropy_loss"]))
    assert gaps[0] < 1e-4 < gaps[1]


def test_the_model_card_names_the_wrapper_the_inner_loss_and_their_sources(model, pairs, train, tmp_path):
    loss = PersistentEntropyLoss(
        model, MultipleNegativesRankingLoss(model, scale=17.0), 12.5, spread_weight=WeightSchedule(0.3, warmup=10)
    )
    train(model, pairs, loss, [GeometryCallback(loss)])
    model.save(str(tmp_path / "saved"))
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "loss:PersistentEntropyLoss" in card
    assert "loss:MultipleNegativesRankingLoss" in card
    assert '"loss": "MultipleNegativesRankingLoss(scale=17.0' in card
    assert "12.5 * PersistentEntropy(" in card
    assert "WeightSchedule(value=0.3, warmup=10" in card
    assert '"cloud": "columns"' in card
    assert "kudriashov2025shrink" in card
    assert "oord2019representation" in card or "henderson2017efficient" in card
