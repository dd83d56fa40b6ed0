"""MTEB tasks by name, and how each is made: afresh for every model, because an MTEB task remembers its last run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import mteb
from huggingface_hub import constants
from mteb.abstasks import AbsTask

from evaluation.data import Corpus
from evaluation.docstring_tasks import DOCSTRING_TASKS
from evaluation.errors import UserError
from evaluation.files import file_name
from evaluation.hub import hub_reachable


@dataclass(frozen=True)
class TaskSource:
    """A task's name and how to make a fresh instance of it.

    A second run of one instance draws other clusters and, after its data was unloaded, asks the hub; so nobody holds
    an instance for longer than one evaluation.

    Attributes:
        name: Name that is shown, such as "STSBenchmark:validation"; no other task of a run has it.
        type: MTEB's task type, such as "STS".
        make: Makes a fresh instance; can be pickled, for worker processes.
        part: What of the task is taken, such as "validation"; empty for all of it, as mteb defines it.
    """

    name: str
    type: str
    make: Callable[[], AbsTask]
    part: str = ""

    @property
    def file(self) -> str:
        """The name as a harmless file name, without an ending."""
        return file_name(self.name)


def docstring_tasks(corpus: Corpus) -> list[TaskSource]:
    """The three tasks of the held-out docstrings."""
    return [TaskSource(kind.metadata.name, kind.metadata.type, partial(kind, corpus)) for kind in DOCSTRING_TASKS]


def named_tasks(names: Sequence[str], mirror: Path | None = None) -> list[TaskSource]:
    """The unmodified MTEB tasks of these names.

    Args:
        names: Names of MTEB tasks.
        mirror: Folder laid out as on the hub (`<mirror>/mteb/stsbenchmark-sts/...`); without it data come from the hub.

    Raises:
        UserError: For an unknown name, data that the mirror lacks, or a hub that cannot be reached.
    """
    kinds = [_task_class(name) for name in names]
    if mirror is None:
        _check_hub(names)
        return [TaskSource(kind.metadata.name, kind.metadata.type, kind) for kind in kinds]
    for kind in kinds:
        _check_mirrored(kind, mirror)
    return [TaskSource(kind.metadata.name, kind.metadata.type, partial(_from_mirror, kind, mirror)) for kind in kinds]


def _from_mirror(kind: type[AbsTask], mirror: Path) -> AbsTask:
    task = kind()
    path = str(mirror / task.metadata.dataset["path"])
    task.metadata = task.metadata.model_copy(update={"dataset": {**task.metadata.dataset, "path": path}})
    return task


def _task_class(name: str) -> type[AbsTask]:
    try:
        return type(mteb.get_task(name))
    except KeyError:
        known = [task.metadata.name for task in mteb.get_tasks()]
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"near names are {', '.join(near)}" if near else f"there are {len(known)}, none of a similar name"
        raise UserError(f"There is no MTEB task {name!r}; {hint}.") from None


def _check_mirrored(kind: type[AbsTask], mirror: Path) -> None:
    path = kind.metadata.dataset["path"]
    if not (mirror / path).is_dir():
        raise UserError(
            f"The mirror {mirror} has no folder {path} for the task {kind.metadata.name}; "
            "add it, laid out as on the hub, or leave --mirror out to use the hub."
        )


def _check_hub(names: Sequence[str]) -> None:
    if not (hub_reachable() or constants.is_offline_mode()):
        raise UserError(
            f"The data of {', '.join(names)} are on the hub, and {constants.ENDPOINT} cannot be reached; give a local "
            "copy with --mirror DIR, or set HF_HUB_OFFLINE=1 if the hub's cache holds them."
        )
