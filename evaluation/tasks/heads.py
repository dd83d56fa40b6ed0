"""Classification as in GLUE: the classifier is the model's linear head, trained with the model."""

from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from evaluation.data.folders import scored_splits
from evaluation.data.labelled import LabelledData
from evaluation.errors import UserError
from evaluation.models.linear_head import head_of
from evaluation.models.recording import RecordingEncoder, encode_plain
from evaluation.tasks.own import TESTED, OwnTask
from evaluation.tasks.own_types import OwnData, as_dataset, own_metadata

ENDING = "-head"


def head_task(labelled: LabelledData) -> OwnTask:
    """The task for models with a linear head.

    Raises:
        UserError: There is a train split only.
    """
    data = labelled.data
    scored = scored_splits(data)
    splits = tuple(split for split in TESTED if split in scored)
    if not splits:
        raise UserError(f"{data.name} has a train split only, but a head is tested on another one: add test.tsv.")
    return OwnTask(f"{data.name}{ENDING}", HeadClassification, data, splits)


class HeadClassification(OwnData, AbsTaskClassification):
    """Accuracy, F1 and Matthews correlation of a model's linear head.

    A model without a head, such as the start model, is scored by a logistic regression on its embeddings of the train
    split. With two classes F1 is that of the second label in sorted order, which is 1 in GLUE; with more it is the mean
    over the classes. Texts are encoded without a prompt, as a head is trained.
    """

    metadata = own_metadata("Classification", "accuracy", "t2c")
    also_reported = ("f1", "mcc")

    def read(self) -> DatasetDict:
        """Texts with the numbers of their labels."""
        return as_dataset(LabelledData(self.data).read())

    def _evaluate_subset(
        self, model: Any, data_split: Any, *, encode_kwargs: Any, hf_split: str, hf_subset: str, **kwargs: Any
    ) -> Any:
        encoder = cast(RecordingEncoder, model)
        rows, train = data_split[hf_split], data_split["train"]
        classes = max(train["label"]) + 1
        embeddings = encoder.encode_plain(list(rows["text"]), encode_kwargs["batch_size"])
        predicted = _classified(encoder.model, embeddings, train, classes, encode_kwargs["batch_size"])
        if folder := kwargs.get("prediction_folder"):
            self._save_task_predictions([predicted.tolist()], model, folder, hf_split=hf_split, hf_subset=hf_subset)
        gold = np.array(rows["label"])
        average = "binary" if classes == 2 else "macro"
        return {
            "accuracy": float(accuracy_score(gold, predicted)),
            "f1": float(f1_score(gold, predicted, average=average)),
            "mcc": float(matthews_corrcoef(gold, predicted)),
        }


def _classified(
    model: SentenceTransformer, embeddings: NDArray[np.float32], train: Dataset, classes: int, batch_size: int
) -> NDArray[np.int64]:
    head = head_of(model)
    if head is not None:
        if head.out_features != classes:
            raise UserError(f"The model's head has {head.out_features} classes and the data set {classes}.")
        with torch.no_grad():
            return head(torch.from_numpy(embeddings).to(head.weight)).argmax(dim=1).cpu().numpy()
    known = encode_plain(model, list(train["text"]), batch_size)
    return LogisticRegression(max_iter=1000).fit(known, train["label"]).predict(embeddings)
