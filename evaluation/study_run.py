"""A study from its description to its summary: choose settings on validation tasks, then run the test tasks once."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from rich.console import Console

from evaluation.cell import TEST, VALIDATION, Cell, Measuring, Training
from evaluation.errors import UserError
from evaluation.files import file_name, new_folder, write_json
from evaluation.models import fingerprint, load_model
from evaluation.report import print_report, wide_console, write_report
from evaluation.run_directory import check_folder, open_run
from evaluation.runner import Backend, run_cells
from evaluation.sources import Sources
from evaluation.study import NONE, START, Regime, Setting, Study, settings
from evaluation.study_summary import Tried, study_section
from evaluation.summary import Section, Summary
from evaluation.tasks import TaskSource, resolve_tasks
from evaluation.timing import Timing
from evaluation.training import Recipe, Term
from evaluation.training_pairs import content_hash, for_objective, load_pairs, without_shared

FIRST_TUNING_SEED = 1000  # so that no training run serves both to choose and to report
MINUTE = 60


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
    """

    model: str
    fingerprint: str
    regime: Regime
    pairs: Path
    pairs_hash: str
    note: str


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
            else; before anything is trained.
    """
    check_folder(folder)
    console = wide_console()
    timing = Timing(folder)
    measurings = {
        phase: _measuring(phase, study, names, sources)
        for phase, names in ((VALIDATION, study.validation), (TEST, study.test))
        if names
    }
    open_run(folder, {"command": "study"})
    tasks = list({task.name: task for each in measurings.values() for task in each.tasks}.values())
    with console.status("Preparing models and training pairs"):
        prepared = prepare(study, sources, tasks, folder)
    write_json(folder / "study.json", asdict(study))
    console.print(plan(study, prepared))
    sections = [_section(study, each, measurings, folder, backend, timing, console) for each in prepared]
    shutil.rmtree(folder / "models", ignore_errors=True)
    summary = Summary(
        title=study.title,
        sections=[section for section, _ in sections],
        notes=[*dict.fromkeys(each.note for each in prepared if each.note), "Scores are in points of 100."],
        timing=timing.read(),
        missing=[failure for _, failures in sections for failure in failures],
    )
    write_report(summary, folder)
    print_report(summary, console)
    console.print(
        f"Everything is in {folder}: report.html, report.md, summary.json, and per-query scores under cells/."
    )
    return summary


def prepare(study: Study, sources: Sources, tasks: Sequence[TaskSource], folder: Path) -> list[Prepared]:
    """Load every model and the pairs of every regime, without those that the tasks ask about.

    Raises:
        UserError: A model or file is unknown, or pairs do not fit an objective.
    """
    prepared = []
    for model_name in study.models:
        model = load_model(model_name)
        for regime in study.regimes:
            pairs, dropped = without_shared(load_pairs(regime.pairs, sources), tasks)
            teacher = load_model(regime.teacher) if regime.teacher else None
            dimensions = model.get_embedding_dimension() or 0
            ready = for_objective(pairs, regime.objective, teacher, dimensions)
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
            prepared.append(Prepared(model_name, fingerprint(model), regime, where, identity, note))
    return prepared


def plan(study: Study, prepared: Sequence[Prepared]) -> str:
    """Say how many models are trained and measured."""
    trained = len(study.variants) * study.seeds
    tried = sum(len(settings(study, each.regime)) * study.tuning_seeds for each in prepared) if study.is_tuned else 0
    tested = len(prepared) * (trained + len(study.posthoc) * study.seeds)
    return (
        f"{len(prepared)} combinations of a start model and a regime: {tried} training runs to choose settings, "
        f"{len(prepared) * trained} to report, {len(study.models) + tried + tested} models to measure."
    )


def _measuring(phase: str, study: Study, names: Sequence[str], sources: Sources) -> Measuring:
    tasks = tuple(resolve_tasks(names, sources.mirror, sources.folders))
    known = [task.name for task in tasks]
    isotropy_of = study.isotropy_of if study.isotropy_of in known else ""
    retrieval = [task.name for task in tasks if task.type == "Retrieval"]
    identities = []
    for task in tasks:
        dataset = task.make().metadata.dataset
        identities.append(f"{dataset['path']} {dataset['revision']}")
    return Measuring(
        phase=phase,
        tasks=tasks,
        identities=tuple(identities),
        isotropy_of=isotropy_of or (retrieval or known)[0],
        indexes=study.indexes if phase == TEST else (),
        index_seeds=study.index_seeds,
    )


def _section(
    study: Study,
    prepared: Prepared,
    measurings: dict[str, Measuring],
    folder: Path,
    backend: Backend,
    timing: Timing,
    console: Console,
) -> tuple[Section, list[str]]:
    """Run everything of one start model and regime."""
    title = f"{prepared.model}, {prepared.regime.name}"

    def cell(measuring: Measuring, setting: Setting, seed: int, posthoc: str = "") -> Cell:
        recipe = Recipe(
            prepared.regime.objective, prepared.regime.steps, prepared.regime.batch_size, setting.learning_rate
        )
        term = Term(setting.regularizer, setting.weight) if setting.regularizer else None
        training = Training(prepared.pairs, prepared.pairs_hash, recipe, term, seed)
        label = (
            f"{title}, {posthoc or setting.variant}, weight {setting.weight}, rate {setting.learning_rate}, seed {seed}"
        )
        return Cell(label, prepared.model, prepared.fingerprint, training, posthoc, measuring, folder)

    def start(measuring: Measuring) -> Cell:
        return Cell(START, prepared.model, prepared.fingerprint, None, "", measuring, folder)

    def run(cells: Sequence[Cell], what: str) -> list[dict[str, Any]]:
        return run_cells(cells, f"{title}: {what}", backend, timing, console)

    grid = settings(study, prepared.regime)
    tried: list[Tried] = []
    chosen = {setting.variant: setting for setting in grid}
    if study.is_tuned:
        seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + study.tuning_seeds)
        measuring = measurings[VALIDATION]
        found = run([cell(measuring, setting, seed) for setting in grid for seed in seeds], "choosing settings")
        tried = [
            Tried(setting, found[place * len(seeds) : (place + 1) * len(seeds)]) for place, setting in enumerate(grid)
        ]
        chosen = {variant: choose([each for each in tried if each.setting.variant == variant]) for variant in chosen}
    test = measurings[TEST]
    [started] = run([start(test)], "start model")
    measured: dict[str, list[dict[str, Any]]] = {START: [started]}
    ready = {variant: setting for variant, setting in chosen.items() if setting is not None}
    cells = {variant: [cell(test, setting, seed) for seed in range(study.seeds)] for variant, setting in ready.items()}
    found = run([each for several in cells.values() for each in several], "test tasks")
    for place, variant in enumerate(cells):
        measured[variant] = found[place * study.seeds : (place + 1) * study.seeds]
    for transform in study.posthoc if NONE in ready else ():
        several = [cell(test, ready[NONE], seed, transform) for seed in range(study.seeds)]
        measured[transform] = run(several, transform)
    return study_section(title, measured, tried, ready, start(test).start_folder)


def choose(tried: Sequence[Tried]) -> Setting | None:
    """Choose the setting with the best mean validation score; None where every training failed."""
    scored = [each for each in tried if each.scores is not None]
    if not scored:
        return None
    return max(scored, key=lambda each: float(np.mean(each.scores or [0.0]))).setting


def _save(pairs: Dataset, folder: Path) -> None:
    if not folder.exists():
        with new_folder(folder) as temporary:
            pairs.save_to_disk(str(temporary))
