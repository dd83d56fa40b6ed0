"""The quickstart: train with and without the term on docstrings, measure, and say what changed."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.data import docstring_corpus
from evaluation.files import cache_root, read_json, write_json, write_text
from evaluation.models import fingerprint, load_model
from evaluation.report import markdown_report, print_report, wide_console
from evaluation.rows import isotropy_rows, retrieval_rows, task_rows
from evaluation.run_directory import check_folder, open_run
from evaluation.study import PLAIN, REGULARIZED, START, Study, cells, run_cells
from evaluation.summary import Row, Summary
from evaluation.timing import Timing


def quickstart(study: Study, folder: Path) -> Summary:
    """Run the quickstart, print its table and write `summary.json` and `report.md`.

    Args:
        study: What is compared.
        folder: The run directory; an interrupted run in it is continued.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, or a directory that holds something else.
    """
    check_folder(folder)
    timing = Timing(folder)
    console = wide_console()
    with console.status(f"Loading {study.model} (the static model is distilled once)"):
        start = load_model(study.model)
    corpus = docstring_corpus(cache_root())
    given = {"start": fingerprint(start), "corpus": corpus.sha256, "corpus_versions": corpus.versions}
    open_run(folder, {**asdict(study), **given})
    results = run_cells(study, corpus, start, folder, timing)
    indexes = read_json(folder / "indexes.json")
    summary = Summary(
        title=f"{study.model}, {study.objective} objective: {study.seeds} paired run{'s' * (study.seeds > 1)} "
        f"with persistent entropy (weight {study.weight:g}) and without",
        variants=[START, PLAIN, REGULARIZED],
        rows=tabulate(study, results, {index["name"]: index["status"] for index in indexes}),
        notes=[
            f"Scores are in points of 100, on {len(corpus.test)} held-out docstrings; "
            "isotropy is that of the documents, each the rest of a docstring after its first paragraph."
        ]
        + [index["note"] for index in indexes if index["note"]],
        timing=timing.read(),
    )
    write_json(folder / "summary.json", summary.to_dict())
    write_text(folder / "report.md", markdown_report(summary))
    print_report(summary, console)
    console.print(f"Everything is in {folder}: summary.json, report.md, and per-query scores under cells/.")
    return summary


def tabulate(study: Study, results: dict[str, dict[str, Any]], statuses: dict[str, str]) -> list[Row]:
    """Rows of the table: regularized compared with plain, paired by seed.

    Args:
        study: What was compared.
        results: What `run_cells` measured, by the name of the cell.
        statuses: How the start model fares under each index.
    """

    def measured(part: str) -> dict[str, list[Any]]:
        by_variant: dict[str, list[Any]] = {START: [], PLAIN: [], REGULARIZED: []}
        for cell in cells(study):
            by_variant[cell.variant].append(results[cell.name][part])
        return by_variant

    pairs = [(PLAIN, REGULARIZED)]
    return [
        *isotropy_rows(measured("isotropy"), pairs),
        *task_rows(measured("tasks"), pairs, np.random.default_rng(0)),
        *retrieval_rows(measured("retrieval"), statuses, pairs),
    ]
