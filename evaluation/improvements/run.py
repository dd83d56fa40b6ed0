"""The command `python -m evaluation improvements`: every arm, model by model and data set by data set, resumable."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import get_console
from sentence_transformers import SentenceTransformer

from evaluation.errors import UserError
from evaluation.files import file_name, read_record, short_hash, write_record
from evaluation.improvements.arms import measure_arms
from evaluation.improvements.known_answers import read_corpus, read_scored_pairs
from evaluation.improvements.records import Cell, Evidence
from evaluation.models.load import check_loading, fingerprint, load_model
from evaluation.report.progress import progress
from evaluation.run_directory import check_folder, open_run
from st_isotropy.diagnosis.loading import AS_SAVED, Loading
from st_isotropy.improve import ScoredTexts, SearchTexts, encode_scored, encode_search
from st_isotropy.improve.tasks import Task


@dataclass(frozen=True)
class Data:
    """What models are improved on.

    Attributes:
        corpora: Folders laid out as those of BEIR.
        scored: Files of scored sentence pairs.
    """

    corpora: tuple[Path, ...]
    scored: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them, in order."""
        return (*self.corpora, *self.scored)


def measure_improvements(models: Sequence[str], data: Data, folder: Path, loading: Loading = AS_SAVED) -> Evidence:
    """Measure every arm on every model and data set; a cell that is finished in the folder is read.

    Args:
        models: Names of models, as for a study.
        data: What they are improved on.
        folder: The run directory; `cells/` holds what is finished, named by a hash of the model and the texts, and
            `improvements.json` all of it at the end.
        loading: How the models are loaded.

    Returns:
        All cells.

    Raises:
        UserError: If two data sets have one name, a model or data set is none, or the folder holds something else.
    """
    check_loading(models, loading)
    names = [_name(path) for path in data.paths]
    if not names:
        raise UserError("There are no data: give --beir DIR or --scored FILE.")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UserError(f"Two data sets are called {repeated}, and the tables name them so: rename one.")
    check_folder(folder)
    # All are read before a model is loaded: one that is missing is refused at once, not after hours.
    known = [*map(read_corpus, data.corpora), *map(read_scored_pairs, data.scored)]
    answers = dict(zip(names, known, strict=True))
    open_run(folder, {"command": "improvements"})  # now: data that are refused leave nothing behind
    with progress("improvements", len(models) * len(names), get_console()) as finish:
        cells = []
        for cell in _cells(models, answers, folder / "cells", loading):
            cells.append(cell)
            finish(f"{cell.model}, {cell.data}")
    evidence = Evidence(_command(models, data), tuple(cells))
    write_record(folder / "improvements.json", evidence)
    return evidence


def _cells(
    models: Sequence[str], answers: Mapping[str, SearchTexts | ScoredTexts], folder: Path, loading: Loading
) -> Iterator[Cell]:
    for name in models:
        model = load_model(name, loading)
        weights = fingerprint(model)
        for data, known in answers.items():
            content = short_hash([weights, asdict(known)])
            file = folder / f"{file_name(name)}-{file_name(data)}-{content}.json"
            if not file.exists():
                write_record(file, _measured(name, model, data, known))
            yield read_record(file, Cell)


def _measured(name: str, model: SentenceTransformer, data: str, known: SearchTexts | ScoredTexts) -> Cell:
    started = time.monotonic()
    try:
        task = _encoded(model, known)
        arms, pairs = measure_arms(task)
    except ValueError as error:
        raise UserError(str(error)) from error
    seconds = time.monotonic() - started
    return Cell(name, data, task.measures[0], len(task.groups), arms, pairs, round(seconds, 1))


def _encoded(model: SentenceTransformer, known: SearchTexts | ScoredTexts) -> Task:
    return encode_scored(model, known) if isinstance(known, ScoredTexts) else encode_search(model, known)


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.name.partition(".")[0]


def _command(models: Sequence[str], data: Data) -> str:
    parts = [*models, *(f"--beir {path.name}" for path in data.corpora), *(f"--scored {p.name}" for p in data.scored)]
    return " ".join(["python -m evaluation improvements", *parts])
