"""Tasks that data sets on disk serve for: retrieval, STS, pair classification, classification, clustering."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from mteb.abstasks import AbsTask
from mteb.abstasks.task_metadata import TaskType

from evaluation.data.folders import BEIR, DataSet, data_sets, scored_splits
from evaluation.errors import UserError
from evaluation.tasks.own_types import (
    OwnClassification,
    OwnClustering,
    OwnData,
    OwnPairClassification,
    OwnRetrieval,
    OwnSTS,
)
from evaluation.tasks.source import TaskSource
from evaluation.tasks.tune_report import PARTS, take_part

TESTED = ("test", "validation")  # which split is evaluated, if it is there


@dataclass(frozen=True)
class OwnTask:
    """A task that a data set on disk serves for.

    Attributes:
        name: The data set's name, with "-clustering" or "-head" behind it for these.
        kind: The class of the mteb task.
        data: The data set.
        splits: The splits on which it can be evaluated, the usual one first.
        note: What a reader must know, in one sentence; mostly empty.
    """

    name: str
    kind: type[OwnData]
    data: DataSet
    splits: tuple[str, ...]
    note: str = ""

    @property
    def type(self) -> TaskType:
        """MTEB's task type."""
        return self.kind.metadata.type

    def source(self, split: str = "") -> TaskSource:
        """How to make the task, on a split or on the part "tune" or "report" of the usual one.

        Raises:
            UserError: There is no such split.
        """
        if split and split not in (*self.splits, *PARTS):
            raise UserError(
                f"{self.name} in {self.data.folder} has no split {split}: "
                f"it has {', '.join(self.splits)}, and the parts tune and report."
            )
        part = "" if split == self.splits[0] else split  # one name for one task
        name = f"{self.name}:{part}" if part else self.name
        return TaskSource(name, self.type, partial(make_own_task, self, part), part, self.note)


def folder_tasks(folders: Sequence[Path], specs: Sequence[str] = ()) -> dict[str, OwnTask]:
    """Find the tasks in folders, by name.

    Args:
        folders: Each a data set or a folder of them, see `evaluation.data.folders`. A BEIR folder serves for retrieval,
            pairs with scores for STS, pairs with labels for pair classification, texts with labels for clustering and,
            with a train split beside the others, for classification.
        specs: What the user names; a table that cannot be used raises an error if it is named, or if nothing is.

    Raises:
        UserError: A folder has no data set or an incomplete one, or two data sets have one name.
    """
    found: dict[str, OwnTask] = {}
    for folder in folders:
        for task in [task for data in data_sets(folder) for task in _usable(data, specs)]:
            if task.name in found:
                raise UserError(
                    f"{found[task.name].data.folder} and {task.data.folder} both hold a data set {task.name}: "
                    "rename one of them."
                )
            found[task.name] = task
    return found


def make_own_task(own: OwnTask, split: str) -> AbsTask:
    """Make a fresh mteb task of a data set on disk.

    Args:
        own: The task.
        split: One of its splits, "tune" or "report"; empty for the usual split.
    """
    task = cast(AbsTask, own.kind(own.name, own.data, own.splits[0]))
    if split in PARTS:
        return take_part(task, split)
    return task.filter_eval_splits([split]) if split else task


def _usable(data: DataSet, specs: Sequence[str]) -> list[OwnTask]:
    try:
        return _tasks(data)
    except UserError:
        if not specs or any(spec.startswith(data.name) for spec in specs):
            raise
        return []


def _tasks(data: DataSet) -> list[OwnTask]:
    """What a data set serves for."""
    splits = tuple(sorted(scored_splits(data), key=lambda split: (split not in TESTED, split == "train", split)))
    used = "" if splits[0] in TESTED else f"{data.name} is evaluated on its split {splits[0]}."
    if data.kind == BEIR:
        return [OwnTask(data.name, OwnRetrieval, data, splits, used)]
    if data.kind == "pairs with scores":
        return [OwnTask(data.name, OwnSTS, data, splits, used)]
    if data.kind == "pairs with labels":
        return [OwnTask(data.name, OwnPairClassification, data, splits, used)]
    tested = tuple(split for split in splits if split != "train")
    clustering = f"{data.name}-clustering"
    if "train" in splits and tested:
        return [
            OwnTask(data.name, OwnClassification, data, tested),
            OwnTask(clustering, OwnClustering, data, splits),
        ]
    note = f"{data.name} is clustered only, because classification needs a file train beside another split."
    return [OwnTask(clustering, OwnClustering, data, splits, f"{note} {used}".strip())]
