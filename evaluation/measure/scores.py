"""A model and tasks to scores: mteb evaluates, and what an interval or another measurement needs is kept with them."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import mteb
import torch
from mteb.abstasks import AbsTask, AbsTaskRetrieval
from mteb.models import MTEBModels
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from rich import get_console
from sentence_transformers import SentenceTransformer
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

from evaluation.errors import UserError
from evaluation.files import NO_MORE_FILES, file_name, read_json, read_record, write_json, write_record
from evaluation.measure import score_units
from evaluation.measure.norms import is_classified, score_at_norm
from evaluation.measured import Failure, TaskScores
from evaluation.models.embeddings import save_texts
from evaluation.models.load import fingerprint
from evaluation.models.recording import RecordingEncoder
from evaluation.models.remembering import RememberingEncoder
from evaluation.processes import errors_only, no_dataset_bars
from evaluation.report.progress import progress
from evaluation.tasks.loading import load as load
from evaluation.tasks.mteb import single_tasks
from evaluation.tasks.source import TaskSource

BATCH_SIZE = 64


@dataclass(frozen=True)
class _SavedScores:
    """What the file of a task holds: its scores, and the hash of the model that they are of."""

    revision: str
    scores: TaskScores


def evaluate(
    model: SentenceTransformer,
    variant: str,
    tasks: Sequence[TaskSource],
    folder: Path,
    batch_size: int = BATCH_SIZE,
    show_progress: bool = True,
    norms: Mapping[str, float] = MappingProxyType({}),
) -> list[TaskScores | Failure]:
    """Evaluate a model, as it is, on tasks; a task that is finished in `folder` is read, not run again.

    A task whose embeddings were deleted counts as not finished. Embeddings are used as the model gives them: a model
    without a `Normalize` module is clustered on embeddings that are not normalized, as on the MTEB leaderboard.

    A classifier is regularized, so that its score depends on the scale of the embeddings. So that no variant gains by
    its scale, classification is scored with the embeddings multiplied by one number that brings the mean norm of the
    task's training texts to that of the reference; the score without it is kept beside it.

    Args:
        model: The model; its prompts and routes for queries and documents are respected.
        variant: Its name in mteb's results; the revision is the hash of its modules and weights, so that mteb cannot
            take one variant for another.
        tasks: What to evaluate on.
        folder: Folder of this variant alone: `<task>.json` for the scores, `mteb/` for mteb's own result files,
            `predictions/` for its predictions (for a part of a task, `mteb-<part>/` and `predictions-<part>/`), and
            `embeddings/` for what was encoded: see `embeddings_file` and `qrels_file`.
        batch_size: Texts per forward pass.
        show_progress: Whether to show progress over the tasks.
        norms: Per classification task, the norm to bring the training texts to; a task that is not in it keeps its own.

    Returns:
        For each task its scores or, if it raised or has no finite score, why there are none. A task that failed is
        tried again by the next call.

    Raises:
        UserError: If `folder` holds scores of another model.
        OSError: If nothing can be written to `folder`.
    """
    revision = fingerprint(model)
    encoder = RememberingEncoder(_wrapped(model, variant, revision))
    found: list[TaskScores | Failure] = []
    with progress(f"evaluating {variant}", len(tasks), get_console(), show_progress) as finish:
        for source in tasks:
            found.append(
                _finished(source, folder, revision)
                or _tried(encoder, source, folder, revision, batch_size, norms.get(source.name))
            )
            finish(source.name)
    return found


def embeddings_file(folder: Path, task: str) -> Path:
    """Where `evaluate` saves what it encoded for a task: rows `corpus`, and for most retrieval tasks the queries.

    `RetrievalEmbeddings.load` reads it if there is a `qrels_file` beside it, `load_texts` reads the rows in any case.
    """
    return folder / "embeddings" / f"{file_name(task)}.npz"


def qrels_file(folder: Path, task: str) -> Path:
    """Where `evaluate` saves `{query id: {document id: grade}}` for a retrieval task that searches one whole corpus."""
    return folder / "embeddings" / f"{file_name(task)}.qrels.json"


def _wrapped(model: SentenceTransformer, variant: str, revision: str) -> SentenceTransformerEncoderWrapper:
    with _without_noise():
        wrapped = SentenceTransformerEncoderWrapper(model)
    identity = {"name": f"st-isotropy/{variant}", "revision": revision}
    wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(update=identity)
    return wrapped


def _finished(source: TaskSource, folder: Path, revision: str) -> TaskScores | None:
    """The scores of a task, unless they or the embeddings, which others measure, are missing."""
    path = folder / f"{source.file}.json"
    if not (path.exists() and embeddings_file(folder, source.name).exists()):
        return None
    saved = read_record(path, _SavedScores)
    if saved.revision != revision:
        raise UserError(
            f"{path} holds the scores of the model {saved.revision} instead of {revision}; "
            "choose another run directory."
        )
    return saved.scores


def _tried(
    encoder: RememberingEncoder,
    source: TaskSource,
    folder: Path,
    revision: str,
    batch_size: int,
    norm: float | None,
) -> TaskScores | Failure:
    """Evaluate one task, so that its failure is no other task's; in smaller batches where a device is too small."""
    try:
        with _without_noise():
            scores = _fitting(encoder, source, folder, batch_size, norm)
    except UserError as error:
        return Failure(source.name, str(error))
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_MORE_FILES:
            raise
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line}".rstrip(": .")
        return Failure(
            source.name,
            f"{source.name} cannot be evaluated on {encoder.mteb_model_meta.name} ({reason}); leave out the task, "
            "or fix the cause and rerun the command.",
        )
    write_record(folder / f"{source.file}.json", _SavedScores(revision, scores))
    return scores


def _fitting(
    encoder: RememberingEncoder, source: TaskSource, folder: Path, batch_size: int, norm: float | None
) -> TaskScores:
    """Halve the batch until it fits into the memory of the device."""
    while batch_size > 1:
        try:
            return _evaluated(encoder, source, folder, batch_size, norm)
        except torch.OutOfMemoryError:
            batch_size //= 2
    return _evaluated(encoder, source, folder, batch_size, norm)


def _evaluated(
    encoder: RememberingEncoder, source: TaskSource, folder: Path, batch_size: int, norm: float | None
) -> TaskScores:
    task = source.make()
    part = f"-{file_name(source.part)}" if source.part else ""  # mteb's files are named by its task alone
    predictions = folder / f"predictions{part}"
    recording = RecordingEncoder(encoder)
    for single in single_tasks(task):
        (predictions / single.prediction_file_name).unlink(missing_ok=True)  # mteb would add to an interrupted run's
    for single in single_tasks(task):
        load(single)  # by us, so that mteb leaves the data and we can read the gold labels
    result = mteb.evaluate(
        cast(MTEBModels, recording),
        task,
        cache=mteb.ResultCache(folder / f"mteb{part}"),
        overwrite_strategy="always",
        co2_tracker=False,
        prediction_folder=predictions,
        encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
        show_progress_bar=False,
    ).task_results[0]
    unscored = f"{source.name} has no score for {encoder.mteb_model_meta.name}"
    try:
        _save_embeddings(task, recording, source.name, folder)
    except UserError as error:
        raise UserError(f"{unscored}: {error}") from error
    score = float(result.get_score())
    if not math.isfinite(score):
        raise UserError(
            f"{unscored}: {task.metadata.main_score} is {score}, as when a model gives every text the same embedding; "
            "leave out the task or the model."
        )
    path = predictions / task.prediction_file_name
    predicted = (
        read_json(path) if path.exists() else {}
    )  # an aggregate has none of its own, some types have none at all
    scores = TaskScores(
        task=source.name,
        type=task.metadata.type,
        metric=task.metadata.main_score,
        score=score,
        seconds=result.evaluation_time or 0.0,
        units=score_units.units(task, predicted),
        pairs=score_units.pairs(task, predicted),
        ndcg_at_10=score_units.ndcg_at_10(task, predicted),
        others={name: result.get_score(getter=itemgetter(name)) for name in getattr(task, "also_reported", ())},
        data=(task.metadata.dataset["path"], *recording.document_hashes()),
    )
    return score_at_norm(scores, recording, source, norm) if is_classified(task) else scores


def _save_embeddings(task: AbsTask, recording: RecordingEncoder, name: str, folder: Path) -> None:
    """Save what was encoded; queries and grades too, where one whole corpus is searched, as an index can repeat it."""
    if not isinstance(task, AbsTaskRetrieval) or (data := _searched(task)) is None:
        save_texts(embeddings_file(folder, name), recording.texts())
        return
    recording.retrieval(task.ignore_identical_ids).save(embeddings_file(folder, name))
    grades = {q: {d: int(grade) for d, grade in docs.items()} for q, docs in data["relevant_docs"].items()}
    write_json(qrels_file(folder, name), grades)


def _searched(task: AbsTaskRetrieval) -> Any:
    """The data of a task that searches one whole corpus; None where an index could not do what the task does.

    That is where it has several corpora, ranks a few given documents, or has ids that repeat.
    """
    parts = [task.dataset[subset][split] for subset in task.hf_subsets for split in task.eval_splits]
    if len(parts) > 1 or parts[0]["top_ranked"] is not None or task.skip_first_result or len(parts[0]["corpus"]) < 2:
        return None
    unique = all(len(set(parts[0][name]["id"])) == len(parts[0][name]) for name in ("queries", "corpus"))
    return parts[0] if unique else None


@contextmanager
def _without_noise() -> Iterator[None]:
    """Silence progress of data sets, a guess at model size, and warnings that say nothing about the result."""
    with (
        errors_only("mteb.models.model_meta"),
        errors_only("mteb.abstasks.abstask"),  # that a task is superseded, which the report says once
        no_dataset_bars(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "The `get_sentence_embedding_dimension` method", FutureWarning)
        warnings.filterwarnings("ignore", "The task .* is superseded")  # once per model and task
        warnings.simplefilter("ignore", ConvergenceWarning)  # mteb fixes 100 iterations
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # of a class that is never predicted, in every fit
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
        yield
