"""Data sets with labels and a train split, as a linear head is trained and tested on them."""

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.data.folders import DataSet, read_tables
from evaluation.data.rows import HIDDEN, Rows
from evaluation.errors import UserError

_KINDS = ("pairs with labels", "texts with labels")


@dataclass(frozen=True)
class LabelledData:
    """A data set with labels and a train split.

    Attributes:
        data: The data set.
    """

    data: DataSet

    def read(self) -> dict[str, Rows]:
        """Read every split as columns `text` and `label`: pairs joined by a line break, labels numbered when sorted.

        Raises:
            UserError: All labels of the train split are alike or hidden, or another split has a further label.
        """
        splits = read_tables(self.data)
        if "train" not in splits:
            raise UserError(f"{self.data.files['train']}: all labels are {HIDDEN}, so a head has nothing to learn.")
        labels = sorted(set(splits["train"]["label"]))
        if len(labels) < 2:
            raise UserError(
                f"{self.data.files['train']}: all labels are {labels[0]!r}; give at least two different ones."
            )
        for split, rows in splits.items():
            if unknown := sorted(set(rows["label"]) - set(labels)):
                raise UserError(
                    f"{self.data.files[split]} has labels that are not in train: {', '.join(map(str, unknown))}; a "
                    "head cannot learn them, so remove their rows or add some to train."
                )
        return {
            split: {"text": _joined_texts(rows), "label": rows["label"]}
            for split, rows in number_labels(splits).items()
        }


def find_labelled(name: str, data_sets: Iterable[DataSet]) -> LabelledData | None:
    """Find the data set of a name; None if there is none with labels and a train split."""
    for data in data_sets:
        if data.name == name and data.kind in _KINDS and "train" in data.files:
            return LabelledData(data)
    return None


def number_labels(splits: dict[str, Rows]) -> dict[str, Rows]:
    """Replace labels by their numbers in the sorted order of the labels of all splits."""
    labels = sorted({label for rows in splits.values() for label in rows["label"]})
    numbers = {label: number for number, label in enumerate(labels)}
    return {split: {**rows, "label": [numbers[label] for label in rows["label"]]} for split, rows in splits.items()}


def _joined_texts(rows: Rows) -> list[str]:
    if "text" in rows:
        return rows["text"]
    return [f"{first}\n{second}" for first, second in zip(rows["sentence1"], rows["sentence2"], strict=True)]
