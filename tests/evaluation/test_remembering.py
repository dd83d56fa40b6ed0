"""Each distinct text is encoded once for all tasks of a model, and no score changes by it."""

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from mteb.types import PromptType
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router
from small_corpus import small_corpus, static_model
from torch.utils.data import DataLoader

from evaluation.measure.scores import evaluate
from evaluation.measured import TaskScores
from evaluation.models.remembering import RememberingEncoder
from evaluation.tasks.docstrings import DocstringClassification, DocstringRetrieval
from evaluation.tasks.resolve import docstring_tasks

TASKS = docstring_tasks(small_corpus)
RETRIEVAL, CLASSIFICATION = DocstringRetrieval.metadata, DocstringClassification.metadata


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All texts that any model encodes, in order."""
    texts: list[str] = []
    encode = SentenceTransformer.encode

    def noted(self: SentenceTransformer, inputs: list[str], *args: object, **kwargs: object) -> object:
        texts.extend(inputs)
        return encode(self, inputs, *args, **kwargs)

    monkeypatch.setattr(SentenceTransformer, "encode", noted)
    return texts


def remembering(model: SentenceTransformer, most_texts: int = 100) -> RememberingEncoder:
    return RememberingEncoder(SentenceTransformerEncoderWrapper(model), most_texts)


def ask(encoder: RememberingEncoder, texts: list[str], task=RETRIEVAL, prompt_type: PromptType | None = None):
    inputs = DataLoader(Dataset.from_dict({"text": texts}), batch_size=2)
    return encoder.encode(inputs, task_metadata=task, hf_split="test", hf_subset="default", prompt_type=prompt_type)


def test_a_text_that_several_tasks_ask_for_is_encoded_once(encoded: list[str], tmp_path: Path) -> None:
    evaluate(static_model(), "small", TASKS, tmp_path, show_progress=False)
    assert len(encoded) == len(set(encoded)) > 0


def test_scores_are_those_of_tasks_that_are_evaluated_alone(tmp_path: Path) -> None:
    together = evaluate(static_model(), "small", TASKS, tmp_path / "all", show_progress=False)
    for task, found in zip(TASKS, together, strict=True):
        [alone] = evaluate(static_model(), "small", [task], tmp_path / task.file, show_progress=False)
        assert isinstance(alone, TaskScores) and isinstance(found, TaskScores)
        assert found.score == pytest.approx(alone.score, abs=1e-12) and found.units == alone.units


def test_rows_come_in_the_order_of_the_texts(encoded: list[str]) -> None:
    model = static_model()
    encoder = remembering(model)
    ask(encoder, ["word2", "word1 word2"])
    texts = ["word1", "word2", "word1", "", "word1 word2"]
    rows = ask(encoder, texts)
    assert encoded == ["word2", "word1 word2", "word1", ""]
    assert np.array_equal(rows, model.encode(texts))


def test_where_nothing_is_new_nothing_is_encoded(encoded: list[str]) -> None:
    encoder = remembering(static_model())
    first = ask(encoder, ["word1", "word2"])
    assert np.array_equal(ask(encoder, ["word2"], CLASSIFICATION, PromptType.query), first[1:])
    assert encoded == ["word1", "word2"]


def test_further_texts_than_are_remembered_are_encoded_anew(encoded: list[str]) -> None:
    encoder = remembering(static_model(), most_texts=1)
    first = ask(encoder, ["word1", "word2"])
    assert np.array_equal(ask(encoder, ["word1", "word2"]), first)
    assert encoded == ["word1", "word2", "word2"]


def test_with_prompts_each_task_and_each_kind_of_text_has_its_own_embedding(encoded: list[str]) -> None:
    model = static_model()
    model.prompts = {"query": "word1 "}
    encoder = remembering(model)
    for task in (RETRIEVAL, CLASSIFICATION, RETRIEVAL):
        query, document = (ask(encoder, ["word2"], task, kind) for kind in (PromptType.query, PromptType.document))
        assert np.array_equal(query, model.encode_query(["word2"])) and not np.array_equal(query, document)
    assert encoded.count("word2") == 4 + 3  # twice for each of two tasks, and by the three checks


def test_with_routes_queries_and_documents_have_their_own_embeddings() -> None:
    routes = Router.for_query_document([static_model()[0]], [static_model(seed=1)[0]])
    model = SentenceTransformer(modules=[routes])
    encoder = remembering(model)
    query, document = (ask(encoder, ["word2"], prompt_type=kind) for kind in (PromptType.query, PromptType.document))
    assert np.array_equal(query, model.encode_query(["word2"]))
    assert np.array_equal(document, model.encode_document(["word2"])) and not np.array_equal(query, document)
