"""One cell of a study, run in any process: train a model if it is a trained one, measure it, keep the numbers.

A cell's folder is named by a hash of everything that determines it, so that a study can be changed or extended in the
same run directory and no cell is ever taken for another.
"""

import copy
import inspect
import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_from_disk
from sentence_transformers import SentenceTransformer

from evaluation.errors import UserError
from evaluation.files import delete_folder, file_name, read_json, read_record, short_hash, write_record
from evaluation.measure.measure import MEASURES, measure
from evaluation.measure.norms import SCORING
from evaluation.measure.scores import BATCH_SIZE
from evaluation.measured import Failure, Measured
from evaluation.models.load import fingerprint, load_model, load_start_model
from evaluation.processes import one_thread, quiet
from evaluation.run_directory import peak_memory
from evaluation.tasks.mteb import identity
from evaluation.tasks.resolve import TaskSource
from evaluation.train.catalog import POSTHOC
from evaluation.train.columns import texts_of
from evaluation.train.training import Recipe, Term, train
from st_isotropy import posthoc
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

VALIDATION, TEST = "validation", "test"
FITTED_ON = 10_000  # training texts that a post-hoc transform is fitted on, at most; drawn from all columns


@dataclass(frozen=True)
class Measuring:
    """What is measured of every model of a phase.

    Attributes:
        phase: "validation" or "test".
        tasks: The tasks.
        identities: What determines each task's data, by `evaluation.tasks.mteb.identity`.
        isotropy_of: Name of the task whose texts the isotropy is measured on.
        indexes: Indexes of the FAISS check.
        index_seeds: Index seeds to average over.
        batch_size: Texts per forward pass; embeddings differ by rounding at most.
    """

    phase: str
    tasks: tuple[TaskSource, ...]
    identities: tuple[str, ...]
    isotropy_of: str
    indexes: tuple[str, ...]
    index_seeds: int
    batch_size: int = field(default=BATCH_SIZE, compare=False)

    @property
    def key(self) -> str:
        """Hash of all of it."""
        names = [task.name for task in self.tasks]
        return short_hash([names, self.identities, self.isotropy_of, self.indexes, self.index_seeds, MEASURES, SCORING])


@dataclass(frozen=True)
class Training:
    """What a trained model comes from, besides its start model.

    Attributes:
        pairs: Folder of the training pairs.
        pairs_hash: Hash of their content.
        recipe: How to train.
        term: The regularizer; None for the objective alone.
        seed: Seed of batch order and dropout.
    """

    pairs: Path = field(compare=False)
    pairs_hash: str
    recipe: Recipe
    term: Term | None
    seed: int

    @property
    def content(self) -> list[Any]:
        """Everything that determines the trained model, besides its start model."""
        # What is None was no field once: cells of before keep their names.
        recipe = {name: value for name, value in asdict(self.recipe).items() if value is not None}
        return [self.pairs_hash, recipe, self.term and asdict(self.term), self.seed]


@dataclass(frozen=True)
class Fitted:
    """A post-hoc transform that is fitted on training texts and appended.

    Attributes:
        transform: Its name.
        pairs: Folder of the training pairs.
        pairs_hash: Hash of their content.
    """

    transform: str
    pairs: Path = field(compare=False)
    pairs_hash: str

    @property
    def content(self) -> list[Any]:
        """Everything that determines the transform, besides the model that it is fitted to."""
        return [self.transform, repr(POSTHOC[self.transform]), posthoc_code(), FITTED_ON, self.pairs_hash]


@dataclass(frozen=True)
class Cell:
    """One model and what is measured of it.

    Attributes:
        label: What a progress display and an error call it.
        model: Name of the start model.
        fingerprint: Hash of the start model.
        training: How it is trained; None for the start model itself.
        posthoc: The transform that is appended; None for none.
        measuring: What is measured.
        root: The run directory.
        reference: The model whose embeddings decide the settings of the indexes; None for that model itself.
        as_it_is: Whether the model keeps its precision; a study's start model is float32, as its training is.
        loading: How the start model is loaded; where and with whose leave does not change what is measured.
    """

    label: str = field(compare=False)
    model: str
    fingerprint: str
    training: Training | None
    posthoc: Fitted | None
    measuring: Measuring = field(compare=False)
    root: Path = field(compare=False)
    reference: "Cell | None" = field(default=None, compare=False)
    as_it_is: bool = False
    loading: Loading = AS_SAVED

    @property
    def folder(self) -> Path:
        """The folder of this model, with what was measured of it."""
        content = [
            self.fingerprint,
            self.training and self.training.content,
            self.posthoc and self.posthoc.content,
        ]
        # As saved, and of the main branch, was the only way once: cells of before keep their names.
        content += [self.loading.named] if self.loading.named else []
        return self.root / "cells" / f"{file_name(self.label)}-{short_hash(content)}"

    @property
    def name(self) -> str:
        """What an error calls it."""
        return self.label if self.training or self.posthoc else f"{self.label} ({self.model})"

    @property
    def trained(self) -> Path:
        """The folder of the trained model, which cells share that differ in a post-hoc transform."""
        assert self.training is not None
        return self.root / "models" / short_hash([self.fingerprint, self.training.content])

    @property
    def measured(self) -> Path:
        """The folder of scores and embeddings; other tasks or data of the same names have another one."""
        return self.folder / f"{self.measuring.phase}-{self.measuring.key}"

    @property
    def path(self) -> Path:
        """The file that is there when the cell is finished."""
        return self.measured.with_name(f"{self.measured.name}.json")

    def finished(self) -> bool:
        """Whether everything was measured; a cell in which a task failed is tried again."""
        if self.reference is None and not self.measured.exists():  # others read the settings of the indexes there
            return False
        return self.path.exists() and not self.read().failures

    def read(self) -> Measured:
        """What was measured."""
        return read_record(self.path, Measured)


def run_cell(cell: Cell, alone: bool) -> float:
    """Train and measure a cell.

    What was measured is in the cell's file. A training that fails is recorded there as the one failure.

    Args:
        cell: The cell.
        alone: Whether nothing else runs meanwhile, so that it takes all threads and shows its progress; else it takes
            one, so that its numbers do not depend on how many run at once.

    Returns:
        Peak memory of the process in GiB.
    """
    began = time.perf_counter()
    with nullcontext() if alone else one_thread(), quiet():
        try:
            _check_data(cell.measuring)
            model = _model(cell)
            log = _training_log(cell)  # now: an equal training of another cell deletes the model when it is measured
        except UserError as error:
            write_record(cell.path, Measured(failures=[Failure("", str(error))]))
            return peak_memory()
        measured = measure(
            model,
            cell.folder.name,
            cell.measuring.tasks,
            cell.measured,
            isotropy_of=cell.measuring.isotropy_of,
            indexes=cell.measuring.indexes,
            start=None if cell.reference is None else cell.reference.measured,
            index_seeds=range(cell.measuring.index_seeds),
            batch_size=cell.measuring.batch_size,
            norms=_reference_norms(cell),
            show_progress=alone or (cell.as_it_is and not sys.stdout.isatty()),  # bars of two cells would tear
        )
        write_record(cell.path, replace(measured, training=log, seconds=time.perf_counter() - began))
    if not measured.failures:  # else the next run goes on here
        _discard(cell)
    return peak_memory()


def _reference_norms(cell: Cell) -> dict[str, float]:
    """The norms at which classification is scored: those of the reference."""
    if cell.reference is None:
        return {}
    return {task.task: task.norm for task in cell.reference.read().tasks if task.norm is not None}


def missing_parts(cells: Iterable[Cell], measured: Iterable[Measured]) -> list[str]:
    """A sentence for each failure of some cells."""
    return [
        f"{cell.name}: {failure.reason}" for cell, run in zip(cells, measured, strict=True) for failure in run.failures
    ]


def _check_data(measuring: Measuring) -> None:
    """Refuse data other than those that name the cell; a worker may have others than the machine of the study."""
    for task, expected in zip(measuring.tasks, measuring.identities, strict=True):
        if (found := identity(task)) != expected:
            raise UserError(
                f"The data of {task.name} are {found} here and {expected} where the study was started: give every "
                "machine the same, or start again in a new run directory."
            )


def _model(cell: Cell) -> SentenceTransformer:
    start = _start_model(cell)
    if cell.training is None:
        model = start
    else:
        training = cell.training
        pairs = saved_pairs(training.pairs)
        model = train(
            start,
            pairs,
            training.recipe,
            training.term,
            training.seed,
            cell.trained,
            show_progress=False,
            trust_remote_code=cell.loading.trust_remote_code,
        )
    if cell.posthoc:
        model = copy.deepcopy(model)
        transform, texts = POSTHOC[cell.posthoc.transform], _some_texts(saved_pairs(cell.posthoc.pairs))
        try:
            model.append(transform.fit(model, texts))
        except ValueError as error:  # too few texts for so many dimensions
            raise UserError(
                f"The transform {cell.posthoc.transform} cannot be fitted on the training texts: {error}"
            ) from error
    return model


def _some_texts(pairs: Dataset) -> list[str]:
    """The distinct texts of all columns, or a seeded draw of `FITTED_ON` of them."""
    distinct = list(dict.fromkeys(texts_of(pairs)))
    drawn = np.random.default_rng(0).permutation(len(distinct))[:FITTED_ON]
    return [distinct[place] for place in sorted(drawn)]


def _start_model(cell: Cell) -> SentenceTransformer:
    """Load a start model; a worker may outlive a change of it, or have other files than the machine of the study."""
    model, found = start_model(cell.model, cell.as_it_is, cell.loading)
    if found != cell.fingerprint:  # it changed since this process loaded it, or the other machine has another
        start_model.cache_clear()
        model, found = start_model(cell.model, cell.as_it_is, cell.loading)
    if found != cell.fingerprint:
        raise UserError(f"The model {cell.model} is {found} here and {cell.fingerprint} where the run was started.")
    return model


@lru_cache(maxsize=2)
def start_model(name: str, as_it_is: bool, loading: Loading = AS_SAVED) -> tuple[SentenceTransformer, str]:
    """Load a model, with its fingerprint.

    Args:
        name: Its name.
        as_it_is: Whether it keeps its precision.
        loading: How it is loaded.
    """
    model = (load_model if as_it_is else load_start_model)(name, loading)
    return model, fingerprint(model)


@lru_cache
def posthoc_code() -> str:
    """Hash of the code of the transforms, so that no cell has the result of another version of them."""
    return short_hash(inspect.getsource(posthoc))


@lru_cache(maxsize=2)
def saved_pairs(folder: Path) -> Dataset:
    """The training pairs that a study saved."""
    pairs = load_from_disk(str(folder), keep_in_memory=True)
    assert isinstance(pairs, Dataset)  # written by us
    return pairs


def _training_log(cell: Cell) -> dict[str, list[tuple[float, float]]]:
    """The logged terms of the loss over the steps."""
    if cell.training is None:
        return {}
    steps = read_json(cell.trained / "log.json")["steps"]
    names = [name for name in steps[0] if name == "loss" or name.endswith("_loss")]
    return {name: [(entry["step"], entry[name]) for entry in steps if name in entry] for name in names}


def _discard(cell: Cell) -> None:
    """Delete what is large, can be made again and is not needed again: embeddings, and the models that were tried."""
    if cell.training is None and cell.posthoc is None:
        return
    for file in (cell.measured / "embeddings").glob("*.npz"):
        file.unlink()
    if cell.training and cell.measuring.phase == VALIDATION:
        delete_folder(cell.trained)
