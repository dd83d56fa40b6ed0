import csv

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from st_isotropy import IsotropyEvaluator

WORDS = [f"w{i}" for i in range(50)]
TEXTS = [f"w{i} w{(7 * i + 3) % 50} w{(i * i) % 50}" for i in range(50)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")


def test_the_evaluator_returns_each_measure_beside_its_isotropic_value(model):
    metrics = IsotropyEvaluator(TEXTS, name="dev")(model)
    assert set(metrics) == {
        f"dev_{measure}{suffix}"
        for measure in (
            "average_cosine",
            "isoscore",
            "effective_rank",
            "persistent_entropy",
            "mean_mst_length",
            "hubness_skewness",
        )
        for suffix in ("", "_isotropic")
    }
    assert metrics["dev_average_cosine_isotropic"] == 0
    assert 0 < metrics["dev_isoscore"] < metrics["dev_isoscore_isotropic"] < 1


def test_the_evaluator_appends_a_csv_line_per_call(model, tmp_path):
    evaluator = IsotropyEvaluator(TEXTS, name="dev")
    evaluator(model, str(tmp_path), epoch=0, steps=5)
    metrics = evaluator(model, str(tmp_path), epoch=1, steps=10)
    with (tmp_path / "isotropy_evaluation_dev_results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["5", "10"]
    assert float(rows[1]["isoscore"]) == pytest.approx(metrics["dev_isoscore"])
