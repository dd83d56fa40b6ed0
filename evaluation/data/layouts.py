"""Layouts in which data sets are published and that are not ours: read where nothing is lost, else refused."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

from evaluation.errors import UserError
from st_isotropy.diagnosis.formats import reader_of, to_table
from st_isotropy.improve.rows import from_trec

FOLDS = ("split", "fold", "set", "subset", "partition")
FOLD_VALUES = {"train", "training", "dev", "val", "valid", "validation", "test", "testing", "eval"}
GRADES = ["query-id", "corpus-id", "score"]


def check_one_fold(path: Path, rows: Iterator[tuple[int, list[str]]]) -> None:
    """Refuse a table of which a column says which rows are for training and which for testing.

    Args:
        path: The file.
        rows: Its numbered rows, the header first.

    Raises:
        UserError: A column named like a fold, or of names of folds alone, holds several values.
    """
    header = [name.strip() for name in next(rows, (1, []))[1]]
    values: dict[int, set[str]] = {place: set() for place in range(len(header))}
    for _, cells in rows:
        if not values:
            return
        for place in [place for place in values if place < len(cells)]:
            values[place].add(cells[place].strip())
            if header[place].lower() not in FOLDS and cells[place].strip().lower() not in FOLD_VALUES:
                del values[place]
    for place, folds in values.items():
        name = header[place]
        if len(folds) > 1:
            raise UserError(
                f"{path}, line 1: the column {name} divides the rows into {', '.join(sorted(folds)[:4])}, and all of "
                "them would be scored; write the rows of each to a file of its own, such as train.tsv and test.tsv, or "
                "remove the column."
            )


def check_formats(folder: Path, tables: Collection[str], splits: Collection[str]) -> None:
    """Refuse a folder whose data, or a split of them, is in a file of another format, which would be passed over.

    Args:
        folder: The folder.
        tables: The tables found in it, by name.
        splits: Names of splits.

    Raises:
        UserError: There is such a file, with how to convert it.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.name.split(".")[0].split("-")[0]
        may_be_data = not tables and path.suffix.lower() != ".json"  # which models, runs and much else have
        if (reader := reader_of(path)) and path.is_file() and (name in splits or may_be_data):
            raise UserError(
                f"{path} is no tab-separated table: convert it, as by {to_table(reader, path, name)}, and remove it."
            )


def check_name_is_table(folder: Path, name: str) -> None:
    """Refuse a name that a file of another format has.

    Raises:
        UserError: There is such a file, with how to convert it.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.partition(".")[0] == name and (reader := reader_of(path)):
            raise UserError(f"{path} is no tab-separated table: convert it, as by {to_table(reader, path)}.")


def other_separator(path: Path, header: list[str], columns: Iterable[Collection[str]]) -> str:
    """How to convert a table that is separated by commas or semicolons; empty for others.

    Args:
        path: The file.
        header: Its header, cut at tabs.
        columns: Names of columns, of which one set would be in the header.
    """
    for separator in ",;":
        names = {name.strip(' "') for name in header[0].split(separator)} if len(header) == 1 else set()
        if any(set(wanted) <= names for wanted in columns):
            reader = f"pandas.read_csv({path.name!r}, sep={separator!r})"
            conversion = to_table(reader, path)
            # A file that the line writes anew stays; beside another ending both would be the same data set.
            removed = "" if path.name.endswith(".tsv") else ", and remove it"
            return f"{path} is separated by {separator!r} and not by tabs: convert it, as by {conversion}{removed}."
    return ""


def without_trec_format(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of qrels as TREC publishes them, `query 0 document grade`, in our three columns; others pass."""
    number, cells = next(rows, (1, []))
    if from_trec(cells) is None:
        yield from chain([(number, cells)], rows)
        return
    yield number, GRADES
    for line, row in chain([(number, cells)], rows):
        yield line, from_trec(row) or row
