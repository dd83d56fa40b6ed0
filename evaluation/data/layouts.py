"""Layouts in which data sets are published and that are not ours: read where nothing is lost, else refused."""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from evaluation.errors import UserError

FOLDS = ("split", "fold", "set", "subset", "partition")
GRADES = ["query-id", "corpus-id", "score"]
READERS = {".jsonl": "read_json(FILE, lines=True)", ".parquet": "read_parquet(FILE)", ".xlsx": "read_excel(FILE)"}


def check_one_fold(path: Path, rows: Iterator[tuple[int, list[str]]]) -> None:
    """Refuse a table of which a column says which rows are for training and which for testing.

    Args:
        path: The file.
        rows: Its numbered rows, the header first.

    Raises:
        UserError: A column named like a fold holds several values.
    """
    header = [name.strip() for name in next(rows, (1, []))[1]]
    places = {name: place for place, name in enumerate(header) if name.lower() in FOLDS}
    values: dict[str, set[str]] = {name: set() for name in places}
    for _, cells in rows if places else ():
        for name, place in places.items():
            values[name].update(cells[place : place + 1])
    for name, folds in values.items():
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
        if path.suffix.lower() in READERS and (name in splits or not tables):
            reader = READERS[path.suffix.lower()].replace("FILE", repr(path.name))
            raise UserError(
                f"{path} is no tab-separated table: convert it, as by pandas.{reader}.to_csv({name + '.tsv'!r}, "
                "sep='\\t', index=False), and remove it."
            )


def without_trec_format(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of qrels as TREC publishes them, `query 0 document grade`, in our three columns; others pass."""
    number, cells = next(rows, (1, []))
    parts = _trec(cells)
    if parts is None:
        yield from chain([(number, cells)], rows)
        return
    yield number, GRADES
    for line, row in chain([(number, cells)], rows):
        yield line, _trec(row) or row


def _trec(cells: list[str]) -> list[str] | None:
    parts = " ".join(cells).split()
    return [parts[0], *parts[2:]] if len(parts) == 4 and parts[1] in ("0", "Q0") else None
