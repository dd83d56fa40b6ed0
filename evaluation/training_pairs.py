"""Training pairs by name, in the columns that an objective trains on, without what the tasks will ask."""

import hashlib
import json
import math
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from datasets import Dataset
from mteb.abstasks import AbsTask, AbsTaskRetrieval, AbsTaskSTS
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.decomposition import PCA

from evaluation.data import docstring_corpus, positive_pairs
from evaluation.errors import UserError
from evaluation.files import cache_root
from evaluation.folder_data import data_sets
from evaluation.folder_rows import numbered_cells
from evaluation.head_tasks import HeadClassification, LabelledData, labelled_data
from evaluation.loading import load
from evaluation.mteb_tasks import single_tasks
from evaluation.objectives import OBJECTIVES
from evaluation.sources import Sources
from evaluation.task_rows import PAIR_TASKS, Texts, asked, comparable, evaluated
from evaluation.tasks import DOCSTRINGS, TaskSource, resolve_tasks

_HEADERS = {("anchor", "positive"): "positive", ("sentence1", "sentence2", "score"): "scored"}


def load_pairs(name: str, sources: Sources) -> Dataset:
    """Load training pairs.

    Args:
        name: "docstrings"; `TASK:SPLIT`, a split of an STS task or of a data set with labels in one of
            `sources.folders`; or the name of a tab-separated file in one of `sources.pairs`, without its ending. Files
            have a header, `anchor` and `positive` or `sentence1`, `sentence2` and `score`, and may be gzipped.
        sources: Where to look.

    Returns:
        Columns `anchor` and `positive`; `sentence1`, `sentence2` and `score`, with scores scaled to [0, 1]; or `text`
        and `label`, see `evaluation.head_tasks.LabelledData`.

    Raises:
        UserError: There are no such pairs, or they cannot be read; the text names file and line.
    """
    if name == DOCSTRINGS:
        return positive_pairs(docstring_corpus(cache_root()))
    base, _, split = name.partition(":")
    own = (data for folder in sources.folders for data in data_sets(folder))
    if split and (labelled := labelled_data(base, own)):
        return _labelled(labelled, split)
    if split:
        return _of_task(name, sources)
    for folder in sources.pairs:
        for ending in (".tsv", ".tsv.gz"):
            if (folder / f"{name}{ending}").is_file():
                return _read(folder / f"{name}{ending}")
    searched = ", ".join(map(str, sources.pairs)) or "no folder: name one with --pairs DIR"
    raise UserError(f"There are no training pairs {name!r}; {name}.tsv or {name}.tsv.gz was looked for in {searched}.")


def for_objective(pairs: Dataset, objective: str, teacher: SentenceTransformer | None, dimensions: int) -> Dataset:
    """Turn pairs into the columns that an objective trains on.

    Positive pairs become scored ones by as many mismatches. Texts get a teacher's embeddings: for a narrower student
    rotated to principal axes and cut, without centering, so that cosines change as little as they can, and for a wider
    one with zeros behind them, which changes no cosine.

    Args:
        pairs: From `load_pairs`.
        objective: One of `evaluation.objectives.OBJECTIVES`.
        teacher: For objectives that learn a teacher's embeddings.
        dimensions: The student's.

    Raises:
        UserError: The pairs have scores and the objective needs positives, or there are fewer texts than the axes that
            a narrower student takes.
    """
    wanted = OBJECTIVES[objective].columns
    if (wanted == "labelled") != ("label" in pairs.column_names):
        takes = "texts with labels, such as cola:train" if wanted == "labelled" else "pairs"
        raise UserError(
            f"The objective {objective} trains on {takes}, but the columns here are {', '.join(pairs.column_names)}."
        )
    if wanted == "labelled":
        return pairs
    scored = "score" in pairs.column_names
    if wanted == "scored":
        return pairs if scored else with_mismatches(pairs)
    if wanted == "positive":
        if scored:
            raise UserError(
                f"The objective {objective} trains on positive pairs, but these pairs have scores; "
                "give a file with the columns anchor and positive."
            )
        return pairs
    assert teacher is not None  # the study asks for one
    return _with_teacher(pairs, teacher, dimensions)


def with_mismatches(pairs: Dataset, seed: int = 0) -> Dataset:
    """Score positive pairs 1 and as many mismatches 0: columns `sentence1`, `sentence2`, `score`.

    A mismatch pairs an anchor with another pair's positive; one that is itself a pair of the data, in either order, or
    twice the same text is left out, whatever the case and white space.
    Mismatches belong to the data, not to a training run, so every run uses the same `seed`.
    """
    first, second = list(pairs["anchor"]), list(pairs["positive"])
    n = len(first)
    other = (np.arange(n) + np.random.default_rng(seed).integers(1, n, size=n)) % n
    alike = [comparable(text)[0] for text in first], [comparable(text)[0] for text in second]
    true = {frozenset(pair) for pair in zip(*alike, strict=True)}  # both directions: paraphrases have none
    places = [
        (i, j)
        for i, j in enumerate(other)
        if len(pair := frozenset((alike[0][i], alike[1][j]))) > 1 and pair not in true
    ]
    wrong = [(first[i], second[j]) for i, j in places]
    return Dataset.from_dict(
        {
            "sentence1": first + [anchor for anchor, _ in wrong],
            "sentence2": second + [positive for _, positive in wrong],
            "score": [1.0] * n + [0.0] * len(wrong),
        }
    )


def asked_about(tasks: Iterable[TaskSource]) -> set[Texts]:
    """What must not be trained on, because a task asks about it.

    That is sentence pairs, the texts that a head is tested on, and each query with each document that answers it. STS12
    to STS16 and STSBenchmark share many pairs; training on them would be scored as if it were skill.

    Args:
        tasks: All tasks of a study; of other kinds, such as classification, nothing is taken.

    Returns:
        The texts, as `evaluation.task_rows.comparable` gives them.

    Raises:
        UserError: The data of a task on sentence pairs, or of a test of a head, cannot be loaded.
    """
    return {texts for source in tasks for task in single_tasks(source.make()) for texts in _asked(task)}


def without_asked(pairs: Dataset, asked: Container[Texts]) -> tuple[Dataset, int]:
    """Drop the rows that a task asks about, in either order.

    Args:
        pairs: From `load_pairs`.
        asked: From `asked_about`.

    Returns:
        The pairs that are left, and how many were dropped.
    """
    rows = zip(*(pairs[name] for name in _text_columns(pairs)), strict=True)
    kept = [place for place, texts in enumerate(rows) if comparable(*texts) not in asked]
    return pairs.select(kept), len(pairs) - len(kept)


def texts_of(pairs: Dataset) -> Iterator[str]:
    """All texts of the pairs, column by column, repeated ones too."""
    for name in _text_columns(pairs):
        yield from pairs[name]


def _text_columns(pairs: Dataset) -> list[str]:
    kinds = pairs.features.items()
    return [name for name, kind in kinds if getattr(kind, "dtype", None) == "string"]  # lists of numbers have none


def content_hash(pairs: Dataset) -> str:
    """Hash of the columns and their values, in order."""
    digest = hashlib.sha256(json.dumps(pairs.column_names).encode())
    texts = _text_columns(pairs)
    for name in pairs.column_names:
        if name in texts:  # NumPy would give every text the room of the longest
            digest.update(json.dumps(list(pairs[name])).encode())
        else:
            digest.update(np.ascontiguousarray(pairs.select_columns([name]).with_format("numpy")[:][name]).data)
    return digest.hexdigest()[:16]


def _labelled(labelled: LabelledData, split: str) -> Dataset:
    splits = labelled.read()
    if split not in splits:
        raise UserError(f"{labelled.data.name} in {labelled.data.folder} has no split {split}: {', '.join(splits)}.")
    return Dataset.from_dict(splits[split])


def _of_task(name: str, sources: Sources) -> Dataset:
    source, *others = resolve_tasks([name], sources.mirror, sources.folders)
    if others:
        raise UserError(f"Training pairs are taken from one STS task, and {name} stands for {len(others) + 1} tasks.")
    task = source.make()
    if not isinstance(task, AbsTaskSTS):
        raise UserError(f"Training pairs are taken from STS tasks, and {name} is of the type {source.type}.")
    load(task)
    rows = [row for data in evaluated(task) for row in data]
    scores = np.array([row["score"] for row in rows], dtype=float)
    if unknown := np.flatnonzero(~np.isfinite(scores)).tolist():
        raise UserError(
            f"{name}: {len(unknown)} of {len(rows)} scores are missing, that of row {unknown[0] + 1} the first; train "
            "on a split whose scores are known."
        )
    low, high = float(task.min_score), float(task.max_score)
    return Dataset.from_dict(
        {
            "sentence1": [row["sentence1"] for row in rows],
            "sentence2": [row["sentence2"] for row in rows],
            "score": ((scores - low) / (high - low)).tolist(),
        }
    )


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


def _read(path: Path) -> Dataset:
    header, lines, columns = _columns(path)
    if len(columns[0]) < 2:
        raise UserError(f"{path} holds {len(columns[0])} pairs, and training needs at least 2.")
    if header[-1] == "score":
        columns[-1] = _scaled(path, lines, columns[-1])
    return Dataset.from_dict(dict(zip(header, columns, strict=True)))


def _columns(path: Path) -> tuple[tuple[str, ...], list[int], list[list[Any]]]:
    """The header, the line number of every row, and the columns."""
    rows = numbered_cells(path)
    header = tuple(next(rows, (1, []))[1])
    if header not in _HEADERS:
        wanted = " or ".join(", ".join(each) for each in _HEADERS)
        raise UserError(f"{path}, line 1: the columns are {', '.join(header) or 'missing'}, and must be {wanted}.")
    lines: list[int] = []
    columns: list[list[Any]] = [[] for _ in header]
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: there are {len(row)} columns and must be {len(header)}.")
        for name, cell in zip(header, row, strict=True):
            if not cell.strip():
                raise UserError(f"{path}, line {line}: the {name} is empty; give it, or take the line out.")
        lines.append(line)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    return header, lines, columns


def _scaled(path: Path, lines: Sequence[int], cells: Sequence[str]) -> list[float]:
    """Scores as numbers in [0, 1]: as they are if they lie there, else by their range."""
    scores = []
    for line, cell in zip(lines, cells, strict=True):
        try:
            scores.append(float(cell))
        except ValueError:
            scores.append(math.nan)
        if not math.isfinite(scores[-1]):
            raise UserError(f"{path}, line {line}: the score {cell!r} is no number.")
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        return scores
    if low == high:
        raise UserError(f"{path}: all {len(scores)} scores are {low:g}, so there is nothing to learn from them.")
    return [(score - low) / (high - low) for score in scores]


def _with_teacher(pairs: Dataset, teacher: SentenceTransformer, dimensions: int) -> Dataset:
    texts = list(dict.fromkeys(text for name in pairs.column_names[:2] for text in pairs[name]))
    embeddings = teacher.encode(texts, convert_to_numpy=True, show_progress_bar=False)
    width = embeddings.shape[1]
    if width <= dimensions:
        targets = np.pad(embeddings, ((0, 0), (0, dimensions - width)))
    elif len(texts) < dimensions:
        raise UserError(
            f"A student of {dimensions} dimensions learns the teacher's {width} along as many principal axes, "
            f"which takes at least {dimensions} texts; there are {len(texts)}."
        )
    else:
        axes = cast(NDArray[np.float32], PCA(dimensions, svd_solver="full").fit(embeddings).components_)
        targets = (embeddings @ axes.T).astype(np.float32)
    return Dataset.from_dict({"sentence": texts, "label": targets.tolist()})
