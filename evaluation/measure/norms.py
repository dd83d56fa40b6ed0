"""Classification of every variant at one norm, because a regularized classifier measures the norm, too."""

from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeGuard, cast

import mteb
from mteb.abstasks import AbsTask, AbsTaskClassification
from mteb.models import MTEBModels

from evaluation.files import read_json
from evaluation.measure import score_units
from evaluation.measured import TaskScores
from evaluation.models.recording import RecordingEncoder
from evaluation.tasks.heads import HeadClassification
from evaluation.tasks.loading import load
from evaluation.tasks.source import TaskSource

AT_OWN_NORM = "at its own norm"
SCORING = "classification at the mean norm of the reference"  # names cells; change it with what this file computes


def is_classified(task: AbsTask) -> TypeGuard[AbsTaskClassification]:
    """Whether a classifier is fitted to embeddings; a head is trained with its model and has a scale of its own."""
    return isinstance(task, AbsTaskClassification) and not isinstance(task, HeadClassification)


def score_at_norm(
    scores: TaskScores, recording: RecordingEncoder, source: TaskSource, norm: float | None
) -> TaskScores:
    """Score a classification with its embeddings brought to a norm; nothing is encoded again.

    Args:
        scores: What mteb gave for the embeddings as they are.
        recording: The encoder, with what it encoded for the task.
        source: Makes the task anew, so that it draws the same training texts.
        norm: The mean norm that the embeddings of the training texts are brought to; None for their own.

    Returns:
        The scores at that norm, with mteb's own main score among the others.
    """
    task = source.make()
    assert is_classified(task)
    own = recording.mean_norm(task.train_split)
    raw = {f"{scores.metric} {AT_OWN_NORM}": scores.score}
    if norm is None or own == norm or own == 0:  # zeros stay zeros
        return replace(scores, others={**scores.others, **raw}, norm=own)
    load(task)
    with TemporaryDirectory() as folder:
        predictions = Path(folder)
        result = mteb.evaluate(
            cast(MTEBModels, recording.scaled(norm / own)),
            task,
            cache=None,
            co2_tracker=False,
            prediction_folder=predictions,
            show_progress_bar=False,
        ).task_results[0]
        predicted = read_json(predictions / task.prediction_file_name)
    others = {name: result.get_score(getter=itemgetter(name)) for name in scores.others}
    return replace(
        scores,
        score=float(result.get_score()),
        units=score_units.units(task, predicted),
        others={**others, **raw},
        norm=own,
    )
