"""Models as they are on mteb tasks, each compared with the first; no training."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import UserError
from evaluation.files import file_name, write_json, write_text
from evaluation.models import fingerprint, load_model
from evaluation.report import markdown_report, print_report, wide_console
from evaluation.rows import task_rows
from evaluation.run_directory import check_folder, open_run
from evaluation.scores import TaskFailure, evaluate
from evaluation.summary import Summary
from evaluation.tasks import resolve_tasks
from evaluation.timing import Timing


def compare(names: Sequence[str], tasks: Sequence[str], mirror: Path | None, folder: Path) -> Summary:
    """Evaluate models on unmodified mteb tasks, print the comparison and write `summary.json` and `report.md`.

    Args:
        names: Models, as `evaluation.models.load_model` takes them; every later one is compared with the first.
        tasks: Names of mteb tasks.
        mirror: Folder with data sets laid out as on the hub; None for the hub.
        folder: The run directory; an interrupted run in it is continued.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model or task, data that cannot be reached, or a directory that holds something else.
    """
    if len(set(names)) < len(names):
        raise UserError(f"--model names a model twice ({', '.join(names)}): name each once.")
    check_folder(folder)
    timing = Timing(folder)
    sources = resolve_tasks(tasks, mirror)
    models = {name: load_model(name) for name in names}
    configuration = {
        "models": {name: fingerprint(model) for name, model in models.items()},
        "tasks": [source.name for source in sources],
        "mirror": None if mirror is None else str(mirror.resolve()),
    }
    open_run(folder, configuration)
    cells = {
        name: folder / "models" / f"{file_name(name)}-{identity}" for name, identity in configuration["models"].items()
    }
    measured: dict[str, list[list[dict[str, Any]]]] = {}
    for name, model in models.items():
        unfinished = any(not (cells[name] / f"{source.file}.json").exists() for source in sources)
        results = evaluate(model, file_name(name), sources, cells[name])
        for result in results:
            if isinstance(result, TaskFailure):
                raise UserError(result.reason)
        measured[name] = [[asdict(task) for task in results]]
        if unfinished:
            timing.record()
    summary = Summary(
        title=" and ".join(names) + " on " + ", ".join(configuration["tasks"]),
        variants=list(names),
        rows=task_rows(measured, [(names[0], other) for other in names[1:]], np.random.default_rng(0)),
        notes=["Scores are in points of 100."],
        timing=timing.read(),
    )
    write_json(folder / "summary.json", summary.to_dict())
    write_text(folder / "report.md", markdown_report(summary))
    console = wide_console()
    print_report(summary, console)
    console.print(f"Everything is in {folder}: summary.json, report.md, and per-item scores under models/.")
    return summary
