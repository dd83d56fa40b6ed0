"""Data sets in a folder: which there are, of which kind, and with which splits.

A BEIR folder holds `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`. Tables are tab-separated with a header,
whatever the extension, and quotes are not special. The files `train`, `validation` (or `valid`, `val`,
`dev`) and `test` of a folder are the splits of one data set with the folder's name, and so is a file `all` or `data`
where there are none of them; any other file is a data set with its own name. Every file may be gzipped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evaluation.data.layouts import check_formats, check_one_fold, other_separator
from evaluation.data.rows import (
    COLUMNS,
    HIDDEN_AS,
    Grades,
    Rows,
    canonical_header,
    json_rows,
    numbered_cells,
    read_grades,
    table_header,
    table_rows,
)
from evaluation.errors import UserError
from evaluation.files import files_hash

SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
NAMELESS = ("all", "data")  # a file so called has the name of its folder
TABLES = (".tsv", ".csv", ".tsv.gz", ".csv.gz")
BEIR = "BEIR folder"
TEXTS = "texts with labels"
PAIR_COLUMNS = ("anchor", "positive")
# Columns that, beside a text, make a pair of it, as in GLUE's QNLI.
PARTNERS = (
    "question",
    "question1",
    "question2",
    "premise",
    "hypothesis",
    "sentence1",
    "sentence2",
    "text2",
    "text_pair",
)


@dataclass(frozen=True)
class DataSet:
    """A data set in a folder; its rows are read when they are needed.

    Attributes:
        name: The folder's or file's name.
        folder: Where it is.
        files: The file of each split.
        revision: Hash of the files' content.
    """

    name: str
    folder: Path
    files: dict[str, Path]
    revision: str

    @cached_property
    def kind(self) -> str:
        """`BEIR`, or a key of `COLUMNS`.

        Raises:
            UserError: A file of a BEIR folder is missing, the columns of a table fit no kind, or those of two splits
                differ.
        """
        if not _is_beir(self.folder):
            return _kind(list(self.files.values()))
        for name in ("corpus", "queries"):
            beir_file(self.folder, name)
        if not self.files:
            raise UserError(
                f"{self.folder} has no qrels/<split>.tsv with the relevant documents, such as qrels/test.tsv."
            )
        return BEIR


@dataclass(frozen=True)
class BeirData:
    """The rows of a BEIR folder.

    Attributes:
        corpus: Columns `id`, `title` and `text`.
        queries: Columns `id` and `text`.
        grades: By split, of these queries.
        unknown: Further queries that have grades and no text.
    """

    corpus: Rows
    queries: Rows
    grades: dict[str, Grades]
    unknown: set[str]


def data_sets(folder: Path) -> list[DataSet]:
    """Find the data sets in a folder and, unless it is a BEIR folder, in its subfolders.

    A subfolder that holds none is searched one level deeper, as where an archive was unpacked into a folder.

    Raises:
        UserError: There is no data set, or two files would be the same one.
    """
    if not folder.is_dir():
        wrong = f"{folder} is a file" if folder.exists() else f"There is no folder {folder}"
        raise UserError(f"{wrong}: name a folder with --folder.")
    found = _in_folder(folder)
    if not _is_beir(folder):
        found += [data for child in _subfolders(folder) for data in _in_folder(child) or _one_deeper(child)]
    if not found:
        raise UserError(
            f"The folder {folder} holds no data set: give a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), "
            f"tab-separated files with the columns {_kinds_of_tables()}, or a folder of such folders."
        )
    return found


def _one_deeper(folder: Path) -> list[DataSet]:
    return [data for child in _subfolders(folder) for data in _in_folder(child)]


def _subfolders(folder: Path) -> list[Path]:
    return [child for child in sorted(folder.iterdir()) if child.is_dir() and not child.name.startswith(".")]


def read_beir(data: DataSet, splits: Iterable[str]) -> BeirData:
    """Read a BEIR folder, with the grades of some splits.

    Raises:
        UserError: A line is broken, an id repeats, or nothing known is relevant.
    """
    _check_unchanged(data)
    corpus = json_rows(beir_file(data.folder, "corpus"), ("title", "text"))
    queries = json_rows(beir_file(data.folder, "queries"), ("text",))
    query_ids, document_ids = set(queries["id"]), set(corpus["id"])
    in_files = {split: read_grades(data.files[split], query_ids, document_ids) for split in splits}
    known = {
        split: {query: documents for query, documents in grades.items() if query in query_ids}
        for split, grades in in_files.items()
    }
    return BeirData(corpus, queries, known, {query for grades in in_files.values() for query in grades} - query_ids)


def read_tables(data: DataSet) -> dict[str, Rows]:
    """Read the splits of a table; scores become numbers. A split whose labels or scores are unknown is left out.

    Raises:
        UserError: A line has the wrong number of cells, or a score or label is not valid.
    """
    _check_unchanged(data)
    known = [split for split, path in data.files.items() if not _is_hidden(path, data.kind)]
    return {split: table_rows(data.files[split], data.kind) for split in known}


def scored_splits(data: DataSet) -> list[str]:
    """The splits whose labels or scores are known; all splits where none are, as reading them then raises an error."""
    if data.kind == BEIR:
        return list(data.files)
    return [split for split, path in data.files.items() if not _is_hidden(path, data.kind)] or list(data.files)


def _is_hidden(path: Path, kind: str) -> bool:
    """Whether a table has no label or score, or rows whose labels or scores are all hidden, as GLUE's test files."""
    rows = numbered_cells(path)
    header = canonical_header(next(rows, (1, []))[1])
    target = COLUMNS[kind][-1]
    if target not in header:
        return True
    place = header.index(target)
    known = (cells[place].strip() not in HIDDEN_AS if place < len(cells) else True for _, cells in rows)
    return not next(known, True) and not any(known)


def _in_folder(folder: Path) -> list[DataSet]:
    """The data sets that lie directly in a folder."""
    if _is_beir(folder):
        qrels = tables_in(folder / "qrels")
        files = [*_present(folder, "corpus"), *_present(folder, "queries"), *qrels.values()]
        return [DataSet(folder_name(folder), folder, qrels, _revision(files))]
    tables = tables_in(folder)
    check_formats(folder, tables, SPLITS)
    splits = _splits(folder, tables)
    name = folder_name(folder)
    if splits and name in tables and tables[name] not in splits.values():
        raise UserError(
            f"{tables[name]} and the splits beside it would both be the data set {name}: rename the file or the folder."
        )
    groups = {name: splits} if splits else {}
    groups |= {stem: {"test": path} for stem, path in tables.items() if path not in splits.values()}
    return [DataSet(name, folder, files, _revision(files.values())) for name, files in groups.items()]


def _splits(folder: Path, tables: dict[str, Path]) -> dict[str, Path]:
    """The tables that are splits of the data set with the folder's name."""
    splits: dict[str, Path] = {}
    for stem, path in tables.items():
        if stem in SPLITS and splits.setdefault(SPLITS[stem], path) != path:
            raise UserError(f"{splits[SPLITS[stem]]} and {path} are both the {SPLITS[stem]} split: remove one.")
    nameless = [] if splits else [tables[stem] for stem in NAMELESS if stem in tables]
    if len(nameless) > 1:
        both = " and ".join(map(str, nameless))
        raise UserError(f"{both} would both be the data set {folder_name(folder)}: remove or rename one.")
    return splits or ({"test": nameless[0]} if nameless else {})


def folder_name(folder: Path) -> str:
    """The folder's own name, that of a link and not of what it leads to."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _is_beir(folder: Path) -> bool:
    return any(_present(folder, name) for name in ("corpus", "queries"))


def tables_in(folder: Path) -> dict[str, Path]:
    """The tables in a folder by name.

    Raises:
        UserError: Two tables would be the same data set, such as one beside a gzipped one of the same name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        ending = next((ending for ending in TABLES if path.name.lower().endswith(ending)), None)
        if ending is None or path.name.startswith(".") or not path.is_file():
            continue
        other = found.setdefault(name := path.name[: -len(ending)], path)
        if other != path:
            raise UserError(f"{other} and {path} would both be the data set {name}: remove or rename one.")
    return found


def _present(folder: Path, name: str) -> list[Path]:
    return [path for ending in (".jsonl", ".jsonl.gz") if (path := folder / f"{name}{ending}").is_file()]


def beir_file(folder: Path, name: str) -> Path:
    """The file of the corpus or the queries of a BEIR folder.

    Raises:
        UserError: There is none, or there are two.
    """
    present = _present(folder, name)
    if len(present) > 1:
        raise UserError(f"{present[0]} and {present[1]} would both be the {name} of {folder.name}: remove one.")
    if not present:
        raise UserError(f"{folder} has no {name}.jsonl (or {name}.jsonl.gz), which a BEIR folder needs: add it.")
    return present[0]


def _kind(files: list[Path]) -> str:
    """The kind of table that all files are; GLUE's test files may lack the label that the others have."""
    headers = {path: table_header(path) for path in files}
    for path in files:
        check_one_fold(path, numbered_cells(path))
    kinds = {path: _kind_of(path, header) for path, header in headers.items() if not _is_unlabelled(header, headers)}
    first, kind = next(iter(kinds.items()))
    for path, other in kinds.items():
        if other != kind:
            raise UserError(f"{first} holds {kind} and {path} {other}: give all splits of a data set the same columns.")
    return kind


def _is_unlabelled(header: list[str], others: dict[Path, list[str]]) -> bool:
    """Whether a table of no kind would be one with the last column, which another table has."""
    if any(_has(header, columns) for columns in COLUMNS.values()):
        return False
    return any(
        _has(header, columns[:-1]) and any(_has(other, columns) for other in others.values())
        for columns in COLUMNS.values()
    )


def _has(header: list[str], columns: Sequence[str]) -> bool:
    return set(columns) <= set(canonical_header(header))


def _kind_of(path: Path, header: list[str]) -> str:
    for kind, columns in COLUMNS.items():
        if _has(header, columns):
            if twice := [name for name in columns if canonical_header(header).count(name) > 1]:
                raise UserError(
                    f"{path}, line 1: {', '.join(header)} give the {twice[0]} twice; remove one column (sentence is "
                    "another name for text)."
                )
            if kind == TEXTS and (others := [name for name in header if name in PARTNERS]):
                raise UserError(
                    f"{path}, line 1: beside text there is {others[0]}, so these are pairs: call the two columns "
                    "sentence1 and sentence2, with the label 1 where both mean the same or the first entails the "
                    "second and 0 otherwise, or remove the column that does not belong."
                )
            return kind
    columns = f"{path}, line 1: the columns are {', '.join(header)}"
    if set(PAIR_COLUMNS) <= set(header):
        raise UserError(f"{columns}, so these are training pairs, not a task: name their folder with --pairs.")
    if found := other_separator(path, header, COLUMNS.values()):
        raise UserError(found)
    raise UserError(f"{columns}; give a header with {_kinds_of_tables()}, separated by tabs.")


def _kinds_of_tables() -> str:
    return " or ".join(", ".join(columns) for columns in COLUMNS.values())


def _revision(files: Iterable[Path]) -> str:
    return files_hash({path.name: path for path in files})


def _check_unchanged(data: DataSet) -> None:
    tables = list(data.files.values())
    beir = [beir_file(data.folder, name) for name in ("corpus", "queries")] if data.kind == BEIR else []
    if _revision([*beir, *tables]) != data.revision:
        raise UserError(f"The data in {data.folder} changed during the run: start again in a new run directory.")
