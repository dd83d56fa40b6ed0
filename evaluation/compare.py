"""Models as they are on mteb tasks and own data, each compared with the first; no training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from evaluation.errors import UserError, check_name
from evaluation.files import file_name, read_json, write_json
from evaluation.measure.measure import left_out, measure, statuses
from evaluation.models.load import fingerprint, is_scored_by_cosine, load_model
from evaluation.report.report import print_report, wide_console, write_report
from evaluation.report.rows import isotropy_rows, retrieval_rows, task_rows
from evaluation.report.summary import Section, Summary
from evaluation.retrieval.indexes import ALL_INDEXES, EXACT, QUICK_INDEXES
from evaluation.retrieval.settings import no_faiss_check
from evaluation.run_directory import Timing, check_folder, open_run
from evaluation.tasks.mteb import revision
from evaluation.tasks.resolve import resolve_tasks
from evaluation.tasks.source import TaskSource

ALL = "all"


def compare(
    names: Sequence[str],
    tasks: Sequence[str],
    folder: Path,
    mirror: Path | None = None,
    own: Sequence[Path] = (),
    indexes: Sequence[str] = QUICK_INDEXES,
) -> Summary:
    """Measure models on tasks, print the comparison and write `summary.json`, `report.md` and `report.html`.

    Isotropy is measured on the documents of the first retrieval task, or else on the texts of the first task.

    Args:
        names: Models, as `evaluation.models.load.load_model` takes them; every later one is compared with the first,
            which also decides the settings of the indexes.
        tasks: As `evaluation.tasks.resolve.resolve_tasks` takes them.
        folder: The run directory; an interrupted run in it is continued.
        mirror: Folder with data sets laid out as on the hub; None for the hub.
        own: Folders with own data.
        indexes: FAISS indexes for the retrieval tasks, beside exact search; "all" for every one there is.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, task or index, data that cannot be reached, a directory that holds something
            else, or if no task could be evaluated.
    """
    if len({Path(name).resolve() if Path(name).is_dir() else name for name in names}) < len(names):
        raise UserError(f"--model names a model twice ({', '.join(names)}): name each once.")
    searched = ALL_INDEXES if ALL in indexes else tuple(dict.fromkeys((EXACT, *indexes)))
    for name in indexes:
        check_name("index", name, (*ALL_INDEXES, ALL))
    check_folder(folder)
    timing = Timing(folder)
    sources = resolve_tasks(tasks, mirror, own)
    isotropy_of = next((each for each in sources if each.type == "Retrieval"), sources[0]).name
    models = {name: load_model(name) for name in names}
    configuration = {
        "models": {name: fingerprint(model) for name, model in models.items()},
        "compared with": names[0],
        "tasks": {source.name: revision(source.make()) for source in sources},
        "isotropy of": isotropy_of,
        "mirror": None if mirror is None else str(mirror.resolve()),
        "indexes": list(searched),
    }
    open_run(folder, configuration)
    retrieves = any(source.type == "Retrieval" for source in sources)
    others = [name for name, model in models.items() if retrieves and not is_scored_by_cosine(model)]
    searched = () if others else searched
    cells = {
        name: folder / "models" / f"{file_name(name)}-{identity}" for name, identity in configuration["models"].items()
    }
    measured, shown = {}, labels(names)
    for name, model in models.items():
        start = None if name == names[0] else cells[names[0]]
        measured[shown[name]] = _measured(
            model, file_name(name), sources, cells[name], isotropy_of, searched, start, timing
        )
    failures = {failure["reason"]: None for each in measured.values() for failure in each["failures"]}
    if not any(each["tasks"] for each in measured.values()):
        raise UserError(next(iter(failures)))
    summary = Summary(
        title=" and ".join(measured) + " on " + ", ".join(source.name for source in sources),
        sections=[_section(measured, isotropy_of, cells[names[0]])],
        notes=[
            *(no_faiss_check(shown[name]) for name in others),
            *left_out(cells[names[0]], [source.name for source in sources]),
            *_notes(sources, isotropy_of, measured),
        ],
        timing=timing.read(),
        missing=list(failures),
    )
    write_report(summary, folder)
    console = wide_console()
    print_report(summary, console)
    console.print(
        f"Everything is in {folder}: report.html, report.md, summary.json, and per-query scores under models/.",
        markup=False,
    )
    return summary


def labels(names: Sequence[str]) -> dict[str, str]:
    """What models are called in a report: a folder by as many last parts of its path as tell it from the others.

    Example:
        >>> labels(["minilm", "sentence-transformers/all-MiniLM-L6-v2"])["minilm"]
        'minilm'
    """
    paths = {name: Path(name).resolve().parts if Path(name).is_dir() else (name,) for name in names}
    return {
        name: next(
            "/".join(parts[-length:])
            for length in range(1, len(parts) + 1)
            if length == len(parts) or all(other[-length:] != parts[-length:] for other in _others(paths, name))
        )
        for name, parts in paths.items()
    }


def _others(paths: Mapping[str, Sequence[str]], name: str) -> list[Sequence[str]]:
    return [parts for other, parts in paths.items() if other != name]


def _measured(
    model: SentenceTransformer,
    variant: str,
    sources: Sequence[TaskSource],
    cell: Path,
    isotropy_of: str,
    indexes: Sequence[str],
    start: Path | None,
    timing: Timing,
) -> dict[str, Any]:
    """What was measured of a model; where a task failed, the next run tries again."""
    path = cell / "measured.json"
    if path.exists() and not read_json(path)["failures"]:
        return read_json(path)
    result = measure(model, variant, sources, cell, isotropy_of=isotropy_of, indexes=indexes, start=start)
    write_json(path, result)
    timing.record()
    return result


def _section(measured: Mapping[str, dict[str, Any]], isotropy_of: str, start: Path) -> Section:
    """Every model beside the first, in all that both of them have."""
    names = list(measured)
    pairs = [(names[0], other) for other in names[1:]]

    def part(name: str) -> dict[str, list[Any]]:
        return {model: [each[name]] for model, each in measured.items() if each[name]}

    rows = isotropy_rows(part("isotropy"), pairs) if part("isotropy") else []
    rows += task_rows(part("tasks"), pairs, np.random.default_rng(0))
    by_index = {name: statuses(start, name) for each in measured.values() for name in each["retrieval"]}
    rows += retrieval_rows(part("retrieval"), by_index, pairs)
    return Section(
        title=" and ".join(names),
        variants=names,
        rows=rows,
        isotropy_of=isotropy_of,
        curves={model: each["curves"] for model, each in measured.items()},
        indexes={model: each["retrieval"] for model, each in measured.items()},
        distributions={model: each["distributions"] for model, each in measured.items() if each["distributions"]},
    )


def _notes(sources: Sequence[TaskSource], isotropy_of: str, measured: Mapping[str, dict[str, Any]]) -> list[str]:
    notes = [source.note for source in sources if source.note]
    isotropy = f"Isotropy is measured on the texts of {isotropy_of}"
    lacking = [model for model, each in measured.items() if not each["isotropy"]]
    isotropy += f", without {', '.join(lacking)}, for which these failed." if lacking else "."
    return [*notes, isotropy, *_untrained(measured), "Scores are in points of 100."]


def _untrained(measured: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """A sentence for each model whose dimension is too large for an index of another model and a corpus."""
    corpora = dict.fromkeys(corpus for each in measured.values() for corpus in each["retrieval"])
    for corpus in corpora:
        having = {model: each["retrieval"][corpus] for model, each in measured.items() if corpus in each["retrieval"]}
        indexes = {model: {index["name"] for index in found} for model, found in having.items()}
        for model, found in indexes.items():
            if lacking := sorted(set().union(*indexes.values()) - found):
                yield f"{corpus} has too few documents for {', '.join(lacking)} at the dimension of {model}."
