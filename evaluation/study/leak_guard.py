"""What a task asks about is not trained on."""

from collections.abc import Iterable, Iterator, Set
from typing import Any

from datasets import Dataset
from mteb.abstasks import AbsTask, AbsTaskRetrieval

from evaluation.errors import UserError
from evaluation.tasks.heads import HeadClassification
from evaluation.tasks.loading import load
from evaluation.tasks.mteb import single_tasks
from evaluation.tasks.source import TaskSource
from evaluation.tasks.split_rows import PAIR_TASKS, Texts, asked, comparable, evaluated, ways
from evaluation.train.pair_texts import text_columns


def asked_about(tasks: Iterable[TaskSource]) -> set[Texts]:
    """What must not be trained on, because a task asks about it.

    That is sentence pairs, the texts that a head is tested on, and each query with each document that answers it. STS12
    to STS16 and STSBenchmark share many pairs; training on them would be scored as if it were skill. A head reads a
    pair's two sentences as one text, so pairs are compared with such texts, too.

    Args:
        tasks: All tasks of a study; of other kinds, such as classification, nothing is taken.

    Returns:
        The texts, in all `ways` of `evaluation.tasks.split_rows`.

    Raises:
        UserError: The data of a task on sentence pairs, or of a test of a head, cannot be loaded.
    """
    singles = (task for source in tasks for task in single_tasks(source.make()))
    return {way for task in singles for texts in _asked(task) for way in ways(texts)}


def without_asked(pairs: Dataset, asked: Set[Texts]) -> tuple[Dataset, int]:
    """Drop the rows that a task asks about, in either order.

    Args:
        pairs: From `load_pairs`.
        asked: From `asked_about`.

    Returns:
        The pairs that are left, and how many were dropped.
    """
    rows = zip(*(pairs[name] for name in text_columns(pairs)), strict=True)
    kept = [place for place, texts in enumerate(rows) if asked.isdisjoint(ways(comparable(*texts)))]
    return pairs.select(kept), len(pairs) - len(kept)


def _asked(task: AbsTask) -> Iterator[Texts]:
    if not isinstance(task, (*PAIR_TASKS, HeadClassification, AbsTaskRetrieval)):
        return
    try:
        load(task)
    except UserError:
        if isinstance(task, AbsTaskRetrieval):
            return  # training pairs are seldom taken from one, and the report says that it has no score
        raise
    for data in evaluated(task):
        if isinstance(task, AbsTaskRetrieval):
            yield from _answered(data)
        else:
            yield from (comparable(*texts) for texts in asked(task, data))


def _answered(data: dict[str, Any]) -> Iterator[Texts]:
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
            yield comparable(str(queries[query]), row["text"])
            yield comparable(str(queries[query]), f"{row.get('title') or ''} {row['text']}")
