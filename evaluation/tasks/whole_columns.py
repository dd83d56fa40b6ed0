"""Data sets that give a column as a list: mteb's classifiers ask it for one label after another, a million times."""

from typing import Any

from datasets import Dataset

from evaluation.tasks.split_rows import Splits


class WholeColumns(Dataset):
    """A data set whose columns are read whole, not row by row; the values are the same."""

    def __getitem__(self, key: Any) -> Any:
        """A column as a list, or rows as those of any data set."""
        found = super().__getitem__(key)
        return found[:] if isinstance(key, str) else found

    def select(self, *args: Any, **kwargs: Any) -> Dataset:
        """Some of the rows, whose columns are read whole, too."""
        return _with_whole_columns(super().select(*args, **kwargs))


def read_columns_whole(splits: Splits) -> None:
    """Let the splits of a loaded task give their columns as lists; what is no data set stays as it is."""
    for name, rows in splits.items():
        if isinstance(rows, Dataset):
            splits[name] = _with_whole_columns(rows)


def _with_whole_columns(rows: Dataset) -> WholeColumns:
    return WholeColumns(rows.data, rows.info, rows.split, rows._indices, rows._fingerprint)
