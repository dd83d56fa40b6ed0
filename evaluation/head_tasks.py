"""Own data with labels as GLUE uses them: the classifier is the model's linear head, trained with the model."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from mteb._create_dataloaders import create_dataloader
from mteb.abstasks import AbsTaskClassification
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from evaluation.errors import UserError
from evaluation.folder_data import DataSet, data_sets, read_tables
from evaluation.folder_tasks import metadata_of, own_dataset, own_metadata
from evaluation.linear_head import head_of
from evaluation.parts import PARTS, take
from evaluation.recorded import RecordingEncoder
from evaluation.task_source import TaskSource

ENDING = "-head"
_LABELLED = ("pairs with labels", "texts with labels")
_TESTED = ("test", "validation")


@dataclass(frozen=True)
class LabelledData:
    """A data set of one's own with labels and a train split.

    Attributes:
        data: The data set.
    """

    data: DataSet

    @property
    def tested(self) -> tuple[str, ...]:
        """The splits on which a head can be evaluated, the usual one first."""
        return tuple(split for split in _TESTED if split in self.data.files)

    def read(self) -> dict[str, dict[str, list[Any]]]:
        """Each split as columns `text` and `label`: pairs joined by a line break, labels numbered in sorted order."""
        splits = read_tables(self.data)
        labels = sorted({label for rows in splits.values() for label in rows["label"]})
        numbers = {label: number for number, label in enumerate(labels)}
        if len(labels) < 2:
            raise UserError(f"{self.data.folder}: all labels are {labels[0]!r}; give at least two different ones.")
        return {
            split: {"text": _texts(rows), "label": [numbers[label] for label in rows["label"]]}
            for split, rows in splits.items()
        }

    def source(self, split: str) -> TaskSource:
        """How to make the task, on a split or on the part "tune" or "report" of the usual one.

        Raises:
            UserError: There is no such split.
        """
        if split and split not in (*self.tested, *PARTS):
            raise UserError(
                f"{self.data.name}{ENDING} has no split {split}: it has {', '.join(self.tested)}, and the parts tune "
                "and report."
            )
        name = f"{self.data.name}{ENDING}{':' if split else ''}{split}"
        return TaskSource(name, "Classification", partial(make_head_task, self, split), split)


def labelled_data(name: str, folders: tuple[Path, ...]) -> LabelledData | None:
    """Find the data set of a name in folders; None if there is none with labels, a train split and another one."""
    for folder in folders:
        for data in data_sets(folder):
            found = LabelledData(data)
            if data.name == name and data.kind in _LABELLED and "train" in data.files and found.tested:
                return found
    return None


def make_head_task(labelled: LabelledData, split: str) -> "HeadClassification":
    """Make a fresh mteb task.

    Args:
        labelled: The data.
        split: One of its splits, "tune" or "report"; empty for the usual split.
    """
    task = HeadClassification(labelled)
    if split in PARTS:
        return cast(HeadClassification, take(task, split))
    return cast(HeadClassification, task.filter_eval_splits([split])) if split else task


class HeadClassification(AbsTaskClassification):
    """Accuracy, F1 and Matthews correlation of a model's linear head.

    A model without a head, such as the start model, is scored by a logistic regression on its embeddings of the train
    split. With two classes F1 is that of the second label, as in GLUE, with more the mean over the classes.
    """

    metadata = own_metadata("Classification", "accuracy", "t2c")
    also_reported = ("f1", "mcc")

    def __init__(self, labelled: LabelledData) -> None:
        self.metadata = metadata_of(f"{labelled.data.name}{ENDING}", labelled.data, labelled.tested[0], self.metadata)
        super().__init__()
        self._labelled = labelled

    def load_data(self, *args: Any, **kwargs: Any) -> None:
        """Read the tables."""
        self.dataset = own_dataset(self._labelled.read())
        self.data_loaded = True

    def _evaluate_subset(
        self, model: Any, data_split: Any, *, encode_kwargs: Any, hf_split: str, hf_subset: str, **kwargs: Any
    ) -> Any:
        encoder = cast(RecordingEncoder, model)
        rows = data_split[hf_split]
        texts = create_dataloader(rows, task_metadata=self.metadata, input_column="text", **encode_kwargs)
        where: dict[str, Any] = {"hf_split": hf_split, "hf_subset": hf_subset}
        embeddings = np.asarray(encoder.encode(texts, task_metadata=self.metadata, **where, **encode_kwargs))
        predicted = _classified(encoder.model, embeddings, data_split["train"])
        if folder := kwargs.get("prediction_folder"):
            self._save_task_predictions([predicted.tolist()], model, folder, **where)
        gold = np.array(rows["label"])
        average = "binary" if len(set(data_split["train"]["label"])) == 2 else "macro"
        return {
            "accuracy": float(accuracy_score(gold, predicted)),
            "f1": float(f1_score(gold, predicted, average=average)),
            "mcc": float(matthews_corrcoef(gold, predicted)),
        }


def _classified(model: SentenceTransformer, embeddings: NDArray[np.float32], train: Dataset) -> NDArray[np.int64]:
    if head := head_of(model):
        with torch.no_grad():
            return head(torch.from_numpy(embeddings).to(head.weight)).argmax(dim=1).cpu().numpy()
    known = model.encode(list(train["text"]), convert_to_numpy=True, show_progress_bar=False)
    return LogisticRegression(max_iter=1000).fit(known, train["label"]).predict(embeddings)


def _texts(rows: dict[str, list[Any]]) -> list[str]:
    if "text" in rows:
        return rows["text"]
    return [f"{first}\n{second}" for first, second in zip(rows["sentence1"], rows["sentence2"], strict=True)]
