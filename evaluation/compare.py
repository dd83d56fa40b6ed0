"""Models as they are on mteb tasks and own data, each compared with the first; no training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evaluation.errors import UserError, check_name
from evaluation.measure.scores import BATCH_SIZE
from evaluation.measured import EXACT, Measured
from evaluation.models.load import check_loading, is_scored_by_cosine
from evaluation.report.files import write_report
from evaluation.report.measures import Pair
from evaluation.report.summary import Cost, Summary
from evaluation.report.terminal import print_report, wide_console
from evaluation.retrieval.indexes import ALL_INDEXES, QUICK_INDEXES
from evaluation.retrieval.settings import no_faiss_check
from evaluation.run_directory import Timing, check_folder, open_run
from evaluation.study.cell import TEST, Cell, Measuring, start_model
from evaluation.study.runner import Backend, run_cells
from evaluation.study.section import build_section, gains_over_exact, left_out_indexes
from evaluation.tasks.mteb import identity, revision, superseded
from evaluation.tasks.resolve import resolve_tasks
from evaluation.tasks.source import TaskSource
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

ALL = "all"
INDEX_SEEDS = 5
ONE_PROCESS = Backend()


def compare(
    names: Sequence[str],
    tasks: Sequence[str],
    folder: Path,
    mirror: Path | None = None,
    own: Sequence[Path] = (),
    indexes: Sequence[str] = QUICK_INDEXES,
    backend: Backend = ONE_PROCESS,
    loading: Loading = AS_SAVED,
    batch_size: int = BATCH_SIZE,
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
        backend: Where the models are measured.
        loading: How the models are loaded; the revision is that of those on the hub.
        batch_size: Texts per forward pass.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, task or index, data that cannot be reached, a directory that holds something
            else, or if no task could be evaluated.
    """
    if len({Path(name).resolve() if Path(name).is_dir() else name for name in names}) < len(names):
        raise UserError(f"A model is given twice ({', '.join(names)}): give each once.")
    check_folder(folder)
    timing = Timing(folder)
    check_loading(names, loading)
    for name in indexes:
        check_name("index", name, (*ALL_INDEXES, ALL))
    sources = resolve_tasks(tasks, mirror, own)
    fingerprints, others = _examine(names, loading)
    searched = ALL_INDEXES if ALL in indexes else tuple(dict.fromkeys((EXACT, *indexes)))
    isotropy_of = next((source for source in sources if source.type == "Retrieval"), sources[0]).name
    configuration = {
        "models": fingerprints,
        "compared with": names[0],
        "tasks": {source.name: revision(source.make()) for source in sources},
        "isotropy of": isotropy_of,
        "mirror": None if mirror is None else str(mirror.resolve()),
        "indexes": list(searched),
        **loading.named,
    }
    open_run(folder, configuration)
    shown = labels(names)
    unsearched = others if any(source.type == "Retrieval" for source in sources) else []
    identities, indexed = tuple(map(identity, sources)), () if unsearched else searched
    measuring = Measuring(TEST, tuple(sources), identities, isotropy_of, indexed, INDEX_SEEDS, batch_size)
    cells = _plan_cells(shown, fingerprints, measuring, folder, loading)
    measured = _run_cells(cells, backend, timing)
    failures = list(dict.fromkeys(failure.reason for run in measured.values() for failure in run.failures))
    if not any(run.tasks for run in measured.values()):
        raise UserError(failures[0])
    notes = _notes(sources, isotropy_of, measured) + [no_faiss_check(shown[name]) for name in unsearched]
    notes += [f"The models are loaded with {name} {value}." for name, value in loading.named.items()]
    summary = _summarize(sources, isotropy_of, measured, notes, failures, timing)
    write_report(summary, folder)
    console = wide_console()
    print_report(summary, console)
    console.print(
        f"Everything is in {folder}: report.html, report.md, summary.json, and per-query scores under cells/.",
        markup=False,
    )
    return summary


def _examine(names: Sequence[str], loading: Loading) -> tuple[dict[str, str], list[str]]:
    """The fingerprint of every model, and the models whose own similarity ranks otherwise than cosine does."""
    fingerprints, others = {}, []
    for name in names:  # one at a time, because together they may not fit into memory
        model, fingerprints[name] = start_model(name, as_it_is=True, loading=loading)
        if not is_scored_by_cosine(model):
            others.append(name)
    return fingerprints, others


def _plan_cells(
    shown: Mapping[str, str], fingerprints: Mapping[str, str], measuring: Measuring, folder: Path, loading: Loading
) -> list[Cell]:
    """One cell a model; the first decides the settings of the indexes."""
    cells: list[Cell] = []
    for name, label in shown.items():
        first = cells[0] if cells else None
        fingerprint = fingerprints[name]
        cells.append(Cell(label, name, fingerprint, None, None, measuring, folder, first, True, loading))
    return cells


def _run_cells(cells: Sequence[Cell], backend: Backend, timing: Timing) -> dict[str, Measured]:
    """Measure the first model, whose indexes the others take, and then the others."""
    console = wide_console()
    with timing, backend.opened() as jobs:
        alone = not backend.address and jobs == 1
        measured = [
            run
            for some in (cells[:1], cells[1:])
            for run in run_cells(some, "measuring models", jobs, timing, console, alone)
        ]
    return {cell.label: run for cell, run in zip(cells, measured, strict=True)}


def _summarize(
    sources: Sequence[TaskSource],
    isotropy_of: str,
    measured: Mapping[str, Measured],
    notes: Sequence[str],
    failures: Sequence[str],
    timing: Timing,
) -> Summary:
    """Every model beside the first, in all that both of them have."""
    first, *others = measured
    runs = {name: [run] for name, run in measured.items()}
    names = " and ".join(measured)
    section = build_section(names, isotropy_of, runs, [Pair(other, first) for other in others])
    over_exact = gains_over_exact(section, measured[first].duplicates)
    return Summary(
        title=f"{names} on {', '.join(source.name for source in sources)}",
        sections=[section],
        notes=[*notes, *left_out_indexes(measured[first]), *over_exact],
        timing=Cost(**timing.read(), indexes={}),
        missing=list(failures),
    )


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


def _notes(sources: Sequence[TaskSource], isotropy_of: str, measured: Mapping[str, Measured]) -> list[str]:
    notes = [*(source.note for source in sources if source.note), *_untrained(measured)]
    isotropy = f"Isotropy is measured on the texts of {isotropy_of}"
    failed = [model for model, run in measured.items() if isotropy_of in {failure.task for failure in run.failures}]
    if failed:
        isotropy += f", without {', '.join(failed)}, for which these failed"
    elif not any(run.isotropy for run in measured.values()):
        isotropy = f"Isotropy is not measured: {isotropy_of} has one text, and a cloud takes two"
    isotropy += "."
    return [*notes, isotropy, *superseded(sources), "Scores are in points of 100."]


def _untrained(measured: Mapping[str, Measured]) -> Iterator[str]:
    """A sentence for each model whose dimension is too large for an index of another model and a corpus."""
    corpora = dict.fromkeys(corpus for run in measured.values() for corpus in run.retrieval)
    for corpus in corpora:
        indexes = {
            model: {score.quality.name for score in run.retrieval[corpus]}
            for model, run in measured.items()
            if corpus in run.retrieval
        }
        for model, found in indexes.items():
            if lacking := sorted(set().union(*indexes.values()) - found):
                yield f"{corpus} has too few documents for {', '.join(lacking)} at the dimension of {model}."
