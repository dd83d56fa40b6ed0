"""How to make a task afresh for every model, because an MTEB task keeps the state of its last run."""

from collections.abc import Callable
from dataclasses import dataclass

from mteb.abstasks import AbsTask

from evaluation.files import file_name


@dataclass(frozen=True)
class TaskSource:
    """A task's name and how to make a fresh instance of it.

    A second run of one instance draws other clusters and, after its data were unloaded, asks the hub; so no instance is
    used for more than one evaluation.

    Attributes:
        name: Name that is shown, such as "STSBenchmark:validation"; no other task of a run has it.
        type: MTEB's task type, such as "STS".
        make: Makes a fresh instance; can be pickled, for worker processes.
        part: What of the task is taken, such as "validation"; empty for all of it, as mteb defines it.
        note: What a reader must know about the task, in one sentence; mostly empty.
        left_out: A hash of the rows that are left out of it, because another task reports on them; mostly empty.
    """

    name: str
    type: str
    make: Callable[[], AbsTask]
    part: str = ""
    note: str = ""
    left_out: str = ""

    @property
    def file(self) -> str:
        """The name as a harmless file name, without an ending."""
        return file_name(self.name)
