"""Validation apart from test: no setting is chosen on what is reported.

Tasks share rows under different names, too: three quarters of the pairs of STSBenchmark's validation split are in STS12
to STS15. What a test task asks about is left out of the validation tasks of its kind. A head is asked about the two
sentences of a pair as one text.
"""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mteb.abstasks import AbsTask

from evaluation.errors import UserError
from evaluation.files import short_hash
from evaluation.tasks.heads import HeadClassification
from evaluation.tasks.loading import load
from evaluation.tasks.mteb import single_tasks
from evaluation.tasks.source import TaskSource
from evaluation.tasks.split_rows import (
    PAIR_TASKS,
    QUERY_TASKS,
    TEXT_TASKS,
    Texts,
    asked,
    comparable,
    evaluated,
    select,
    subsets,
    ways,
)

FEWEST_ROWS = 20  # a choice that rests on fewer is luck


def apart(validation: Sequence[TaskSource], test: Sequence[TaskSource]) -> list[TaskSource]:
    """The validation tasks without the rows that a test task asks about, with a note of how many those are.

    Raises:
        UserError: Too little of a validation task is left, or the data of a task cannot be loaded.
    """
    return [_apart(source, test) for source in validation]


def _apart(source: TaskSource, test: Sequence[TaskSource]) -> TaskSource:
    tasks = single_tasks(source.make())
    kinds = _sharing_kinds(tasks[0])
    if not kinds:
        if source.name in {other.name for other in test}:
            raise UserError(f"The settings would be chosen and reported on {source.name}: give another task for one.")
        return source
    own = _rows(tasks)
    shared: set[Texts] = set()
    sharing = []
    for other in test:
        reported = {text for texts in _rows(_of_kinds(other, kinds)) for text in ways(texts)}
        if common := {texts for texts in own if not reported.isdisjoint(ways(texts))}:
            shared |= common
            sharing.append(other.name)
    if not shared:
        return source
    total, dropped = sum(own.values()), sum(own[texts] for texts in shared)
    if total - dropped < FEWEST_ROWS:
        raise UserError(
            f"The settings would be chosen on {source.name}, and {dropped} of its {total} rows are reported on in "
            f"{', '.join(sharing)}: give validation and test different splits, such as :tune and :report."
        )
    note = (
        f"{dropped:,} of the {total:,} rows of {source.name}, on which settings are chosen, are left out because "
        f"{', '.join(sharing)} {'asks' if len(sharing) == 1 else 'ask'} about them."
    )
    dropped_texts = tuple(sorted(shared))
    return replace(
        source,
        make=partial(_without, source.make, dropped_texts),
        note=f"{source.note} {note}".strip(),
        left_out=short_hash(dropped_texts),
    )


def _sharing_kinds(task: AbsTask) -> tuple[type[AbsTask], ...]:
    """Which tasks can ask about the same; none for a task whose rows nothing is known about."""
    if isinstance(task, HeadClassification):
        return (*TEXT_TASKS, *PAIR_TASKS)
    if isinstance(task, PAIR_TASKS):
        return (*PAIR_TASKS, HeadClassification)
    return next((kind for kind in (QUERY_TASKS, TEXT_TASKS) if isinstance(task, kind)), ())


def _of_kinds(source: TaskSource, kinds: tuple[type[AbsTask], ...]) -> list[AbsTask]:
    return [task for task in single_tasks(source.make()) if isinstance(task, kinds)]


def _rows(tasks: Sequence[AbsTask]) -> Counter[Texts]:
    """How many rows ask about the same texts."""
    for task in tasks:
        load(task)
    return Counter(comparable(*texts) for task in tasks for rows in evaluated(task) for texts in asked(task, rows))


def _without(make: Callable[[], AbsTask], left_out: Sequence[Texts]) -> AbsTask:
    """A fresh task that drops rows when its data are loaded."""
    whole = make()
    for task in single_tasks(whole):
        _drop(task, frozenset(left_out))
    return whole


def _drop(task: AbsTask, unwanted: Container[Texts]) -> None:
    load_whole = task.load_data

    def load_rest(*args: Any, **kwargs: Any) -> None:
        if task.data_loaded:
            return
        load_whole(*args, **kwargs)
        for splits in subsets(task):
            for split in task.eval_splits:
                rows = splits[split]
                kept = [at for at, texts in enumerate(asked(task, rows)) if comparable(*texts) not in unwanted]
                splits[split] = select(task, rows, kept)

    task.load_data = load_rest
