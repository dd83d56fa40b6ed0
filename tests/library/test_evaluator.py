import csv
import math

import numpy as np
import pytest
import torch
from checkpoints import choosing_arguments
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.base.evaluation import SequentialEvaluator
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
from sentence_transformers.sentence_transformer.modules import Router

from st_isotropy import IsotropyEvaluator, isotropy
from st_isotropy.metrics import CATALOG

CORE = {
    "average_cosine",
    "isoscore",
    "effective_rank",
    "persistent_entropy",
    "mean_mst_length",
    "hubness_skewness",
}


@pytest.fixture
def texts(sentences):
    return sentences(60)


def test_the_evaluator_returns_each_measure_beside_its_isotropic_value(static_model, texts):
    metrics = IsotropyEvaluator(texts, name="dev")(static_model)
    assert set(metrics) == {f"dev_{name}{suffix}" for name in CORE for suffix in ("", "_isotropic")}
    assert metrics["dev_average_cosine_isotropic"] == 0
    assert 0 < metrics["dev_isoscore"] < metrics["dev_isoscore_isotropic"] < 1


def test_the_evaluator_gives_the_numbers_of_isotropy(static_model, texts):
    evaluator = IsotropyEvaluator(texts, name="dev", measures="all")
    metrics = evaluator(static_model)
    expected = isotropy(static_model.encode(texts))
    assert evaluator.measures == expected
    assert all(metrics[f"dev_{name}"] == measure.value for name, measure in expected.items())


def test_the_evaluator_appends_a_csv_line_per_call(static_model, texts, tmp_path):
    evaluator = IsotropyEvaluator(texts, name="dev")
    evaluator(static_model, str(tmp_path), epoch=0, steps=5)
    metrics = evaluator(static_model, str(tmp_path), epoch=1, steps=10)
    with (tmp_path / "isotropy_evaluation_dev_results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["5", "10"]
    assert {name for name in rows[0] if name not in ("epoch", "steps")} == {name[4:] for name in metrics}
    assert float(rows[1]["isoscore"]) == pytest.approx(metrics["dev_isoscore"])


def test_other_measures_in_the_same_csv_get_columns_of_their_own(static_model, texts, tmp_path):
    for measures in ("isoscore", ["average_cosine", "isoscore"]):
        IsotropyEvaluator(texts, "dev", measures=measures)(static_model, str(tmp_path), steps=1)
    with (tmp_path / "isotropy_evaluation_dev_results.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["isoscore"] == second["isoscore"] and first["average_cosine"] == "" != second["average_cosine"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".csv"]


def test_no_csv_is_written_when_it_is_not_wanted(static_model, texts, tmp_path):
    IsotropyEvaluator(texts, write_csv=False)(static_model, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_similarity_function_decides_whether_norms_count(static_model, texts):
    scaled = SentenceTransformer(modules=list(static_model), device="cpu", similarity_fn_name="dot")
    with torch.no_grad():
        scaled[0].embedding.weight[::2] *= 10
    by_norm = IsotropyEvaluator(texts)(scaled)
    scaled.similarity_fn_name = "cosine"
    assert IsotropyEvaluator(texts)(scaled)["isotropy_isoscore"] != pytest.approx(
        by_norm["isotropy_isoscore"], rel=0.01
    )


def test_queries_and_documents_get_their_prompts(model, texts):
    told_apart = SentenceTransformer(
        modules=list(model), device="cpu", prompts={"query": "query query ", "document": "document "}
    )
    evaluator = IsotropyEvaluator(
        texts, queries=texts[:30], measures=["isoscore", "hubness_skewness_queries", "largest_hub_queries"]
    )
    evaluator(told_apart)
    documents, queries = told_apart.encode_document(texts), told_apart.encode_query(texts[:30])
    assert not np.allclose(documents[:30], queries)
    assert evaluator.measures == isotropy(documents, queries=queries, names=evaluator.names)


def test_a_router_sends_queries_and_documents_their_own_way(model, static_model, texts, tokenizer):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(1)
    towers = [StaticEmbedding(tokenizer, embedding_dim=16) for _ in range(2)]
    router = Router.for_query_document(query_modules=[towers[0]], document_modules=[towers[1]])
    routed = SentenceTransformer(modules=[router], device="cpu")
    evaluator = IsotropyEvaluator(texts, queries=texts[:30], measures="all")
    evaluator(routed)
    alone = SentenceTransformer(modules=[towers[1]], device="cpu").encode(texts)
    assert evaluator.measures["isoscore"] == isotropy(alone, names=["isoscore"])["isoscore"]


def test_the_best_checkpoint_can_be_chosen_by_isotropy(model, texts, tmp_path):
    data = Dataset.from_dict({"a": texts[:16], "b": texts[16:32], "label": [float(i % 2) for i in range(16)]})
    arguments = choosing_arguments(tmp_path, "eval_dev_average_cosine", greater_is_better=False, learning_rate=1e-3)
    evaluator = IsotropyEvaluator(texts, "dev", primary_metric="average_cosine", greater_is_better=False)
    trainer = SentenceTransformerTrainer(model, arguments, data, loss=CosineSimilarityLoss(model), evaluator=evaluator)
    trainer.train()
    scores = [entry["eval_dev_average_cosine"] for entry in trainer.state.log_history if "eval_dev_isoscore" in entry]
    assert len(scores) == 2
    assert trainer.state.best_metric == min(scores)
    assert evaluator(model)["dev_average_cosine"] == pytest.approx(min(scores), abs=1e-5)
    card = (tmp_path / "checkpoint-4" / "README.md").read_text()
    assert "#### Isotropy" in card
    assert "**average_cosine**" in card


def test_each_matryoshka_dimension_has_an_evaluator(model, texts):
    metrics = IsotropyEvaluator(texts, name="dev8", truncate_dim=8)(model)
    expected = isotropy(model.encode(texts)[:, :8], names=["isoscore"])["isoscore"].value
    assert metrics["dev8_isoscore"] == pytest.approx(expected, rel=1e-5)


def test_two_evaluators_keep_their_metrics_apart(static_model, texts):
    both = SequentialEvaluator([IsotropyEvaluator(texts[:30], "first"), IsotropyEvaluator(texts[30:], "second")])
    metrics = both(static_model)
    assert metrics["first_isoscore"] != metrics["second_isoscore"]
    assert metrics["sequential_score"] == metrics["second_isoscore"]


def test_a_name_that_begins_the_primary_metric_is_prefixed_all_the_same(static_model, texts):
    evaluator = IsotropyEvaluator(texts, "average", primary_metric="average_cosine")
    scores = SequentialEvaluator([evaluator])(static_model)
    assert scores["sequential_score"] == scores["average_average_cosine"]


def test_no_metric_name_ends_with_another():
    names = [*CATALOG, *(f"{name}_isotropic" for name in CATALOG)]
    assert not [(a, b) for a in names for b in names if a != b and a.endswith(b)]


def test_a_collapsed_model_is_measured_and_not_refused(static_model, texts):
    with torch.no_grad():
        static_model[0].embedding.weight[:] = 1.0
    metrics = IsotropyEvaluator(texts)(static_model)
    assert metrics["isotropy_isoscore"] == 0
    assert metrics["isotropy_average_cosine"] == pytest.approx(1, abs=1e-5)
    assert all(math.isfinite(value) for value in metrics.values())


def test_a_model_that_gives_nan_is_refused_with_the_row(static_model, texts):
    with torch.no_grad():
        static_model[0].embedding.weight[:] = math.nan
    with pytest.raises(ValueError, match="60 of 60 embeddings hold NaN"):
        IsotropyEvaluator(texts)(static_model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"inputs": "one text, longer than twenty characters"},
            "Inputs and queries must be lists of texts, but one of them is a single string",
        ),
        ({"queries": "one text"}, "Inputs and queries must be lists of texts, but one of them is a single string"),
        ({"inputs": ["a", *map(str, range(18)), "a"]}, "at least 20 different texts, not on 19; add more"),
        ({"measures": ["isoscor"]}, "no measure 'isoscor'; did you mean isoscore"),
        ({"primary_metric": "uniformity"}, "'uniformity' is not among the measures average_cosine"),
        ({"measures": ["isoscore", "largest_hub_queries"]}, "'largest_hub_queries' needs queries"),
        ({"measures": "isoscor"}, "no measure 'isoscor'; did you mean isoscore"),
        ({"queries": ["one", "one"]}, "at least 2 different ones, not 1; add some or leave them out"),
        ({"sample_size": 1}, "sample_size must be at least 20, got 1"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        IsotropyEvaluator(**{"inputs": [str(i) for i in range(20)], **arguments})


def test_only_sentence_transformers_are_measured(texts):
    with pytest.raises(TypeError, match="on a SentenceTransformer, not on a Linear; pass a SentenceTransformer"):
        IsotropyEvaluator(texts)(torch.nn.Linear(2, 2))
