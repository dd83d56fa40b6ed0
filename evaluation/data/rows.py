"""Rows of data files, checked; every error names the file, the line and what to change."""

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from evaluation.data.layouts import GRADES, without_trec_format
from evaluation.errors import UserError, counted
from st_isotropy.improve.inputs import count_hidden

Grades = dict[str, dict[str, int]]  # query id -> document id -> grade
Rows = dict[str, list[Any]]  # column -> values

BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)  # what reading a damaged file raises
HIDDEN = "-1"  # the label of every row of GLUE's test splits
HIDDEN_AS = (HIDDEN, "-1.0")  # and the score
TRUTHS = {"true": 1, "false": 0}

# The columns of each kind of table; a sentence counts as a text.
COLUMNS = {
    "pairs with scores": ("sentence1", "sentence2", "score"),
    "pairs with labels": ("sentence1", "sentence2", "label"),
    "texts with labels": ("text", "label"),
}


def table_header(path: Path) -> list[str]:
    """The column names of a table; empty for an empty file."""
    return [name.strip() for name in next(numbered_cells(path), (1, []))[1]]


def canonical_header(header: list[str]) -> list[str]:
    """The column names with "text" for "sentence"."""
    return ["text" if name.strip() == "sentence" else name.strip() for name in header]


def _open_text(path: Path) -> TextIO:
    """Open a text file in UTF-8 for reading, gzipped or not; the mark that a spreadsheet may put first is skipped."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    return cast(TextIO, opener(path, "rt", encoding="utf-8-sig"))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text file, gzipped or not."""
    number = 0
    try:
        with _open_text(path) as file:
            for number, line in enumerate(file, start=1):
                yield number, line
    except UnicodeDecodeError as error:  # found in a block of the file, some way behind the lines that were given
        wrong = _first_undecodable_line(path)
        raise UserError(f"{path}, line {wrong}: this is not UTF-8 ({error.reason}); convert the file.") from None
    except BROKEN_GZIP as error:
        raise UserError(f"{path}, after line {number}: the gzip file is broken ({error}); copy it again.") from None


def _first_undecodable_line(path: Path) -> int:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        return next(number for number, line in enumerate(file, start=1) if not _is_utf8(line))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def numbered_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows of a tab-separated file, gzipped or not, empty lines left out.

    Raises:
        UserError: The file is not UTF-8, or its compression is broken.
    """
    for number, line in _lines(path):
        if line.strip():
            yield number, line.rstrip("\r\n").split("\t")


def table_rows(path: Path, kind: str) -> Rows:
    """Read the columns of a table.

    Args:
        path: The file.
        kind: A key of `COLUMNS`.

    Raises:
        UserError: There is no row, a row has the wrong number of cells, or a score or label is not valid.
    """
    columns = COLUMNS[kind]
    rows: Rows = {name: [] for name in columns}
    header: list[str] = []
    for number, cells in numbered_cells(path):
        if not header:
            header = canonical_header(cells)
            continue
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {number}: {counted(len(cells), 'cell')} instead of {len(header)}; separate them by one "
                "tab each, and remove tabs and line breaks from the texts."
            )
        row = dict(zip(header, cells, strict=True))
        for name in columns:
            rows[name].append(_value(name, row[name], kind, path, number))
    if not rows[columns[0]]:
        raise UserError(f"{path} has a header and no rows: add some, or remove the file.")
    hidden = sum(str(label) == HIDDEN for label in rows.get("label", ()))
    if kind == "pairs with labels" and 0 < hidden < len(rows["label"]):
        raise UserError(
            f"{path}: {hidden} of {len(rows['label'])} labels are {HIDDEN}, which stands for unknown; remove "
            "those rows."
        )
    if hidden := count_hidden(rows.get("score", [])):
        raise UserError(
            f"{path}: {hidden} of {len(rows['score'])} scores are {HIDDEN}, which stands for unknown beside scores "
            f"from 0 to {max(rows['score']):g}; remove those rows."
        )
    return rows


def _value(name: str, cell: str, kind: str, path: Path, number: int) -> Any:
    if name == "score":
        score = _number(cell)
        if score is None:
            raise UserError(f"{path}, line {number}: the score {cell!r} is not a finite number; correct it.")
        return score
    if name == "label" and kind == "pairs with labels":
        return pair_label(cell, path, number, (0, 1, int(HIDDEN)))
    if name == "label" and not cell.strip():
        raise UserError(f"{path}, line {number}: the label is empty; label every text.")
    return cell.strip() if name == "label" else cell


def pair_label(cell: str, path: Path, number: int, known: tuple[int, ...] = (0, 1)) -> int:
    """Read the label of a pair: 1 or true where both texts mean the same, 0 or false where they do not.

    Args:
        cell: What the file says; pandas writes 1.0 in a column with gaps, and True.
        path: The file.
        number: The line.
        known: The labels that may occur.

    Raises:
        UserError: It is another.
    """
    label = TRUTHS.get(cell.strip().lower(), _number(cell))
    if label is None or label not in known:
        raise UserError(
            f"{path}, line {number}: the label {cell!r} is neither 1 or true (the pair means the same) nor 0 or false; "
            "call the column score if it is a degree of similarity."
        )
    return int(label)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def json_rows(path: Path, columns: tuple[str, ...]) -> Rows:
    """Read a JSON-lines file: the column `id`, from "_id", and further text columns; a title may be missing.

    Ids that are whole numbers become texts, as those in the qrels are.

    Raises:
        UserError: The file is empty, a line is not a JSON object or has no text, or an id repeats.
    """
    rows: Rows = {name: [] for name in ("id", *columns)}
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        if not line.strip():
            continue
        row = _json_object(line, path, number)
        id_ = _json_text(row, "_id", path, number)
        if id_ in lines:
            raise UserError(
                f"{path}, line {number}: the id {id_!r} is already used on line {lines[id_]}; give every line its own."
            )
        lines[id_] = number
        rows["id"].append(id_)
        for name in columns:
            rows[name].append(_json_text(row, name, path, number))
    if not lines:
        raise UserError(f"{path} is empty: it needs one JSON object per line.")
    return rows


def _json_text(row: dict[str, object], name: str, path: Path, number: int) -> str:
    value = row.get(name)
    if name == "_id" and type(value) is int:
        return str(value)
    if name == "title" and not value:
        return ""
    if not isinstance(value, str):
        cure = "add it" if value is None else f"write {value!r} as a string, in quotation marks"
        raise UserError(f'{path}, line {number}: there is no text under "{name}"; {cure}.')
    if not _is_unicode(value):
        raise UserError(f'{path}, line {number}: "{name}" contains an unpaired surrogate; re-export the file as UTF-8.')
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_object(line: str, path: Path, number: int) -> dict[str, object]:
    try:
        row = json.loads(line, parse_constant=lambda _: None)  # NaN is how pandas writes what is missing
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {number}: this is not JSON ({error.msg}); write one object per line.") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: this is not a JSON object; write one object per line.")
    return row


def read_grades(path: Path, queries: set[str], documents: set[str]) -> Grades:
    """Read the grades of documents for queries.

    Args:
        path: A qrels file.
        queries: Known query ids. Grades of others are kept, too, unless there are no known ones.
        documents: Known document ids. Published qrels may name documents that are not in the corpus, as
            ArguAna's do; like mteb we keep their grades, although no model can find these documents.

    Raises:
        UserError: A line is broken, a pair has two grades, no query is known, nothing is relevant, or no relevant
            document is known.
    """
    rows = without_trec_format(numbered_cells(path))
    header = next(rows, (1, []))[1]
    if header != GRADES:
        raise UserError(f"{path}, line 1: the header must be query-id, corpus-id, score, separated by tabs.")
    grades: Grades = {}
    for number, cells in rows:
        if len(cells) != len(header):
            raise UserError(
                f"{path}, line {number}: {counted(len(cells), 'cell')} instead of 3; separate them by tabs."
            )
        query, document, cell = cells
        grade = _number(cell)
        if grade is None or grade != int(grade):
            raise UserError(f"{path}, line {number}: the score {cell!r} is not a whole number; give 0, 1 or a grade.")
        if grades.setdefault(query, {}).setdefault(document, int(grade)) != grade:
            raise UserError(f"{path}, line {number}: {query!r} and {document!r} already have another score; keep one.")
    if grades and queries.isdisjoint(grades):
        raise UserError(
            f"{path} grades documents for {counted(len(grades), 'query', 'queries')}, such as {next(iter(grades))!r}, "
            f"and none is among the {len(queries)} of the data set; use the same ids in both files."
        )
    known = [graded for query, graded in grades.items() if query in queries]
    relevant = [document for graded in known for document, grade in graded.items() if grade > 0]
    if not relevant:
        raise UserError(f"{path} has no score above 0, so no document is relevant: add some.")
    if documents.isdisjoint(relevant):
        raise UserError(
            f"{path} has {counted(len(relevant), 'relevant document')}, such as {relevant[0]!r}, and none is among the "
            f"{len(documents)} of the corpus; use the same ids in both files."
        )
    return grades
