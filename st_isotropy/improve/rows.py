"""Rows of a table of texts: UTF-8, separated by tabs, or by commas in a `.csv`, with the number of each line."""

import csv
import gzip
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from st_isotropy.diagnosis.formats import check_is_table


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        place: File and line number, as an error names it.
        cells: The cells, without white space around them.
    """

    place: str
    cells: tuple[str, ...]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read lines with their numbers from 1; gzip, a byte-order mark and CRLF are taken care of.

    Raises:
        ValueError: If the file cannot be read or is not UTF-8.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); convert it first.") from None
    except (OSError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; check the path."
        ) from None
    # `splitlines` would break lines within texts, as at form feeds.
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


def read_rows(path: Path, columns: tuple[str, ...], is_qrels: bool = False) -> list[Row]:
    """Read a table with so many columns; blank lines are skipped.

    Args:
        path: The file. In one named .csv (or .csv.gz) cells are separated by commas and may be quoted; in any other,
            cells are separated by tabs, and quotes are not special.
        columns: What each column holds, for errors.
        is_qrels: Whether rows may have the format of TREC, see `from_trec`.

    Returns:
        The rows, a header among them.

    Raises:
        ValueError: If a line has another number of cells, or an empty one, or the file has another format.
    """
    check_is_table(path)
    comma = ".csv" in path.suffixes
    rows = []
    for number, cells in _comma_separated(path) if comma else _tab_separated(path):
        cells = tuple(cell.strip() for cell in (from_trec(cells) if is_qrels else None) or cells)
        if not any(cells):
            continue
        place = f"{path}, line {number}"
        if len(cells) != len(columns):
            separator = "commas" if comma else "tabs"
            raise ValueError(
                f"{place} has {len(cells)} column{'s' * (len(cells) != 1)}; write {', '.join(columns)} in each line, "
                f"separated by {separator}."
            )
        if "" in cells:
            raise ValueError(f"{place} has an empty {columns[cells.index('')]}; fill it in or remove the line.")
        rows.append(Row(place, cells))
    return rows


def without_header(rows: list[Row], columns: Sequence[Set[str]]) -> list[Row]:
    """Drop the first row where all of its cells are names of columns, and put the columns in the order expected.

    Args:
        rows: The rows.
        columns: For each column the names that it may have.

    Raises:
        ValueError: If only some of its cells are.
    """
    header = [cell.lower() for cell in rows[0].cells] if rows else []
    known = frozenset().union(*columns)
    unknown = [cell for cell in header if cell not in known]
    if len(unknown) == len(header):
        return rows
    if unknown:
        raise ValueError(
            f"{rows[0].place} begins a header, but no column is called {unknown[0]!r}; rename it to one of "
            f"{', '.join(sorted(known))}, or remove the line."
        )
    places = [[place for place, cell in enumerate(header) if cell in names] for names in columns]
    order = [found[0] for found in places if found]
    if len(set(order)) < len(columns):  # names that fit several columns say nothing about the order
        return rows[1:]
    return [replace(row, cells=tuple(row.cells[place] for place in order)) for row in rows[1:]]


def from_trec(cells: Sequence[str]) -> list[str] | None:
    """Read a row of qrels as TREC publishes them, `query 0 document grade`, in our three columns; None for others.

    Examples:
        >>> from_trec(["q1 0 d7 2"]), from_trec(["q1", "d7", "2"])
        (['q1', 'd7', '2'], None)
    """
    parts = " ".join(cells).split()
    return [parts[0], *parts[2:]] if len(parts) == 4 and parts[1] in ("0", "Q0") else None


def _tab_separated(path: Path) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in read_lines(path))


def _comma_separated(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line + "\n" for _, line in read_lines(path)), strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {start} is not valid CSV: {error}; fix its quotes.") from None
