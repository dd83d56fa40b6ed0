"""A model and tasks to scores: mteb evaluates, and what an interval needs (queries, pairs, texts) is kept with them."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, cast

import mteb
import pytrec_eval
from datasets.exceptions import DatasetsError
from mteb.abstasks import (
    AbsTask,
    AbsTaskClassification,
    AbsTaskMultilabelClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
)
from mteb.models import MTEBModels
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from rich.progress import track
from sentence_transformers import SentenceTransformer
from sklearn.exceptions import ConvergenceWarning

from evaluation.errors import UserError
from evaluation.files import read_json, write_json
from evaluation.models import fingerprint
from evaluation.noise import errors_only, no_dataset_bars
from evaluation.tasks import TaskSource

BATCH_SIZE = 64
_STS_SIMILARITY = {"cosine": "cosine_scores", "manhattan": "manhattan_distances", "euclidean": "euclidean_distances"}


@dataclass(frozen=True)
class Pairs:
    """An STS subset: the model's similarity and the gold score of each pair, in the data set's order."""

    similarity: list[float]
    gold: list[float]


@dataclass(frozen=True)
class TaskScores:
    """What one model scored on one task.

    Attributes:
        task: The task's name.
        type: MTEB's task type, such as "Retrieval".
        metric: The task's main score, such as "ndcg_at_10".
        score: Its value as mteb gives it, mostly between 0 and 1.
        seconds: Evaluation time.
        units: Score of each unit of which `score` is the mean, by id: nDCG@10 of a query, share of the classifiers
            that were right about a test text. Empty for other task types and main scores, and for several subsets.
        pairs: For STS, the pairs by split and subset; `metric` is the mean over the subsets of a correlation.
    """

    task: str
    type: str
    metric: str
    score: float
    seconds: float
    units: dict[str, float] = field(default_factory=dict)
    pairs: dict[str, Pairs] = field(default_factory=dict)


def evaluate(
    model: SentenceTransformer, variant: str, tasks: Sequence[TaskSource], folder: Path, batch_size: int = BATCH_SIZE
) -> list[TaskScores]:
    """Evaluate a model, as it is, on tasks; a task that is finished in `folder` is read, not run again.

    Embeddings are used as the model gives them: a model without a `Normalize` module is classified and clustered on
    embeddings that are not normalized, as on the MTEB leaderboard.

    Args:
        model: The model; its prompts and routes for queries and documents are respected.
        variant: Its name in mteb's results; the revision is the hash of its modules and weights, so that mteb cannot
            take one variant for another.
        tasks: What to evaluate on.
        folder: Folder of this variant alone: `<task>.json` for the scores, `mteb/` for mteb's own result files,
            `predictions/` for its predictions.
        batch_size: Texts per forward pass.

    Raises:
        UserError: If `folder` holds scores of another model, a task's data cannot be loaded, or a score is NaN.
    """
    revision = fingerprint(model)
    wrapped = _wrapped(model, variant, revision)
    return [
        _finished(folder / f"{source.name}.json", revision) or _evaluated(wrapped, source, folder, revision, batch_size)
        for source in track(tasks, f"evaluating {variant}", transient=True)
    ]


def _wrapped(model: SentenceTransformer, variant: str, revision: str) -> SentenceTransformerEncoderWrapper:
    with _without_noise():
        wrapped = SentenceTransformerEncoderWrapper(model)
    identity = {"name": f"st-isotropy/{variant}", "revision": revision}
    wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(update=identity)
    return wrapped


def _finished(path: Path, revision: str) -> TaskScores | None:
    if not path.exists():
        return None
    content = read_json(path)
    if content["revision"] != revision:
        raise UserError(
            f"{path} holds the scores of the model {content['revision']} instead of {revision}; "
            "choose another run directory."
        )
    scores = content["scores"]
    return TaskScores(**{**scores, "pairs": {key: Pairs(**pairs) for key, pairs in scores["pairs"].items()}})


def _evaluated(
    wrapped: SentenceTransformerEncoderWrapper, source: TaskSource, folder: Path, revision: str, batch_size: int
) -> TaskScores:
    task = source.make()
    predictions = folder / "predictions"
    (predictions / task.prediction_file_name).unlink(missing_ok=True)  # mteb would add to an interrupted run's file
    with _without_noise():
        _load(task)  # by us, so that mteb leaves the data and we can read the gold labels
        result = mteb.evaluate(
            cast(MTEBModels, wrapped),
            task,
            cache=mteb.ResultCache(folder / "mteb"),
            overwrite_strategy="always",
            co2_tracker=False,
            prediction_folder=predictions,
            encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
            show_progress_bar=False,
        ).task_results[0]
    score = float(result.get_score())
    if not math.isfinite(score):
        raise UserError(
            f"{source.name} has no score for {wrapped.mteb_model_meta.name}: {task.metadata.main_score} is {score}, "
            "as when a model gives every text the same embedding; leave out the task or the model."
        )
    predicted = read_json(predictions / task.prediction_file_name)
    scores = TaskScores(
        task=source.name,
        type=task.metadata.type,
        metric=task.metadata.main_score,
        score=score,
        seconds=result.evaluation_time or 0.0,
        units=_units(task, predicted),
        pairs=_pairs(task, predicted),
    )
    write_json(folder / f"{source.name}.json", {"revision": revision, "scores": asdict(scores)})
    return scores


def _load(task: AbsTask) -> None:
    try:
        task.load_data()
    except (OSError, ValueError, DatasetsError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise _no_data(task, reason) from error
    dataset = cast(dict[str, Any], task.dataset)
    for subset in task.hf_subsets:
        missing = set(task.eval_splits) - set(dataset.get(subset, dataset))
        if missing:
            raise _no_data(task, f"the split {', '.join(sorted(missing))} is missing")


def _no_data(task: AbsTask, reason: str) -> UserError:
    return UserError(
        f"The data of {task.metadata.name} ({task.metadata.dataset['path']}) cannot be loaded ({reason}): "
        "give a whole local copy, laid out as on the hub, with --mirror DIR."
    )


def _units(task: AbsTask, predicted: dict[str, Any]) -> dict[str, float]:
    parts = list(_parts(task, predicted))
    if len(parts) > 1:  # the score is then a mean of means, not the mean over all units
        return {}
    ((key, part),) = parts
    if isinstance(task, AbsTaskRetrieval) and task.metadata.main_score == "ndcg_at_10":
        return {f"{key}/{unit}": value for unit, value in _ndcg(task, *part)}
    if _has_one_label(task) and task.metadata.main_score == "accuracy":
        return {f"{key}/{unit}": value for unit, value in _right(task, *part)}
    return {}


def _has_one_label(task: AbsTask) -> TypeGuard[AbsTaskClassification]:
    return isinstance(task, AbsTaskClassification) and not isinstance(task, AbsTaskMultilabelClassification)


def _pairs(task: AbsTask, predicted: dict[str, Any]) -> dict[str, Pairs]:
    if not isinstance(task, AbsTaskSTS) or not task.metadata.main_score.endswith("spearman"):
        return {}
    similarity = _STS_SIMILARITY.get(task.metadata.main_score.split("_")[0], "similarity_scores")
    return {
        key: Pairs([float(value) for value in scores[similarity]], [float(value) for value in data["score"]])
        for key, (data, scores) in _parts(task, predicted)
    }


def _parts(task: AbsTask, predicted: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
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


@contextmanager
def _without_noise() -> Iterator[None]:
    """Silence progress of data sets, a guess at model size, and two warnings that say nothing about the result."""
    with errors_only("mteb.models.model_meta"), no_dataset_bars(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `get_sentence_embedding_dimension` method", FutureWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)  # mteb fixes 100 iterations
        yield
