"""Two parts of a task's test split, "tune" to choose settings on and "report" to report, that share no text.

Which part a row belongs to depends on a hash of its text alone: the query of a retrieval task, the first sentence of a
pair, the text of a classification or clustering task. So no row changes parts when data are added, and rows with the
same first text stay together.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from mteb.abstasks import AbsTask, AbsTaskClassification

from evaluation.data.texts import fraction, normalized
from evaluation.errors import UserError
from evaluation.tasks.loading import load_within
from evaluation.tasks.split_rows import PAIR_TASKS, QUERY_TASKS, TEXT_TASKS, query_texts, select_rows, subset_splits

PARTS = ("tune", "report")
TUNE_SHARE = 1 / 3
_SALT = "part "  # else a corpus that was itself split by a hash of its text could not be divided

_DIVISIBLE = (*PAIR_TASKS, *QUERY_TASKS, *TEXT_TASKS)


def take_part(task: AbsTask, part: str) -> AbsTask:
    """Let a task keep only one part of its test split when its data are loaded; mteb then reports it as a split.

    Args:
        task: A task without data, which is changed and returned.
        part: "tune" or "report".

    Raises:
        UserError: The rows of the task's type cannot be divided, or it is evaluated on several splits, none of which
            is "test". Loading the data raises it when a part would be empty.
    """
    split = _divided_split(task)
    task.filter_eval_splits([part])
    load_within(task, partial(_taking_part, task, split, part))
    return task


def in_part(texts: Iterable[str], part: str) -> list[int]:
    """The places of the texts that belong to a part: about a third to "tune", the others to "report"."""
    return [
        place
        for place, text in enumerate(texts)
        if (fraction(_SALT + normalized(text)) < TUNE_SHARE) == (part == "tune")
    ]


def _divided_split(task: AbsTask) -> str:
    name, splits = task.metadata.name, task.eval_splits
    if not isinstance(task, _DIVISIBLE):
        raise UserError(
            f"{name} is a task of type {task.metadata.type}, which has no parts tune and report: name it without them."
        )
    if isinstance(task, AbsTaskClassification) and task.is_cross_validation:
        raise UserError(f"{name} is cross-validated and has no test split to divide: name it without a part.")
    if "test" not in splits and len(splits) > 1:
        raise UserError(f"{name} has several splits ({', '.join(splits)}) and none called test: name one of them.")
    return "test" if "test" in splits else splits[0]


@contextmanager
def _taking_part(task: AbsTask, split: str, part: str) -> Iterator[None]:
    task.filter_eval_splits([split])
    yield
    task.filter_eval_splits([part])
    for splits in subset_splits(task):
        if split not in splits:
            continue  # loading the task raises an error for a missing split
        places = in_part([texts[0] for texts in query_texts(task, splits[split])], part)
        if not places:
            raise UserError(
                f"The part {part} of {task.metadata.name} would be empty, because its {split} split "
                "has too few rows: use the whole split."
            )
        splits[part] = select_rows(task, splits[split], places)
