"""Late-interaction models are trained with clouds of the tokens they score; sparse ones are refused with the reason."""

import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    MultiVectorEncoder,
    MultiVectorEncoderTrainer,
    MultiVectorEncoderTrainingArguments,
    SparseEncoder,
)
from sentence_transformers.multi_vector_encoder.losses import (
    CachedMultiVectorMultipleNegativesRankingLoss,
    MultiVectorMultipleNegativesRankingLoss,
)
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling, MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Transformer
from torch import nn

from st_isotropy import GeometryCallback, IsotropyEvaluator, MSTLength, PersistentEntropy, PersistentEntropyLoss
from st_isotropy.cli import main
from st_isotropy.improve import SearchTexts, encode_search
from st_isotropy.metrics import isotropy
from st_isotropy.posthoc import Center


def multi_vector(bert_folder, *further, skiplist=("the",)):
    torch.manual_seed(0)
    narrow = Dense(32, 8, bias=False, activation_function=nn.Identity(), module_input_name="token_embeddings")
    normalize = Normalize(module_input_name="token_embeddings")
    modules = [Transformer(bert_folder), narrow, MultiVectorMask(skiplist_words=list(skiplist)), normalize, *further]
    return MultiVectorEncoder(modules=modules, device="cpu")


@pytest.fixture
def late(bert_folder):
    return multi_vector(bert_folder)


def features(model, columns):
    tasks = ["query", *["document"] * (len(columns) - 1)]
    return [{**model.preprocess(column, task=task), "task": task} for column, task in zip(columns, tasks, strict=True)]


def scored_tokens(model, texts, task):
    """The tokens that MaxSim compares, without [CLS] and [SEP], of each text by itself."""
    encode = model.encode_query if task == "query" else model.encode_document
    return torch.cat([encode(text)[1:-1] for text in dict.fromkeys(texts)])


@pytest.mark.parametrize("count", [2, 3])
def test_the_clouds_are_the_tokens_that_are_scored(count, late, sentences):
    columns = [sentences(8, seed=seed) for seed in range(count)]
    loss = PersistentEntropyLoss(
        late, MultiVectorMultipleNegativesRankingLoss(late), 1.0, spread_weight=1.0, level="token"
    )
    terms = loss(features(late, columns))
    plain = MultiVectorMultipleNegativesRankingLoss(late)(features(late, columns))
    clouds = [scored_tokens(late, column, "document" if place else "query") for place, column in enumerate(columns)]
    assert terms["base_loss"].item() == pytest.approx(plain.item())
    for name, regularizer in (("persistent_entropy", PersistentEntropy()), ("mst_length", MSTLength())):
        expected = torch.stack([regularizer(cloud) for cloud in clouds]).mean()
        assert terms[f"{name}_loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_term_reaches_the_projection_and_the_transformer(late, sentences):
    base = MultiVectorMultipleNegativesRankingLoss(late)
    loss = PersistentEntropyLoss(late, base, level="token", weight="auto")
    loss(features(late, [sentences(8, seed=1), sentences(8, seed=2)]))["persistent_entropy_loss"].backward()
    for module in (late[0], late[1]):
        assert max(parameter.grad.abs().max() for parameter in module.parameters() if parameter.grad is not None) > 0


def test_pooled_tokens_are_clouds_too(bert_folder, sentences):
    model = multi_vector(bert_folder, HierarchicalTokenPooling(pool_factor=2))
    loss = PersistentEntropyLoss(model, MultiVectorMultipleNegativesRankingLoss(model), level="token")
    terms = loss(features(model, [sentences(8, seed=1), sentences(8, seed=2)]))
    assert terms["persistent_entropy_loss"].item() > 0


@pytest.mark.trainer
def test_a_late_interaction_model_is_trained(late, sentences, tmp_path):
    pairs = Dataset.from_dict({"query": sentences(32, seed=1), "positive": sentences(32, seed=2)})
    arguments = MultiVectorEncoderTrainingArguments(
        str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=3,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
    )
    loss = PersistentEntropyLoss(late, MultiVectorMultipleNegativesRankingLoss(late), 100.0, level="token")
    trainer = MultiVectorEncoderTrainer(
        late, arguments, train_dataset=pairs, eval_dataset=pairs, loss=loss, callbacks=[GeometryCallback(loss)]
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "persistent_entropy_loss" in entry]
    assert len(logged) == 6 and all(entry["bars"] > 8 for entry in logged)
    deficits = [entry["eval_persistent_entropy_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(deficits) == 2 and deficits[1] < deficits[0]


def test_the_tokens_of_a_late_interaction_model_are_measured(late, sentences):
    rows = torch.cat(late.encode_document(sentences(60)))
    assert isotropy(rows)["isoscore"].value < 1


def test_the_sentence_level_of_a_late_interaction_model_is_refused(late):
    with pytest.raises(ValueError) as error:
        PersistentEntropyLoss(late, MultiVectorMultipleNegativesRankingLoss(late))
    assert str(error.value) == (
        "The model is a MultiVectorEncoder, which gives each text an embedding for every token and none for the whole; "
        'use level="token".'
    )


def test_a_gradient_cache_of_tokens_is_refused(late):
    with pytest.raises(ValueError) as error:
        PersistentEntropyLoss(late, CachedMultiVectorMultipleNegativesRankingLoss(late), level="token")
    assert str(error.value) == (
        'The option level="token" cannot be used with CachedMultiVectorMultipleNegativesRankingLoss, through whose '
        "gradient cache no token embeddings can be regularized; use a base loss without a cache."
    )


SPARSE = "which gives each text a number for every token of its vocabulary, nearly all of them 0"
LATE = "which gives each text an embedding for every token and none for the whole"


@pytest.mark.parametrize(("kind", "reason"), [("SparseEncoder", SPARSE), ("MultiVectorEncoder", LATE)])
def test_a_model_of_another_kind_is_refused_with_the_reason_wherever_one_is_taken(
    kind, reason, late, bert_folder, sentences, tmp_path, capsys
):
    model = SparseEncoder(bert_folder, device="cpu") if kind == "SparseEncoder" else late
    texts, folder = sentences(60), str(tmp_path / "model")
    model.save_pretrained(folder)
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "pairs.tsv").write_text("".join(f"{text} the\t{text}\n" for text in texts))
    task = SearchTexts(texts, texts[:1], ())
    for use in (
        lambda: Center().fit(model, texts),
        lambda: IsotropyEvaluator(texts)(model),
        lambda: encode_search(model, task),
    ):
        with pytest.raises((ValueError, TypeError), match=f"a {kind}, {reason}"):
            use()
    files = ["--texts", str(tmp_path / "texts.txt")]
    for command in (["diagnose", folder, *files], ["improve", folder, *files, "--pairs", str(tmp_path / "pairs.tsv")]):
        capsys.readouterr()
        assert main(command) == 2
        assert capsys.readouterr().err == (
            f"st-isotropy: The model {folder} is a {kind}, {reason}; give a SentenceTransformer.\n"
        )


@pytest.mark.parametrize("level", ["sentence", "token"])
def test_a_sparse_model_is_not_trained_with_a_term(level, bert_folder):
    model = SparseEncoder(bert_folder, device="cpu")
    base = MultiVectorMultipleNegativesRankingLoss(model)
    with pytest.raises(ValueError) as error:
        PersistentEntropyLoss(model, base, level=level)
    assert str(error.value) == (
        "The regularizers act on dense embeddings, so the model must be a SentenceTransformer, not SparseEncoder, "
        f"{SPARSE}."
    )
