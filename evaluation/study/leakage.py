"""No leakage: nothing is trained on that a task asks about, and no setting is chosen on what is reported.

Tasks share rows under different names: three quarters of the pairs of STSBenchmark's validation split are in STS12 to
STS15. So rows are compared by their texts. A linear head reads the two sentences of a pair as one text, so that pairs
are compared with such texts, too.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from datasets import Dataset
from mteb.abstasks import AbsTask, AbsTaskRetrieval

from evaluation.data.texts import Texts, forms, normalized_texts
from evaluation.errors import UserError
from evaluation.files import short_hash
from evaluation.tasks.heads import HeadClassification
from evaluation.tasks.loading import load, load_within
from evaluation.tasks.mteb import single_tasks
from evaluation.tasks.source import TaskSource
from evaluation.tasks.split_rows import (
    PAIR_TASKS,
    QUERY_TASKS,
    TEXT_TASKS,
    evaluated_rows,
    query_texts,
    select_rows,
    subset_splits,
)
from evaluation.train.columns import text_columns

FEWEST_ROWS = 20  # a choice that rests on fewer is luck


def evaluated_texts(tasks: Iterable[TaskSource]) -> set[Texts]:
    """Collect what must not be trained on, because a task asks about it.

    That is sentence pairs, the texts that a head is tested on, and each query with each document that answers it.

    Args:
        tasks: All tasks of a study; of other kinds, such as classification, nothing is taken.

    Returns:
        The normalized texts, in all `evaluation.data.texts.forms`.

    Raises:
        UserError: The data of a task on sentence pairs, or of a test of a head, cannot be loaded.
    """
    singles = (task for source in tasks for task in single_tasks(source.make()))
    return {form for task in singles for texts in _texts_to_keep_out(task) for form in forms(texts)}


def drop_evaluated_pairs(pairs: Dataset, evaluated: Set[Texts]) -> tuple[Dataset, int]:
    """Drop the training pairs that a task asks about, in either order.

    Args:
        pairs: From `load_pairs`.
        evaluated: From `evaluated_texts`.

    Returns:
        The pairs that are left, and how many were dropped.
    """
    rows = zip(*(pairs[name] for name in text_columns(pairs)), strict=True)
    kept = [place for place, texts in enumerate(rows) if evaluated.isdisjoint(forms(normalized_texts(*texts)))]
    return pairs.select(kept), len(pairs) - len(kept)


def drop_shared_rows(validation: Sequence[TaskSource], test: Sequence[TaskSource]) -> list[TaskSource]:
    """Leave out of the validation tasks the rows that a test task asks about, with a note of how many those are.

    Raises:
        UserError: Too little of a validation task is left, or the data of a task cannot be loaded.
    """
    return [_without_shared_rows(source, test) for source in validation]


def _texts_to_keep_out(task: AbsTask) -> Iterator[Texts]:
    if not isinstance(task, (*PAIR_TASKS, HeadClassification, AbsTaskRetrieval)):
        return
    try:
        load(task)
    except UserError:
        if isinstance(task, AbsTaskRetrieval):
            return  # training pairs are seldom taken from one, and the report says that it has no score
        raise
    for rows in evaluated_rows(task):
        if isinstance(task, AbsTaskRetrieval):
            yield from _answered_queries(rows)
        else:
            yield from (normalized_texts(*texts) for texts in query_texts(task, rows))


def _answered_queries(data: Any) -> Iterator[Texts]:
    """Each query with each document that answers it, and with the document's title before its text."""
    queries = dict(zip(data["queries"]["id"], data["queries"]["text"], strict=True))
    answers = [
        (query, id_) for query, docs in data["relevant_docs"].items() for id_, grade in docs.items() if grade > 0
    ]
    wanted = {id_ for _, id_ in answers}
    documents = {row["id"]: row for row in data["corpus"] if row["id"] in wanted}
    for query, id_ in answers:
        if query in queries and id_ in documents:
            row = documents[id_]
            yield normalized_texts(str(queries[query]), row["text"])
            yield normalized_texts(str(queries[query]), f"{row.get('title') or ''} {row['text']}")


def _without_shared_rows(source: TaskSource, test: Sequence[TaskSource]) -> TaskSource:
    tasks = single_tasks(source.make())
    kinds = _comparable_kinds(tasks[0])
    if not kinds:
        if source.name in {other.name for other in test}:
            raise UserError(f"The settings would be chosen and reported on {source.name}: give another task for one.")
        return source
    own = _count_rows(tasks)
    shared: set[Texts] = set()
    sharing = []
    for other in test:
        reported = {form for texts in _count_rows(_tasks_of_kinds(other, kinds)) for form in forms(texts)}
        if common := {texts for texts in own if not reported.isdisjoint(forms(texts))}:
            shared |= common
            sharing.append(other.name)
    if not shared:
        return source
    total, dropped = sum(own.values()), sum(own[texts] for texts in shared)
    if total - dropped < FEWEST_ROWS:
        raise UserError(
            f"{dropped} of the {total} rows of validation task {source.name} also occur in "
            f"{', '.join(sharing)}, and choosing settings takes {FEWEST_ROWS} others; use disjoint splits, such as "
            ":tune and :report."
        )
    note = (  # part of what names a cell on disk
        f"{dropped:,} of the {total:,} rows of {source.name}, on which settings are chosen, are left out because "
        f"{', '.join(sharing)} {'asks' if len(sharing) == 1 else 'ask'} about them."
    )
    unwanted = tuple(sorted(shared))
    return replace(
        source,
        make=partial(_make_without, source.make, unwanted),
        note=f"{source.note} {note}".strip(),
        left_out=short_hash(unwanted),
    )


def _comparable_kinds(task: AbsTask) -> tuple[type[AbsTask], ...]:
    """Which tasks can ask about the same; none for a task whose rows nothing is known about."""
    if isinstance(task, HeadClassification):
        return (*TEXT_TASKS, *PAIR_TASKS)
    if isinstance(task, PAIR_TASKS):
        return (*PAIR_TASKS, HeadClassification)
    return next((kind for kind in (QUERY_TASKS, TEXT_TASKS) if isinstance(task, kind)), ())


def _tasks_of_kinds(source: TaskSource, kinds: tuple[type[AbsTask], ...]) -> list[AbsTask]:
    return [task for task in single_tasks(source.make()) if isinstance(task, kinds)]


def _count_rows(tasks: Sequence[AbsTask]) -> Counter[Texts]:
    """How many rows ask about the same texts."""
    for task in tasks:
        load(task)
    splits = [(task, rows) for task in tasks for rows in evaluated_rows(task)]
    return Counter(normalized_texts(*texts) for task, rows in splits for texts in query_texts(task, rows))


def _make_without(make: Callable[[], AbsTask], unwanted: Sequence[Texts]) -> AbsTask:
    """Make a fresh task that drops rows when its data are loaded."""
    whole = make()
    for task in single_tasks(whole):
        load_within(task, partial(_dropping, task, frozenset(unwanted)))
    return whole


@contextmanager
def _dropping(task: AbsTask, unwanted: Container[Texts]) -> Iterator[None]:
    yield
    for splits in subset_splits(task):
        for split in task.eval_splits:
            texts = query_texts(task, splits[split])
            kept = [place for place, row in enumerate(texts) if normalized_texts(*row) not in unwanted]
            splits[split] = select_rows(task, splits[split], kept)
