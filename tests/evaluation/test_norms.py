"""Classification at one norm: a variant neither gains nor loses by the scale of its embeddings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from own_data import write_lines
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense
from small_corpus import WORDS, static_model

from evaluation.files import read_json
from evaluation.measure.norms import AT_OWN_NORM
from evaluation.measure.scores import evaluate
from evaluation.measured import TaskScores
from evaluation.tasks.resolve import resolve_tasks
from evaluation.tasks.source import TaskSource

SCALE = 100.0
RAW = f"accuracy {AT_OWN_NORM}"


@pytest.fixture(scope="module")
def poems(tmp_path_factory: pytest.TempPathFactory) -> TaskSource:
    folder = tmp_path_factory.mktemp("data") / "poems"
    for split, seed in (("train", 0), ("test", 1)):
        write_lines(folder / f"{split}.tsv", ["text\tlabel", *blurred_topics(150, seed)])
    [task] = [task for task in resolve_tasks([], folders=[folder]) if task.type == "Classification"]
    return task


def blurred_topics(count: int, seed: int) -> list[str]:
    """Texts of three topics, most of whose words are of any topic, so that a classifier errs."""
    generator = np.random.default_rng(seed)
    return [
        " ".join(WORDS[100 * (i % 3) + j] for j in generator.integers(0, 100, size=4))
        + " "
        + " ".join(WORDS[j] for j in generator.integers(0, 300, size=5))
        + f"\t{'abc'[i % 3]}"
        for i in range(count)
    ]


def scaled(factor: float) -> SentenceTransformer:
    """The same model with all embeddings multiplied by a number."""
    model = static_model()
    width = model.get_embedding_dimension()
    weights = {"init_weight": factor * torch.eye(width), "init_bias": torch.zeros(width)}
    model.append(Dense(width, width, activation_function=None, **weights))
    return model


def score(model: SentenceTransformer, task: TaskSource, folder: Path, norm: float | None = None) -> TaskScores:
    norms = {} if norm is None else {task.name: norm}
    [scores] = evaluate(model, "variant", [task], folder, show_progress=False, norms=norms)
    assert isinstance(scores, TaskScores)
    return scores


def test_a_models_own_norm_changes_no_score(poems: TaskSource, tmp_path: Path) -> None:
    plain = score(static_model(), poems, tmp_path / "plain")
    assert plain.norm is not None and plain.others[RAW] == plain.score
    again = score(static_model(), poems, tmp_path / "again", norm=plain.norm)
    assert (again.score, again.units, again.others) == (plain.score, plain.units, plain.others)


def test_a_scale_moves_the_raw_score_and_not_the_one_at_the_reference_norm(poems: TaskSource, tmp_path: Path) -> None:
    plain = score(static_model(), poems, tmp_path / "plain")
    large = score(scaled(SCALE), poems, tmp_path / "large", norm=plain.norm or 0.0)
    assert large.norm == pytest.approx(SCALE * (plain.norm or 0.0), rel=1e-5)
    assert large.others[RAW] != pytest.approx(plain.score, abs=0.01)  # else the data would not show what is asked
    assert large.score == pytest.approx(plain.score, abs=0.003)
    assert np.mean(list(large.units.values())) == pytest.approx(large.score)


def test_mtebs_own_result_file_keeps_mtebs_score(poems: TaskSource, tmp_path: Path) -> None:
    scores = score(scaled(SCALE), poems, tmp_path, norm=1.0)
    [file] = (tmp_path / "mteb").rglob("poems*.json")
    [found] = next(iter(read_json(file)["scores"].values()))
    assert found["main_score"] == pytest.approx(scores.others[RAW], abs=1e-6) and scores.score != scores.others[RAW]


def test_nothing_is_encoded_a_second_time(poems: TaskSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded = scaled(SCALE), []
    encode = model.encode

    def counted(texts: list[str], *args: object, **kwargs: object) -> object:
        encoded.append(len(texts))
        return encode(texts, *args, **kwargs)

    monkeypatch.setattr(model, "encode", counted)
    score(model, poems, tmp_path / "own")
    once = len(encoded)
    score(model, poems, tmp_path / "other", norm=1.0)
    assert len(encoded) == 2 * once > 0
