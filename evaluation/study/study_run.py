"""A study from its description to its summary: choose settings on validation tasks, then run the test tasks once."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from datasets import Dataset
from rich.console import Console
from sentence_transformers import SentenceTransformer

from evaluation.data.places import Sources
from evaluation.errors import UserError, check_name
from evaluation.files import delete_folder, file_name, new_folder, write_json
from evaluation.measure.measure import left_out
from evaluation.models.load import fingerprint, is_scored_by_cosine, load_model, load_start_model
from evaluation.processes import no_dataset_bars
from evaluation.report.report import print_report, wide_console, write_report
from evaluation.report.summary import Section, Summary
from evaluation.retrieval.settings import no_faiss_check
from evaluation.run_directory import Timing, check_folder, open_run
from evaluation.study.cell import TEST, VALIDATION, Cell, Measuring, Training, saved_pairs, start_cell
from evaluation.study.description import START, Regime, Setting, Study, Transformed, settings
from evaluation.study.estimate import duration, training_seconds
from evaluation.study.leakage import drop_evaluated_pairs, drop_shared_rows, evaluated_texts
from evaluation.study.runner import Backend, run_cells
from evaluation.study.section import Tried, index_seconds, study_section
from evaluation.tasks.mteb import identity
from evaluation.tasks.resolve import TaskSource, resolve_tasks
from evaluation.train.catalog import OBJECTIVES, REGULARIZERS
from evaluation.train.columns import content_hash, for_objective
from evaluation.train.pairs import load_pairs
from evaluation.train.training import Recipe, Term

Key = TypeVar("Key")

FIRST_TUNING_SEED = 1000  # so that no training run serves both to choose and to report


@dataclass(frozen=True)
class Prepared:
    """A start model and a regime with the pairs they train on.

    Attributes:
        model: Name of the start model.
        fingerprint: Its hash.
        regime: The regime.
        pairs: Folder of the training pairs.
        pairs_hash: Hash of their content.
        note: What a reader must know about the pairs.
        by_cosine: Whether the own similarity of what is measured ranks as cosine does.
    """

    model: str
    fingerprint: str
    regime: Regime
    pairs: Path
    pairs_hash: str
    note: str
    by_cosine: bool

    @property
    def title(self) -> str:
        """The start model and the regime."""
        return f"{self.model}, {self.regime.name}"


@dataclass(frozen=True)
class Running:
    """A study with what its parts need to run.

    Attributes:
        study: The study.
        measurings: What is measured, per phase.
        folder: The run directory.
        jobs: How many cells run at once.
        timing: The run's clock.
        console: Where progress goes.
    """

    study: Study
    measurings: dict[str, Measuring]
    folder: Path
    jobs: int
    timing: Timing
    console: Console

    def measuring(self, prepared: Prepared, phase: str) -> Measuring:
        """What is measured; the indexes search by cosine, so only where the model does."""
        measuring = self.measurings[phase]
        return measuring if prepared.by_cosine else replace(measuring, indexes=())

    def start(self, prepared: Prepared, phase: str) -> Cell:
        """The start model, measured."""
        return start_cell(prepared.model, prepared.fingerprint, self.measuring(prepared, phase), self.folder)

    def cell(self, prepared: Prepared, phase: str, setting: Setting, seed: int, posthoc: str = "") -> Cell:
        """A model trained with a setting, measured."""
        regime = prepared.regime
        recipe = Recipe(regime.objective, regime.steps, regime.batch_size, setting.learning_rate, regime.warmup)
        term = Term(setting.regularizer, setting.weight) if setting.regularizer else None
        training = Training(prepared.pairs, prepared.pairs_hash, recipe, term, seed)
        variant = Transformed(setting.variant, posthoc).name if posthoc else setting.variant
        label = f"{prepared.title}, {variant}, weight {setting.weight}, rate {setting.learning_rate}, seed {seed}"
        measuring = self.measuring(prepared, phase)
        return Cell(label, prepared.model, prepared.fingerprint, training, posthoc, measuring, self.folder)

    def run(self, cells: Mapping[Key, Sequence[Cell]], what: str) -> dict[Key, list[dict[str, Any]]]:
        """What was measured of every group of cells, in their order."""
        every = [cell for group in cells.values() for cell in group]
        found = iter(run_cells(every, what, self.jobs, self.timing, self.console))
        return {key: [next(found) for _ in group] for key, group in cells.items()}


def run_study(study: Study, sources: Sources, folder: Path, backend: Backend) -> Summary:
    """Run a study, print its report and write `summary.json`, `report.md` and `report.html`.

    Args:
        study: What is compared.
        sources: Where its data come from.
        folder: The run directory. An interrupted study goes on where it stopped, and a changed one reuses the cells
            that it has in common with the earlier one.
        backend: Where the cells run.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, task or file, impossible combinations, or a directory that holds something
            else, before anything is trained; and for a start model that cannot be measured.
    """
    check_folder(folder)
    console = wide_console()
    timing = Timing(folder)
    of_phase = {
        phase: resolve_tasks(names, sources.mirror, sources.folders)
        for phase, names in ((VALIDATION, study.validation), (TEST, study.test))
        if names
    }
    if VALIDATION in of_phase:
        of_phase[VALIDATION] = drop_shared_rows(of_phase[VALIDATION], of_phase[TEST])
    tasks = {task.name: task for each in of_phase.values() for task in each}
    isotropy_of, tested = study.isotropy_of, [task.name for task in of_phase[TEST]]
    if isotropy_of and isotropy_of not in tested:  # the usual split by name is the task without it
        isotropy_of = resolve_tasks([isotropy_of], sources.mirror, sources.folders)[0].name
        check_name("test task of the study, for isotropy_of,", isotropy_of, tested)
    measurings = {phase: _measuring(phase, study, each, isotropy_of) for phase, each in of_phase.items()}
    open_run(folder, {"command": "study"})
    with console.status("Preparing models and training pairs"):
        prepared = prepare(study, sources, list(tasks.values()), folder)
    searched = study.indexes and any(task.type == "Retrieval" for task in measurings[TEST].tasks)
    others = dict.fromkeys(each.model for each in prepared if searched and not each.by_cosine)
    write_json(folder / "study.json", asdict(study))
    console.print(plan(study, prepared), markup=False)
    with backend.opened() as jobs:
        running = Running(study, measurings, folder, jobs, timing, console)
        started = measure_starts(running, prepared)
        with console.status("Timing a few steps of every regime"):
            seconds = remaining_seconds(running, prepared, started)
        if seconds:
            console.print(
                f"About {duration(seconds)} to go with {jobs} at once, estimated from a few steps of every regime and "
                "from measuring the start models."
            )
        sections = [_section(running, each) for each in prepared]
    delete_folder(folder / "models")
    summary = Summary(
        title=study.title,
        sections=[section for section, _, _ in sections],
        notes=[
            *(task.note for task in tasks.values() if task.note),
            *dict.fromkeys(each.note for each in prepared if each.note),
            *(no_faiss_check(name) for name in others),
            *dict.fromkeys(note for each in prepared for note in left_out(running.start(each, TEST).measured, tested)),
            _isotropy_note(measurings),
            "Scores are in points of 100.",
        ],
        timing={**timing.read(), "indexes": {section.title: seconds for section, _, seconds in sections}},
        missing=[failure for _, failures, _ in sections for failure in failures],
    )
    write_report(summary, folder)
    print_report(summary, console)
    console.print(
        f"Everything is in {folder}: report.html, report.md, summary.json, and per-query scores under cells/.",
        markup=False,
    )
    return summary


def prepare(study: Study, sources: Sources, tasks: Sequence[TaskSource], folder: Path) -> list[Prepared]:
    """Load every model and the pairs of every regime, without those that the tasks ask about.

    Raises:
        UserError: A model or file is unknown, or pairs or a regularizer do not fit a model or an objective.
    """
    asked = evaluated_texts(tasks)
    pairs_of = {regime.name: drop_evaluated_pairs(load_pairs(regime.pairs, sources), asked) for regime in study.regimes}
    prepared = []
    for model_name in study.models:
        model = load_start_model(model_name)
        # Behind a transform unit vectors are none any more.
        by_cosine = model.similarity_fn_name == "cosine" or (is_scored_by_cosine(model) and not study.posthoc)
        for regime in study.regimes:
            pairs, dropped = pairs_of[regime.name]
            if len(pairs) < 2:
                raise UserError(
                    f"Of the pairs of the regime {regime.name!r} {len(pairs)} are left to train on, because a task "
                    f"asks about {dropped}: give other pairs, or other tasks."
                )
            teacher = load_model(regime.teacher) if regime.teacher else None
            with model.truncate_embeddings(None):  # a loss sees the whole embedding
                dimensions = model.get_embedding_dimension() or 0
            ready = for_objective(pairs, regime.objective, teacher, dimensions)
            _check_terms(study, regime, model, ready)
            if len(ready) < regime.batch_size:
                raise UserError(
                    f"The regime {regime.name!r} has {len(ready)} training rows, fewer than its batch size of "
                    f"{regime.batch_size}; {dropped} pairs were left out because a task asks about them."
                )
            identity = content_hash(ready)
            where = folder / "pairs" / f"{file_name(regime.name)}-{identity}"
            _save(ready, where)
            note = f"{regime.name} trains on {len(ready)} rows"
            note += f"; {dropped} pairs that a task asks about were left out." if dropped else "."
            prepared.append(Prepared(model_name, fingerprint(model), regime, where, identity, note, by_cosine))
    return prepared


def _check_terms(study: Study, regime: Regime, model: SentenceTransformer, rows: Dataset) -> None:
    """Refuse a regularizer that does not go with the model or the objective, or whose package is missing."""
    objective = OBJECTIVES[regime.objective]
    copied = copy.deepcopy(model)  # the loss of a head appends it
    loss = objective.loss(copied, rows)
    for grid in study.regularizers:
        Term(grid.regularizer, grid.weights[0]).around(copied, loss)
        of_labels = REGULARIZERS[grid.regularizer]().options.get("cloud") == "labels"
        if of_labels and objective.columns != "labelled":
            raise UserError(
                f"The regularizer {grid.name!r} has a cloud for each label, which rows of the regime {regime.name!r} "
                "do not have: take the objective linear_head, or leave it out."
            )


def plan(study: Study, prepared: Sequence[Prepared]) -> str:
    """Say how many models are trained and measured."""
    trained = len(study.variants) * study.seeds
    tried = sum(len(settings(study, each.regime)) * study.tuning_seeds for each in prepared) if study.is_tuned else 0
    tested = len(prepared) * (trained + len(study.transformed) * study.seeds)
    return (
        f"{len(prepared)} combinations of a start model and a regime: {tried} training runs to choose settings, "
        f"{len(prepared) * trained} to report, {len(study.models) + tried + tested} models to measure."
    )


def _measuring(phase: str, study: Study, tasks: Sequence[TaskSource], isotropy_of: str) -> Measuring:
    known = [task.name for task in tasks]
    retrieval = [task.name for task in tasks if task.type == "Retrieval"]
    return Measuring(
        phase=phase,
        tasks=tuple(tasks),
        identities=tuple(map(identity, tasks)),
        isotropy_of=isotropy_of if isotropy_of in known else (retrieval or known)[0],
        indexes=study.indexes if phase == TEST else (),
        index_seeds=study.index_seeds,
    )


def _isotropy_note(measurings: dict[str, Measuring]) -> str:
    note = f"Isotropy is measured on the texts of {measurings[TEST].isotropy_of}"
    if VALIDATION in measurings:
        note += f", and where settings are chosen on those of {measurings[VALIDATION].isotropy_of}"
    return f"{note}."


def measure_starts(running: Running, prepared: Sequence[Prepared]) -> dict[tuple[str, str], dict[str, Any]]:
    """Measure every start model first: others take the parameters of indexes from it, and it shows what fails.

    Returns:
        What was measured, per start model and phase.

    Raises:
        UserError: A start model has no score on any test task, or lacks one on a validation task, so that settings
            would be chosen on other tasks than the study names.
    """
    keys = {(each.model, phase): each for each in prepared for phase in running.measurings}
    cells = {(model, phase): [running.start(each, phase)] for (model, phase), each in keys.items()}
    measured = {key: found for key, [found] in running.run(cells, "start models").items()}
    for (_, phase), each in measured.items():
        if each["failures"] and (phase == VALIDATION or not each.get("tasks")):
            raise UserError(each["failures"][0])
    return measured


def remaining_seconds(
    running: Running, prepared: Sequence[Prepared], started: dict[tuple[str, str], dict[str, Any]]
) -> float:
    """Estimate how long the cells will take that are not finished."""
    total = 0.0
    for each in prepared:
        tuning, testing, transformed = _waiting(running, each)
        if tuning or testing or transformed:
            setting = settings(running.study, each.regime)[-1]  # the last regularizer stands for all
            cell = running.cell(each, TEST, setting, 0)
            assert cell.training is not None
            training = training_seconds(
                load_start_model(each.model), saved_pairs(each.pairs), cell.training.recipe, cell.training.term
            )
            of_test = started[each.model, TEST]["seconds"]
            total += testing * (training + of_test) + transformed * of_test
            if tuning:
                total += tuning * (training + started[each.model, VALIDATION]["seconds"])
    return total / running.jobs


def _waiting(running: Running, prepared: Prepared) -> tuple[int, int, int]:
    """How many cells are not finished: to choose settings, to report, and with a transform."""
    study, grid = running.study, settings(running.study, prepared.regime)
    tuning = [running.cell(prepared, VALIDATION, setting, seed) for setting in grid for seed in _tuning_seeds(study)]

    def waiting(variant: str, posthoc: str = "") -> int:
        """A variant's cells on the test tasks have the setting that was, or will be, chosen."""
        of_variant = [setting for setting in grid if setting.variant == variant]
        return sum(
            not any(running.cell(prepared, TEST, setting, seed, posthoc).finished() for setting in of_variant)
            for seed in range(study.seeds)
        )

    return (
        sum(not cell.finished() for cell in tuning),
        sum(waiting(variant) for variant in study.variants),
        sum(waiting(each.variant, each.transform) for each in study.transformed),
    )


def _tuning_seeds(study: Study) -> range:
    return range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + study.tuning_seeds * study.is_tuned)


def _section(running: Running, prepared: Prepared) -> tuple[Section, list[str], dict[str, Any]]:
    """Run everything of one start model and regime."""
    study, seeds = running.study, range(running.study.seeds)
    grid = settings(study, prepared.regime)
    tried: list[Tried] = []
    chosen: dict[str, Setting | None] = {setting.variant: setting for setting in grid}
    if study.is_tuned:
        tuning = {
            setting: [running.cell(prepared, VALIDATION, setting, seed) for seed in _tuning_seeds(study)]
            for setting in grid
        }
        found = running.run(tuning, f"{prepared.title}: choosing settings")
        tried = [Tried(setting, runs) for setting, runs in found.items()]
        chosen = {variant: choose([each for each in tried if each.setting.variant == variant]) for variant in chosen}
    ready = {variant: setting for variant, setting in chosen.items() if setting is not None}
    start = running.start(prepared, TEST)
    measured: dict[str, list[dict[str, Any]]] = {START: [start.read()]}
    cells = {v: [running.cell(prepared, TEST, setting, seed) for seed in seeds] for v, setting in ready.items()}
    measured |= running.run(cells, f"{prepared.title}: test tasks")
    transformed = {
        each.name: [running.cell(prepared, TEST, ready[each.variant], seed, each.transform) for seed in seeds]
        for each in study.transformed
        if each.variant in ready
    }
    measured |= running.run(transformed, f"{prepared.title}: transformed")
    isotropy_of = running.measurings[TEST].isotropy_of
    section, failures = study_section(prepared.title, isotropy_of, measured, tried, ready, start.measured)
    return section, failures, index_seconds(measured)


def choose(tried: Sequence[Tried]) -> Setting | None:
    """Choose the setting with the best mean validation score; None where every training failed."""
    scored = [each for each in tried if each.scores is not None]
    if not scored:
        return None
    return max(scored, key=lambda each: float(np.mean(each.scores or [0.0]))).setting


def _save(pairs: Dataset, folder: Path) -> None:
    if not folder.exists():
        with new_folder(folder) as temporary, no_dataset_bars():
            pairs.save_to_disk(str(temporary))
