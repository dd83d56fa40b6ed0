"""What a task's score is made of: queries, test texts or sentence pairs, so that an interval over them can be given."""

from collections.abc import Iterator
from typing import Any, TypeGuard, cast

import pytrec_eval
from mteb.abstasks import (
    AbsTask,
    AbsTaskClassification,
    AbsTaskMultilabelClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
)

from evaluation.measured import SentencePairs

_STS_SIMILARITY = {"cosine": "cosine_scores", "manhattan": "manhattan_distances", "euclidean": "euclidean_distances"}

Predictions = dict[str, dict[str, Any]]  # mteb's predictions, by subset and split


def units(task: AbsTask, predicted: Predictions) -> dict[str, float]:
    """Score of each unit of which the task's main score is the mean, by "subset/split/id".

    Args:
        task: The task, with its data.
        predicted: What mteb saved as predictions.

    Returns:
        nDCG@10 of each query, or the share of the classifiers that were right about each test text. Empty for other
        main scores, and for several subsets or splits, whose score is a mean of means.
    """
    parts = list(_parts(task, predicted))
    if len(parts) != 1:
        return {}
    ((key, part),) = parts
    if task.metadata.main_score == "ndcg_at_10":
        return ndcg_at_10(task, predicted)
    if _has_one_label(task) and not task.is_cross_validation and task.metadata.main_score == "accuracy":
        return {f"{key}/{unit}": value for unit, value in _right(task, *part)}
    return {}


def ndcg_at_10(task: AbsTask, predicted: Predictions) -> dict[str, float]:
    """nDCG@10 of every query, by "subset/split/query id", whatever the main score; empty if it is no retrieval task."""
    if not isinstance(task, AbsTaskRetrieval):
        return {}
    return {f"{key}/{unit}": value for key, part in _parts(task, predicted) for unit, value in _ndcg(task, *part)}


def pairs(task: AbsTask, predicted: Predictions) -> dict[str, SentencePairs]:
    """The pairs of an STS task by "subset/split"; empty for other tasks and for main scores that rank nothing."""
    if not isinstance(task, AbsTaskSTS) or not task.metadata.main_score.endswith("spearman"):
        return {}
    similarity = _STS_SIMILARITY.get(task.metadata.main_score.split("_")[0], "similarity_scores")
    return {
        key: SentencePairs([float(value) for value in scores[similarity]], [float(value) for value in data["score"]])
        for key, (data, scores) in _parts(task, predicted)
    }


def _has_one_label(task: AbsTask) -> TypeGuard[AbsTaskClassification]:
    return isinstance(task, AbsTaskClassification) and not isinstance(task, AbsTaskMultilabelClassification)


def _parts(task: AbsTask, predicted: Predictions) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Each evaluated split and subset with its data and predictions."""
    dataset = cast(dict[str, Any], task.dataset)
    for subset, splits in predicted.items():
        if subset == "mteb_model_meta":
            continue
        for split, values in splits.items():
            yield f"{subset}/{split}", (dataset.get(subset, dataset)[split], values)


def _ndcg(task: AbsTaskRetrieval, data: Any, retrieved: dict[str, dict[str, float]]) -> Iterator[tuple[str, float]]:
    if task.ignore_identical_ids:
        retrieved = {q: {d: score for d, score in docs.items() if d != q} for q, docs in retrieved.items()}
    if task.skip_first_result:
        retrieved = {q: dict(sorted(docs.items(), key=lambda doc: -doc[1])[1:]) for q, docs in retrieved.items()}
    scores = pytrec_eval.RelevanceEvaluator(data["relevant_docs"], {"ndcg_cut.10"}).evaluate(retrieved)
    for query, values in scores.items():
        yield query, values["ndcg_cut_10"]


def _right(task: AbsTaskClassification, data: Any, experiments: list[list[int]]) -> Iterator[tuple[str, float]]:
    for index, label in enumerate(data[task.label_column_name]):
        yield str(index), sum(predictions[index] == label for predictions in experiments) / len(experiments)
