"""Data sets in a folder: which there are, and their rows, checked; every error names the file, the line and the cure.

A BEIR folder holds `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`. Tables are tab-separated, with a header and
without quotation: a quotation mark is a character like any other. The files `train`, `validation` (or `dev`) and `test`
of a folder are the splits of one data set with the folder's name; any other file is a data set with its own name. Every
file may be gzipped.
"""

import csv
import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.errors import UserError

Grades = dict[str, dict[str, int]]  # query id -> document id -> grade
Rows = dict[str, list[Any]]  # column -> values

SPLITS = {"train": "train", "validation": "validation", "dev": "validation", "test": "test"}
TABLES = (".tsv", ".csv", ".tsv.gz", ".csv.gz")
# The columns of each kind of table; a sentence counts as a text.
COLUMNS = {
    "pairs with scores": ("sentence1", "sentence2", "score"),
    "pairs with labels": ("sentence1", "sentence2", "label"),
    "texts with labels": ("text", "label"),
}
BEIR = "BEIR folder"


@dataclass(frozen=True)
class DataSet:
    """A data set that was found and whose rows are read when they are needed.

    Attributes:
        name: The folder's or file's name.
        kind: `BEIR`, or a key of `COLUMNS`.
        folder: Where it is.
        files: The file of each split.
        revision: Hash of the files' content.
    """

    name: str
    kind: str
    folder: Path
    files: dict[str, Path]
    revision: str


@dataclass(frozen=True)
class BeirData:
    """The rows of a BEIR folder: `corpus` with id, title and text, `queries` with id and text, and grades by split."""

    corpus: Rows
    queries: Rows
    grades: dict[str, Grades]


def data_sets(folder: Path) -> list[DataSet]:
    """Find the data sets in a folder and, unless it is a BEIR folder, in its subfolders.

    Raises:
        UserError: There is none, or one is incomplete.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: name one with --folder.")
    found = _in_folder(folder)
    if not _is_beir(folder):
        found += [each for child in sorted(folder.iterdir()) if child.is_dir() for each in _in_folder(child)]
    if not found:
        raise UserError(
            f"The folder {folder} holds no data set: give a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), "
            f"tab-separated files with the columns {_kinds_of_tables()}, or a folder of such folders."
        )
    return found


def read_beir(data: DataSet) -> BeirData:
    """Read a BEIR folder.

    Raises:
        UserError: A line is broken, an id repeats, a grade's query or document is unknown, or nothing is relevant.
    """
    _check_unchanged(data)
    corpus = _json_rows(_beir_file(data.folder, "corpus"), ("title", "text"))
    queries = _json_rows(_beir_file(data.folder, "queries"), ("text",))
    known = set(queries["id"]), set(corpus["id"])
    return BeirData(corpus, queries, {split: _grades(path, *known) for split, path in data.files.items()})


def read_tables(data: DataSet) -> dict[str, Rows]:
    """Read the splits of a table; scores become numbers.

    Raises:
        UserError: A line has the wrong number of cells, or a score or label is none.
    """
    _check_unchanged(data)
    return {split: _table(path, data.kind) for split, path in data.files.items()}


def _in_folder(folder: Path) -> list[DataSet]:
    """The data sets that lie directly in a folder."""
    if _is_beir(folder):
        qrels = _tables(folder / "qrels")
        files = [_beir_file(folder, "corpus"), _beir_file(folder, "queries"), *qrels.values()]
        if not qrels:
            raise UserError(f"{folder} has no qrels/<split>.tsv with the relevant documents, such as qrels/test.tsv.")
        return [DataSet(folder.resolve().name, BEIR, folder, qrels, _revision(files))]
    tables = _tables(folder)
    splits = {SPLITS[stem]: path for stem, path in tables.items() if stem in SPLITS}
    groups = {folder.resolve().name: splits} if splits else {}
    groups |= {stem: {"test": path} for stem, path in tables.items() if stem not in SPLITS}
    return [
        DataSet(name, _kind(list(files.values())), folder, files, _revision(files.values()))
        for name, files in groups.items()
    ]


def _is_beir(folder: Path) -> bool:
    return any(_present(folder, name) for name in ("corpus", "queries"))


def _tables(folder: Path) -> dict[str, Path]:
    """The tables in a folder by name, the one that is not gzipped where there are both."""
    endings = ((path, ending) for ending in reversed(TABLES) for path in sorted(folder.glob(f"*{ending}")))
    return {path.name.removesuffix(ending): path for path, ending in endings if path.is_file()}


def _present(folder: Path, name: str) -> list[Path]:
    return [path for ending in (".jsonl", ".jsonl.gz") if (path := folder / f"{name}{ending}").is_file()]


def _beir_file(folder: Path, name: str) -> Path:
    present = _present(folder, name)
    if not present:
        raise UserError(f"{folder} has no {name}.jsonl (or {name}.jsonl.gz), which a BEIR folder needs: add it.")
    return present[0]


def _kind(files: list[Path]) -> str:
    """The kind of table that all files are."""
    kinds = {path: _kind_of(path, _header(path)) for path in files}
    first, kind = next(iter(kinds.items()))
    for path, other in kinds.items():
        if other != kind:
            raise UserError(f"{first} holds {kind} and {path} {other}: give all splits of a data set the same columns.")
    return kind


def _kind_of(path: Path, header: list[str]) -> str:
    for kind, columns in COLUMNS.items():
        if set(columns) <= set(header):
            return kind
    raise UserError(
        f"{path}, line 1: the columns are {', '.join(header)}; give a header with {_kinds_of_tables()}, "
        "separated by tabs."
    )


def _kinds_of_tables() -> str:
    return " or ".join(", ".join(columns) for columns in COLUMNS.values())


def _header(path: Path) -> list[str]:
    return _renamed(next(_cells(path), (1, []))[1])


def _renamed(header: list[str]) -> list[str]:
    return ["text" if name.strip() == "sentence" else name.strip() for name in header]


def _revision(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]


def _check_unchanged(data: DataSet) -> None:
    tables = list(data.files.values())
    beir = [_beir_file(data.folder, name) for name in ("corpus", "queries")] if data.kind == BEIR else []
    if _revision([*beir, *tables]) != data.revision:
        raise UserError(f"The data in {data.folder} changed while they were used: start again in a new run directory.")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file, gzipped or not."""
    opened = gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig")
    number = 0
    try:
        with opened as file:
            for number, line in enumerate(file, start=1):
                yield number, line
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, after line {number}: this is not UTF-8 ({error.reason}); convert the file.") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path}, after line {number}: the gzip file is broken ({error}); copy it again.") from None


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of a tab-separated file, empty lines left out."""
    for number, line in _lines(path):
        if line.strip():
            yield number, next(csv.reader([line.rstrip("\r\n")], delimiter="\t", quoting=csv.QUOTE_NONE))


def _table(path: Path, kind: str) -> Rows:
    columns = COLUMNS[kind]
    rows: Rows = {name: [] for name in columns}
    header: list[str] = []
    for number, cells in _cells(path):
        if not header:
            header = _renamed(cells)
            continue
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {number}: there are {len(cells)} cells instead of {len(header)}; separate them by one "
                "tab each, and take tabs and line breaks out of the texts."
            )
        row = dict(zip(header, cells, strict=True))
        for name in columns:
            rows[name].append(_value(name, row[name], kind, path, number))
    if not rows[columns[0]]:
        raise UserError(f"{path} has a header and no rows: add some, or remove the file.")
    return rows


def _value(name: str, cell: str, kind: str, path: Path, number: int) -> Any:
    if name == "score":
        score = _number(cell)
        if score is None:
            raise UserError(f"{path}, line {number}: the score {cell!r} is no finite number; give every pair one.")
        return score
    if name == "label" and kind == "pairs with labels":
        if cell.strip() not in ("0", "1"):
            raise UserError(
                f"{path}, line {number}: the label {cell!r} is neither 1 (the pair means the same) nor 0; "
                "call the column score if it is a degree of similarity."
            )
        return int(cell)
    if name == "label" and not cell.strip():
        raise UserError(f"{path}, line {number}: the label is empty; give every text one.")
    return cell


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _json_rows(path: Path, columns: tuple[str, ...]) -> Rows:
    """Rows of a JSON-lines file: the column `id`, from "_id", and further text columns; a title may be missing."""
    rows: Rows = {name: [] for name in ("id", *columns)}
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        if not line.strip():
            continue
        row = _json_object(line, path, number)
        missing = [name for name in ("_id", "text") if not isinstance(row.get(name), str)]
        if missing:
            raise UserError(f'{path}, line {number}: there is no text under "{missing[0]}"; add it.')
        if row["_id"] in lines:
            raise UserError(
                f"{path}, line {number}: the id {row['_id']!r} is that of line {lines[row['_id']]} too; "
                "give each line its own."
            )
        lines[row["_id"]] = number
        for name in rows:
            rows[name].append(row["_id"] if name == "id" else row.get(name) or "")
    if not lines:
        raise UserError(f"{path} is empty: it needs one JSON object a line.")
    return rows


def _json_object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {number}: this is no JSON ({error.msg}); give one object a line.") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: this is no JSON object; give one a line.")
    return row


def _grades(path: Path, queries: set[str], documents: set[str]) -> Grades:
    rows = _cells(path)
    header = next(rows, (1, []))[1]
    if header != ["query-id", "corpus-id", "score"]:
        raise UserError(f"{path}, line 1: the header must be query-id, corpus-id, score, separated by tabs.")
    grades: Grades = {}
    for number, cells in rows:
        if len(cells) != len(header):
            raise UserError(f"{path}, line {number}: there are {len(cells)} cells instead of 3, separated by tabs.")
        query, document, cell = cells
        for what, id_, known in (("query", query, queries), ("document", document, documents)):
            if id_ not in known:
                raise UserError(
                    f"{path}, line {number}: there is no {what} {id_!r} among the {len(known)}; "
                    "add it, or remove the line."
                )
        grade = _number(cell)
        if grade is None or grade != int(grade):
            raise UserError(f"{path}, line {number}: the score {cell!r} is no whole number; give 0, 1 or a grade.")
        if document in grades.setdefault(query, {}):
            raise UserError(f"{path}, line {number}: {query!r} and {document!r} have a score already; keep one line.")
        grades[query][document] = int(grade)
    if not any(grade > 0 for documents_ in grades.values() for grade in documents_.values()):
        raise UserError(f"{path} has no relevant document, that is no score above 0: add some.")
    return grades
