"""Files in other formats than text and tables of text, by their names, and how to convert them."""

from collections.abc import Sequence
from pathlib import Path

_READERS = {
    ".jsonl": "pandas.read_json({0!r}, lines=True)",
    ".ndjson": "pandas.read_json({0!r}, lines=True)",
    ".json": "pandas.read_json({0!r})",
    ".parquet": "pandas.read_parquet({0!r})",
    ".arrow": "datasets.Dataset.from_file({0!r}).to_pandas()",
    ".feather": "pandas.read_feather({0!r})",
    ".xlsx": "pandas.read_excel({0!r})",
    ".xls": "pandas.read_excel({0!r})",
}


def reader_of(path: Path) -> str | None:
    """The expression that reads a file of another format as a data frame; None for text and tables of text.

    Examples:
        >>> reader_of(Path("data/train.parquet")), reader_of(Path("train.tsv.gz"))
        ("pandas.read_parquet('train.parquet')", None)
    """
    name = path.name.lower().removesuffix(".gz")
    reader = _READERS.get(Path(name).suffix)
    return None if reader is None else reader.format(path.name)


def check_is_table(path: Path) -> None:
    """Raise a `ValueError` that says how to convert it for a file of another format than tables of text."""
    if reader := reader_of(path):
        raise ValueError(f"{path} is no tab-separated table: convert it, as by {to_table(reader, path)}.")


def to_table(reader: str, path: Path, name: str = "") -> str:
    """The expression that writes what a reader reads as a tab-separated table, beside the file.

    Quotes are no marks there, and white space within texts, which would break lines and cells, becomes a space.
    """
    table = f"{name or path.name.partition('.')[0]}.tsv"
    return rf"{reader}.replace(r'\s+', ' ', regex=True).to_csv({table!r}, sep='\t', index=False, quoting=3)"


def check_is_text(path: Path) -> None:
    """Raise a `ValueError` that says how to convert it for a file that is named as a table."""
    name = path.name.lower().removesuffix(".gz")
    reader = f"pandas.read_csv({path.name!r})" if name.endswith(".csv") else reader_of(path)
    if reader:
        text = f"{path.name.partition('.')[0]}.txt"
        raise ValueError(
            f"{path} is no file with a text in each line: write its column of texts to one, as by "
            f"pathlib.Path({text!r}).write_text('\\n'.join({reader}['text'].str.split().str.join(' ')))."
        )


def check_lines_are_texts(source: str, lines: Sequence[str]) -> None:
    """Raise a `ValueError` where the lines are those of a table or JSON objects, whatever the file is called."""
    tabs = {line.count("\t") for line in lines}
    if len(lines) > 1 and len(tabs) == 1 and 0 not in tabs:
        raise ValueError(
            f"{source} has {tabs.pop() + 1} columns in each line, separated by tabs; keep the column of texts alone, "
            "as by `cut -f2`."
        )
    if len(lines) > 1 and all(line.startswith('{"') and line.endswith("}") for line in lines):
        raise ValueError(f"{source} has a JSON object in each line; write the texts alone, one in each line.")
