"""The rows of a task's split, whatever the type of the task: what each asks about, and some of them alone."""

import itertools
from collections.abc import Container, Iterator, Sequence
from typing import Any, cast

from datasets import Dataset
from mteb.abstasks import (
    AbsTask,
    AbsTaskClassification,
    AbsTaskClustering,
    AbsTaskClusteringLegacy,
    AbsTaskPairClassification,
    AbsTaskRetrieval,
    AbsTaskSTS,
)
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData

from evaluation.data.texts import Texts

Splits = dict[str, Any]  # split -> its rows, as mteb keeps those of the type

# By what a row asks about: two sentences, a query, a text.
PAIR_TASKS = (AbsTaskSTS, AbsTaskPairClassification)
QUERY_TASKS = (AbsTaskRetrieval,)
TEXT_TASKS = (AbsTaskClassification, AbsTaskClustering, AbsTaskClusteringLegacy)


def subset_splits(task: AbsTask) -> list[Splits]:
    """The splits of each evaluated subset of a loaded task, in mteb's present layout."""
    if isinstance(task, QUERY_TASKS):
        task.convert_v1_dataset_format_to_v2(num_proc=None)
    dataset = cast(dict[str, Splits], task.dataset)
    return [dataset.get(subset, cast(Splits, dataset)) for subset in task.hf_subsets]


def evaluated_rows(task: AbsTask) -> Iterator[Any]:
    """The rows of each evaluated subset and split of a loaded task."""
    for splits in subset_splits(task):
        for split in task.eval_splits:
            yield splits[split]


def query_texts(task: AbsTask, rows: Any) -> list[Texts]:
    """What a loaded split asks about, row by row: both sentences of a pair, a query that has an answer, or a text."""
    if isinstance(task, QUERY_TASKS):
        texts = rows["queries"]["text"]
        return [(_text(texts[place]),) for place in _judged(rows)]
    if isinstance(task, AbsTaskClusteringLegacy):
        return [(_text(text),) for texts in rows[task.input_column_name] for text in texts]
    flat = _flat(task, rows)
    return list(zip(*(map(_text, flat[name]) for name in _columns(task)), strict=True))


def select_rows(task: AbsTask, rows: Any, places: Sequence[int]) -> Any:
    """The rows at some places of `query_texts`; of a retrieval task, every document stays."""
    if isinstance(task, AbsTaskClusteringLegacy):
        return _within_sets(task, rows, frozenset(places))
    if not isinstance(task, QUERY_TASKS):
        return _flat(task, rows).select(places)
    judged = _judged(rows)
    queries = rows["queries"].select([judged[place] for place in places])
    kept = set(queries["id"])
    some = {
        name: None if rows[name] is None else {query: docs for query, docs in rows[name].items() if query in kept}
        for name in ("relevant_docs", "top_ranked")
    }
    return {**rows, **some, "queries": queries}


def _judged(rows: RetrievalSplitData) -> list[int]:
    return [place for place, query in enumerate(rows["queries"]["id"]) if rows["relevant_docs"].get(query)]


def _within_sets(task: AbsTaskClusteringLegacy, rows: Dataset, places: Container[int]) -> Dataset:
    """Some texts of each set that is clustered by itself, numbered over all sets; a set of which none is left goes."""
    names = (task.input_column_name, task.label_column_name)
    place = itertools.count()
    kept = [[at for at, _ in enumerate(texts) if next(place) in places] for texts in rows[names[0]]]
    return Dataset.from_dict(
        {
            name: [[values[at] for at in some] for values, some in zip(rows[name], kept, strict=True) if some]
            for name in names
        }
    )


def _flat(task: AbsTask, rows: Dataset) -> Dataset:
    """Undo an old layout of pair classification: one row of lists."""
    return Dataset.from_dict(rows[0]) if isinstance(task, AbsTaskPairClassification) and len(rows) == 1 else rows


def _columns(task: AbsTask) -> Sequence[str]:
    """Names of the columns whose texts a row asks about."""
    named = cast(Any, task)  # mteb allows columns of other media too, which text tasks do not have
    if isinstance(task, AbsTaskSTS):
        return named.column_names[:2]
    if isinstance(task, AbsTaskPairClassification):
        return (named.input1_column_name, named.input2_column_name)
    return (named.input_column_name,)


def _text(value: Any) -> str:
    """A text, or one text of the several that a row holds, such as a conversation."""
    return value if isinstance(value, str) else str(value)
