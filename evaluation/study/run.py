"""A study from its description to its summary: choose settings on validation tasks, then run the test tasks once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console

from evaluation.data.places import Sources
from evaluation.errors import UserError, check_name
from evaluation.files import delete_folder, write_json
from evaluation.measured import Measured
from evaluation.report.files import write_report
from evaluation.report.grid_ends import grid_ends
from evaluation.report.summary import NONE, START, Cost, Section, Summary
from evaluation.report.terminal import print_report, wide_console
from evaluation.retrieval.settings import no_faiss_check
from evaluation.run_directory import Timing, check_folder, open_run
from evaluation.study.cell import TEST, VALIDATION, Cell, Measuring, missing_parts
from evaluation.study.description import Study, coarse_grids
from evaluation.study.leakage import drop_shared_rows
from evaluation.study.plan import Plan, plan_measuring
from evaluation.study.prepare import Prepared, prepare, save_pairs
from evaluation.study.runner import Backend, run_cells
from evaluation.study.search import Search, warn_of_ends
from evaluation.study.section import (
    Tried,
    add_tuning,
    build_section,
    candidates,
    gains_over_exact,
    index_seconds,
    left_out_indexes,
    pairs_of_study,
    whole_variants,
)
from evaluation.study.settings import Setting, settings
from evaluation.tasks.mteb import superseded
from evaluation.tasks.resolve import resolve_tasks
from evaluation.tasks.source import TaskSource
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

Key = TypeVar("Key")


@dataclass(frozen=True)
class Running:
    """A plan with what its parts need to run.

    Attributes:
        plan: Which cells there are.
        jobs: How many cells run at once.
        timing: The run's clock.
        console: Where progress goes.
        missing: A sentence for each part that could not be measured, so far.
    """

    plan: Plan
    jobs: int
    timing: Timing
    console: Console
    missing: list[str]

    def run(self, cells: Mapping[Key, Sequence[Cell]], what: str) -> dict[Key, list[Measured]]:
        """What was measured of every group of cells, in their order."""
        every = [cell for group in cells.values() for cell in group]
        measured = run_cells(every, what, self.jobs, self.timing, self.console)
        self.missing.extend(missing_parts(every, measured))
        found = iter(measured)
        return {key: [next(found) for _ in group] for key, group in cells.items()}


@dataclass(frozen=True)
class SectionRun:
    """A section, with the seconds of its indexes by variant, retrieval task and index."""

    section: Section
    index_seconds: dict[str, dict[str, dict[str, dict[str, float]]]]


def run_study(study: Study, sources: Sources, folder: Path, backend: Backend, loading: Loading = AS_SAVED) -> Summary:
    """Run a study, print its report and write `summary.json`, `report.md` and `report.html`.

    Args:
        study: What is compared.
        sources: Where its data come from.
        folder: The run directory. An interrupted study is resumed, and a changed one reuses the cells
            that it has in common with the earlier one.
        backend: Where the cells run.
        loading: How start models are loaded; they are trained in float32.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, task or file, impossible combinations, or a directory that holds something
            else, before anything is trained; and for a start model that cannot be measured.
    """
    check_folder(folder)
    console = wide_console()
    timing = Timing(folder)
    measurings = plan_phases(study, sources)
    plan = Plan(study, measurings, folder, loading)
    tasks = list({task.name: task for measuring in measurings.values() for task in measuring.tasks}.values())
    with console.status("Preparing models and training pairs"):
        prepared, rows = prepare(study, sources, tasks, folder, loading)
    open_run(folder, {"command": "study"})  # now: a study that is refused leaves nothing behind
    save_pairs(rows)
    write_json(folder / "study.json", asdict(study))
    console.print(plan.sentence(prepared), markup=False)
    for warning in (*coarse_grids(study), *warn_of_ends(study)):
        console.print(f"Warning: {warning}", markup=False)
    with timing, backend.opened() as jobs:
        running = Running(plan, jobs, timing, console, [])
        starts = measure_starts(running, prepared)
        finished = [run_section(running, one, starts[one.model]) for one in prepared]
    delete_folder(folder / "models")
    over_exact = [
        note
        for one, section in zip(prepared, (found.section for found in finished), strict=True)
        for note in gains_over_exact(section, starts[one.model].duplicates)
    ]
    summary = Summary(
        title=study.title,
        sections=[one.section for one in finished],
        notes=[*_notes(plan, prepared, tasks, starts), *dict.fromkeys(over_exact)],
        timing=Cost(**timing.read(), indexes={one.section.title: one.index_seconds for one in finished}),
        missing=running.missing,
    )
    write_report(summary, folder)
    print_report(summary, console)
    console.print(
        f"Everything is in {folder}: report.html, report.md, summary.json, and per-query scores under cells/.",
        markup=False,
    )
    return summary


def plan_phases(study: Study, sources: Sources) -> dict[str, Measuring]:
    """Say what is measured in each phase; validation tasks lose what the test tasks ask about."""
    tasks = {
        phase: resolve_tasks(names, sources.mirror, sources.folders)
        for phase, names in ((VALIDATION, study.validation), (TEST, study.test))
        if names
    }
    if VALIDATION in tasks:
        tasks[VALIDATION] = drop_shared_rows(tasks[VALIDATION], tasks[TEST])
    isotropy_of, tested = study.isotropy_of, [task.name for task in tasks[TEST]]
    if isotropy_of and isotropy_of not in tested:  # the usual split by name is the task without it
        isotropy_of = resolve_tasks([isotropy_of], sources.mirror, sources.folders)[0].name
        check_name("test task of the study, for isotropy_of,", isotropy_of, tested)
    return {phase: plan_measuring(phase, study, of_phase, isotropy_of) for phase, of_phase in tasks.items()}


def measure_starts(running: Running, prepared: Sequence[Prepared]) -> dict[str, Measured]:
    """Measure every start model first: others take the parameters of indexes from it, and it shows what fails.

    Returns:
        What was measured on the test tasks, per start model.

    Raises:
        UserError: A start model has no score on any test task, or lacks one on a validation task, so that settings
            would be chosen on other tasks than the study names.
    """
    keys = {(one.model, phase): one for one in prepared for phase in running.plan.measurings}
    cells = {(model, phase): [running.plan.start(one, phase)] for (model, phase), one in keys.items()}
    measured = {key: run for key, [run] in running.run(cells, "start models").items()}
    for (model, phase), run in measured.items():
        if run.failures and (phase == VALIDATION or not run.tasks):
            raise UserError(missing_parts(cells[model, phase], [run])[0])
    return {model: run for (model, phase), run in measured.items() if phase == TEST}


def run_section(running: Running, prepared: Prepared, start: Measured) -> SectionRun:
    """Run everything of one start model, of which the test tasks are measured, and regime."""
    plan, seeds = running.plan, range(running.plan.study.seeds)
    tried = try_settings(running, prepared)
    chosen = choose_settings(plan.study, prepared, tried)
    cells = {v: [plan.cell(prepared, TEST, setting, seed) for seed in seeds] for v, setting in chosen.items()}
    transformed = {
        one.name: [plan.transformed_start(prepared, one.transform)]
        if one.variant == START
        else [plan.cell(prepared, TEST, chosen[one.variant], seed, one.transform) for seed in seeds]
        for one in plan.study.transformed
        if one.variant in (START, *chosen)
    }
    measured = {
        START: [start],
        **running.run(cells, f"{prepared.title}: test tasks"),
        **running.run(transformed, f"{prepared.title}: transformed"),
    }
    whole = whole_variants(measured, start)
    section = replace(
        build_section(prepared.title, plan.measurings[TEST].isotropy_of, whole, pairs_of_study(list(whole))),
        model=prepared.model,
        regime=prepared.regime.name,
        objective=prepared.regime.objective,
        transformed=[one for one in plan.study.transformed if one.name in whole],
    )
    return SectionRun(add_tuning(section, tried, chosen), index_seconds(measured))


def try_settings(running: Running, prepared: Prepared) -> list[Tried]:
    """Train with every setting and measure on the validation tasks; nothing where there is nothing to choose.

    Grids are extended as the study allows. What is added depends on measured cells alone, so a resumed study adds the
    same.
    """
    if not running.plan.study.is_tuned:
        return []
    search, what = Search.of(running.plan.study, prepared.regime), f"{prepared.title}: choosing settings"
    while True:
        plan = replace(running.plan, study=search.study)  # the objective alone has seeds as the others have weights
        seeds = partial(plan.tuning_seeds, search.regime)
        tuning = {
            setting: [plan.cell(prepared, VALIDATION, setting, seed) for seed in seeds(setting)]
            for setting in settings(search.study, search.regime)
        }
        tried = [Tried(one, found, search.extension[one]) for one, found in running.run(tuning, what).items()]
        further = search.beyond(grid_ends(candidates(tried, choose_settings(search.study, prepared, tried))))
        if further is None:
            return tried
        search = further


def choose_settings(study: Study, prepared: Prepared, tried: Sequence[Tried]) -> dict[str, Setting]:
    """Per variant, the setting with the best mean validation score; none where every training failed."""
    grid = settings(study, prepared.regime)
    if not study.is_tuned:
        return {setting.variant: setting for setting in grid}
    best: dict[str, tuple[float, Setting]] = {}
    for one in tried:
        variant = one.setting.variant
        if one.scores is not None and (variant not in best or np.mean(one.scores) > best[variant][0]):
            best[variant] = float(np.mean(one.scores)), one.setting
    return {variant: setting for variant, (_, setting) in best.items()}


def objectives_notes(study: Study) -> list[str]:
    """A sentence for each regime whose variants do not all train with its objective: what the reference is."""
    others = ", ".join(f"{grid.name} with {grid.objective}" for grid in study.regularizers if grid.objective)
    return [
        f"In {regime.name} the reference, {NONE}, trains with {regime.objective}, and on the same batches {others}."
        for regime in study.regimes
        if others
    ]


def _notes(
    plan: Plan, prepared: Sequence[Prepared], tasks: Sequence[TaskSource], starts: Mapping[str, Measured]
) -> list[str]:
    """What a reader must know beside the tables."""
    searched = plan.study.indexes and any(task.type == "Retrieval" for task in plan.measurings[TEST].tasks)
    others = dict.fromkeys(one.model for one in prepared if searched and not one.by_cosine)
    return [
        *(task.note for task in tasks if task.note),
        *superseded(tasks),
        *dict.fromkeys(one.note for one in prepared if one.note),
        *objectives_notes(plan.study),
        *(no_faiss_check(model) for model in others),
        *dict.fromkeys(note for one in prepared for note in left_out_indexes(starts[one.model])),
        plan.isotropy_note(),
        "Scores are in points of 100.",
    ]
