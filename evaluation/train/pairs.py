"""Training pairs by name: the docstrings, a split of a task or of labelled data, or a file."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from mteb.abstasks import AbsTaskSTS

from evaluation.data.docstrings import docstring_corpus, positive_pairs
from evaluation.data.folders import NAMELESS, SPLITS, data_sets, folder_name, tables_in
from evaluation.data.labelled import LabelledData, find_labelled
from evaluation.data.layouts import check_name_is_table, check_one_fold, other_separator
from evaluation.data.places import Sources
from evaluation.data.rows import Rows, numbered_cells, pair_label
from evaluation.errors import UserError, counted
from evaluation.files import cache_root
from evaluation.tasks.loading import load
from evaluation.tasks.resolve import DOCSTRINGS, resolve_tasks
from evaluation.tasks.split_rows import evaluated_rows
from st_isotropy.improve.inputs import count_hidden

_HEADERS = (
    ("anchor", "positive", "class"),
    ("anchor", "positive"),
    ("sentence1", "sentence2", "score"),
    ("sentence1", "sentence2", "label"),
)


def load_pairs(name: str, sources: Sources) -> Dataset:
    """Load training pairs.

    Args:
        name: "docstrings"; `TASK:SPLIT`, a split of an STS task or of a data set with labels in one of
            `sources.folders`; or the name of a tab-separated file in one of `sources.pairs`, without its ending, or of
            that folder if the file is called "all", "data" or as a split is. Files have a header with `anchor` and
            `positive`, and `class` if they have one, or `sentence1` and `sentence2` with a `score` or a `label` (1 or
            true, 0 or false), and may be gzipped; other columns are not read.
        sources: Where to look.

    Returns:
        Columns `anchor` and `positive`, with numbers in `class` if there are classes; `sentence1`, `sentence2` and
        `score`, with scores scaled to [0, 1] and labels as scores; or `text` and `label`, see
        `evaluation.data.labelled.LabelledData`.

    Raises:
        UserError: There are no such pairs, or they cannot be read; the text names file and line.
    """
    if name == DOCSTRINGS:
        return positive_pairs(docstring_corpus(cache_root()))
    base, _, split = name.partition(":")
    own = (data for folder in sources.folders for data in data_sets(folder))
    if split and (labelled := find_labelled(base, own)):
        return _labelled(labelled, split)
    if split:
        return _of_task(name, sources)
    for folder in sources.pairs:
        if path := _file(folder, name):
            return _read(path)
        check_name_is_table(folder, name)
    searched = ", ".join(map(str, sources.pairs)) or "no folder: name one with --pairs DIR"
    raise UserError(
        f"There are no training pairs {name!r}; a tab-separated file {name}.tsv was looked for in {searched}."
    )


def _file(folder: Path, name: str) -> Path | None:
    """The file of a name, or the only file with a name that says nothing in a folder of the name."""
    tables = tables_in(folder)
    if name in tables or folder_name(folder) != name:
        return tables.get(name)
    nameless = [path for stem, path in tables.items() if stem in (*NAMELESS, *SPLITS)]
    return nameless[0] if len(nameless) == 1 else None


def _labelled(labelled: LabelledData, split: str) -> Dataset:
    splits = labelled.read()
    if split not in splits:
        raise UserError(f"{labelled.data.name} in {labelled.data.folder} has no split {split}: {', '.join(splits)}.")
    return Dataset.from_dict(splits[split])


def _of_task(name: str, sources: Sources) -> Dataset:
    source, *others = resolve_tasks([name], sources.mirror, sources.folders)
    if others:
        raise UserError(f"Training pairs are taken from one STS task, but {name} stands for {len(others) + 1} tasks.")
    task = source.make()
    if not isinstance(task, AbsTaskSTS):
        raise UserError(f"Training pairs are taken from STS tasks, but {name} is of type {source.type}.")
    load(task)
    rows = [row for data in evaluated_rows(task) for row in data]
    scores = np.array([row["score"] for row in rows], dtype=float)
    if unknown := np.flatnonzero(~np.isfinite(scores)).tolist():
        raise UserError(
            f"{name}: {len(unknown)} of {len(rows)} scores are missing, first in row {unknown[0] + 1}; train on a "
            "split whose scores are known."
        )
    low, high = float(task.min_score), float(task.max_score)
    if scores.min() < low or scores.max() > high:
        raise UserError(
            f"{name}: the scores lie between {scores.min():g} and {scores.max():g}, but mteb says between {low:g} and "
            f"{high:g}; write the pairs to a file for --pairs; its scores are scaled by their own range."
        )
    first, second = (str(column) for column in task.column_names[:2])
    return Dataset.from_dict(
        {
            "sentence1": [row[first] for row in rows],
            "sentence2": [row[second] for row in rows],
            "score": ((scores - low) / (high - low)).tolist(),
        }
    )


def _read(path: Path) -> Dataset:
    lines, columns = _columns(path)
    check_one_fold(path, numbered_cells(path))
    if len(lines) < 2:
        raise UserError(f"{path} holds {counted(len(lines), 'pair')}, and training needs at least 2.")
    if "class" in columns:
        numbers = {name: number for number, name in enumerate(sorted(set(columns["class"])))}
        columns["class"] = [numbers[name] for name in columns["class"]]
    if "label" in columns:
        columns["score"] = [
            float(pair_label(cell, path, line)) for line, cell in zip(lines, columns.pop("label"), strict=True)
        ]
    elif "score" in columns:
        columns["score"] = _scaled(path, lines, columns["score"])
    return Dataset.from_dict(columns)


def _columns(path: Path) -> tuple[list[int], Rows]:
    """The line number of every row, and the columns of pairs; what a file holds beside them is not read."""
    rows = numbered_cells(path)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    names = next((names for names in _HEADERS if all(header.count(name) == 1 for name in names)), None)
    if names is None:
        if found := other_separator(path, header, _HEADERS):
            raise UserError(found)
        wanted = " or ".join(", ".join(names) for names in _HEADERS)
        raise UserError(f"{path}, line 1: the columns are {', '.join(header) or 'missing'}, but must be {wanted}.")
    judged = [name for name in ("label", "score") if name in header]
    if judged and "anchor" in names:
        raise UserError(
            f"{path}, line 1: anchor and positive say that all pairs belong together, and {judged[0]} says how much "
            f"each does: name the columns sentence1, sentence2 and {judged[0]}, or keep the pairs that belong together "
            f"and remove the column."
        )
    lines: list[int] = []
    columns: Rows = {name: [] for name in names}
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{path}, line {line}: {counted(len(row), 'cell')} instead of {len(header)}; separate them by tabs."
            )
        for name, column in columns.items():
            cell = row[header.index(name)]
            if not cell.strip():
                raise UserError(f"{path}, line {line}: the {name} is empty; fill it in, or remove the line.")
            column.append(cell)
        lines.append(line)
    return lines, columns


def _scaled(path: Path, lines: Sequence[int], cells: Sequence[str]) -> list[float]:
    """Scores as numbers in [0, 1]: as they are if they lie there, else by their range."""
    scores = []
    for line, cell in zip(lines, cells, strict=True):
        try:
            scores.append(float(cell))
        except ValueError:
            scores.append(math.nan)
        if not math.isfinite(scores[-1]):
            raise UserError(f"{path}, line {line}: the score {cell!r} is not a finite number.")
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        return scores
    if hidden := count_hidden(scores):
        raise UserError(
            f"{path}: {hidden} of {len(scores)} scores are -1, which stands for unknown beside scores from 0 to "
            f"{high:g}; remove those rows."
        )
    if low == high:
        raise UserError(
            f"{path}: all {len(scores)} scores are {low:g}, so there is nothing to learn; give scores that differ."
        )
    return [(score - low) / (high - low) for score in scores]
