"""Tasks that are parts of one corpus: they count as one task, because what they say is one thing said again."""

from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.measured import TaskScores
from evaluation.report.measures import Difference, Pair, Row
from evaluation.statistics.few_tasks import averaged_interval
from evaluation.statistics.intervals import NEW_ITEMS, NEW_PAIRS, NEW_QUERIES, NEW_TEXTS, Comparison

OVER_ITEMS = (NEW_QUERIES, NEW_PAIRS, NEW_TEXTS, NEW_ITEMS)


def parts_of_one_corpus(tasks: Iterable[TaskScores]) -> list[list[str]]:
    """Names of the tasks that share a data set or documents, directly or through others; a list for each corpus.

    Tasks that share nothing are left out, and so are those of which no data are recorded.
    """
    corpora: list[tuple[set[str], list[str]]] = []
    for name, data in {task.task: set(task.data) for task in tasks}.items():
        sharing = [corpus for corpus in corpora if corpus[0] & data]
        corpora = [corpus for corpus in corpora if corpus not in sharing]
        corpora.append((data.union(*[found for found, _ in sharing]), [*(n for _, of in sharing for n in of), name]))
    return [names for _, names in corpora if len(names) > 1]


def as_one(tasks: Iterable[str], corpora: Sequence[Sequence[str]]) -> list[list[str]]:
    """Names of tasks, those of one corpus together, in the order first met.

    Example:
        >>> as_one(["cisi", "STS12", "cisi-titles"], [["cisi-titles", "cisi"]])
        [['cisi', 'cisi-titles'], ['STS12']]
    """
    grouped: dict[str, list[str]] = {}
    for task in dict.fromkeys(tasks):
        corpus = next((names[0] for names in corpora if task in names), task)
        grouped.setdefault(corpus, []).append(task)
    return list(grouped.values())


def average_parts(rows: Sequence[Row], corpora: Sequence[Sequence[str]]) -> list[Row]:
    """Rows of tasks, those of one corpus averaged to one row of the variants that have all of them."""
    by_task = {row.measure.task: row for row in rows}
    grouped = as_one(by_task, corpora)
    return [_average([by_task[name] for name in names]) for names in grouped]


def over_items(row: Row, pair: Pair) -> Comparison:
    """The difference of a pair over queries, sentence pairs or texts, runs held fixed; without them no interval."""
    found = next((one for one in row.comparisons(pair) if one.estimand in OVER_ITEMS), None)
    if found is not None:
        return found
    difference = row.mean(pair.new) - row.mean(pair.old)
    return Comparison(difference, None, None, "no interval: it has no scores of single texts", NEW_ITEMS, 1, None)


def _average(parts: Sequence[Row]) -> Row:
    if len(parts) == 1:
        return parts[0]
    whole = [variant for variant in parts[0].values if all(variant in part.values for part in parts)]
    values = {variant: np.mean([part.values[variant] for part in parts], axis=0).tolist() for variant in whole}
    pairs = [one.pair for one in parts[0].differences if all(part.comparisons(one.pair) for part in parts)]
    differences = [Difference(pair, [averaged_interval([over_items(part, pair) for part in parts])]) for pair in pairs]
    return Row(parts[0].measure, values, differences)
