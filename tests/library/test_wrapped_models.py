"""A model in a wrapper is trained, measured and fitted like the model itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    CosineSimilarityLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from st_isotropy import GeometryCallback, IsotropyEvaluator, PersistentEntropyLoss
from st_isotropy.posthoc import Center, apply_posthoc
from st_isotropy.unwrap import unwrap


def with_adapters(model: SentenceTransformer) -> nn.Module:
    config = LoraConfig(r=2, target_modules=["query"], init_lora_weights=True)
    return get_peft_model(model, config)  # type: ignore[arg-type]


WRAPPERS: dict[str, Callable[[SentenceTransformer], nn.Module]] = {
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "data parallel": nn.DataParallel,
    "distributed": DistributedDataParallel,
    "sharded": lambda model: fully_shard(model, mesh=init_device_mesh("cpu", (1,))),
    "adapters": with_adapters,
    "compiled and distributed": lambda model: DistributedDataParallel(torch.compile(model, backend="eager")),
}
wrappers = pytest.mark.parametrize("wrapper", WRAPPERS)


@pytest.fixture(scope="module", autouse=True)
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process group, without which nothing can be distributed."""
    store = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Compiled models run as they are: their wrapper is what matters here, and tracing takes seconds."""
    with torch.compiler.set_stance("force_eager"):
        yield


@wrappers
def test_a_wrapped_model_is_found_in_its_wrapper(wrapper, model):
    assert unwrap(WRAPPERS[wrapper](model)) is model


@wrappers
@pytest.mark.parametrize("given", ["wrapped to both", "wrapped to the base loss", "wrapped to the regularized loss"])
def test_a_wrapped_model_has_the_terms_of_the_model_itself(wrapper, given, model, sentences, untraced):
    columns = [sentences(8, seed=seed) for seed in (1, 2)]
    plain = PersistentEntropyLoss(model, CosineSimilarityLoss(model))
    expected = plain([model.preprocess(column) for column in columns], torch.rand(8, generator=seeded()))
    wrapped = WRAPPERS[wrapper](model)
    outer = model if given == "wrapped to the base loss" else wrapped
    inner: Any = model if given == "wrapped to the regularized loss" else wrapped
    loss = PersistentEntropyLoss(outer, CosineSimilarityLoss(inner))
    terms = loss([model.preprocess(column) for column in columns], torch.rand(8, generator=seeded()))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}
    )


@pytest.mark.parametrize("objective", ["cached", "matryoshka", "token"])
def test_a_compiled_model_works_with_cached_losses_modifiers_and_tokens(objective, model, sentences, untraced):
    columns = [sentences(8, seed=seed) for seed in (1, 2)]

    def terms(given: Any) -> dict[str, float]:
        base = {
            "cached": lambda: CachedMultipleNegativesRankingLoss(given, mini_batch_size=4),
            "matryoshka": lambda: MatryoshkaLoss(given, MultipleNegativesRankingLoss(given), [32, 8]),
            "token": lambda: MultipleNegativesRankingLoss(given),
        }[objective]()
        options: Any = {"level": "token", "layers": (0, -1)} if objective == "token" else {}
        loss = PersistentEntropyLoss(given, base, **options)
        found = loss([model.preprocess(column) for column in columns])
        return {name: term.item() for name, term in found.items()}

    assert terms(torch.compile(model, backend="eager")) == pytest.approx(terms(model), rel=1e-5)


def test_a_compiled_loss_has_the_terms_of_the_loss_itself(model, sentences, untraced):
    columns = [sentences(8, seed=seed) for seed in (1, 2)]
    base: Any = MultipleNegativesRankingLoss(model)
    expected, terms = (
        PersistentEntropyLoss(model, loss)([model.preprocess(column) for column in columns])
        for loss in (base, torch.compile(base, backend="eager"))
    )
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}
    )


# `encode` itself refuses a model sharded in this way: it runs in inference mode.
@pytest.mark.parametrize("wrapper", [name for name in WRAPPERS if name != "sharded"])
def test_a_wrapped_model_is_measured_and_fitted_like_the_model_itself(wrapper, model, sentences, untraced):
    texts = sentences(40)
    evaluator, center = IsotropyEvaluator(texts, name="dev"), Center()
    expected, rows = evaluator(model), torch.eye(32)
    shifted = apply_posthoc(center.fit(model, texts), rows)
    wrapped: Any = WRAPPERS[wrapper](model)
    assert evaluator(wrapped) == expected
    assert torch.equal(apply_posthoc(center.fit(wrapped, texts), rows), shifted)


@pytest.mark.trainer
def test_a_model_compiled_by_the_user_is_trained_and_evaluated(model, sentences, tmp_path, untraced):
    compiled: Any = torch.compile(model, backend="eager")
    pairs = Dataset.from_dict({"anchor": sentences(16, seed=1), "positive": sentences(16, seed=2)})
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=8,
        eval_strategy="steps",
        eval_steps=1,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
    )
    loss = PersistentEntropyLoss(compiled, MultipleNegativesRankingLoss(compiled))
    trainer = SentenceTransformerTrainer(
        compiled,
        arguments,
        train_dataset=pairs,
        loss=loss,
        evaluator=IsotropyEvaluator(sentences(40), name="dev"),
        callbacks=[GeometryCallback(loss)],
    )
    trainer.train()
    scores = [entry["eval_dev_isoscore"] for entry in trainer.state.log_history if "eval_dev_isoscore" in entry]
    assert len(scores) == 2
    assert any("persistent_entropy_loss" in entry for entry in trainer.state.log_history)


INSIDE: dict[str, Callable[[Any], Any]] = {
    "adapters": lambda transformer: get_peft_model(transformer, LoraConfig(r=2, target_modules=["query"])),
    "compiled": lambda transformer: torch.compile(transformer, backend="eager"),
    "data parallel": nn.DataParallel,
}


@pytest.mark.parametrize("options", [{}, {"level": "token"}, {"level": "token", "layers": (0, -1)}], ids=str)
@pytest.mark.parametrize("wrapper", INSIDE)
def test_a_transformer_wrapped_inside_the_model_is_that_transformer(wrapper, options, model, sentences, untraced):
    columns = [sentences(8, seed=seed) for seed in (1, 2)]

    def terms() -> dict[str, float]:
        loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), **options)
        return {name: term.item() for name, term in loss([model.preprocess(column) for column in columns]).items()}

    expected, scores = terms(), IsotropyEvaluator(sentences(40))(model)
    model[0].auto_model = INSIDE[wrapper](model[0].auto_model)
    assert terms() == pytest.approx(expected, rel=1e-5)
    assert IsotropyEvaluator(sentences(40))(model) == pytest.approx(scores)
    Center().fit(model, sentences(40))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
