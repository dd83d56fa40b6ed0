"""The tasks that the user names: of mteb by name, type, benchmark or preset, and data sets on disk."""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import cast

from mteb.abstasks import AbsTask

from evaluation.data.docstrings import Corpus, docstring_corpus
from evaluation.data.labelled import find_labelled
from evaluation.errors import UserError
from evaluation.files import cache_root, file_name
from evaluation.tasks.docstrings import DOCSTRING_TASKS
from evaluation.tasks.heads import ENDING as HEAD
from evaluation.tasks.heads import head_task
from evaluation.tasks.mteb import check_data, find_tasks, known_names
from evaluation.tasks.own import OwnTask, folder_tasks
from evaluation.tasks.own_types import OwnData
from evaluation.tasks.presets import PRESETS
from evaluation.tasks.source import TaskSource as TaskSource
from evaluation.tasks.tune_report import PARTS, take_part

DOCSTRINGS = "docstrings"


def docstring_tasks(corpus: Callable[[], Corpus], part: str = "") -> list[TaskSource]:
    """The three tasks of the held-out docstrings, or of their part "tune" or "report".

    Args:
        corpus: Reads the docstrings. Every cell of a study is sent to a process with its tasks, but not with a corpus.
        part: "tune" or "report"; empty for all.
    """
    return [
        TaskSource(
            _with_split(kind.metadata.name, part), kind.metadata.type, partial(_of_corpus, kind, corpus, part), part
        )
        for kind in DOCSTRING_TASKS
    ]


def _of_corpus(kind: Callable[[Corpus], AbsTask], corpus: Callable[[], Corpus], part: str) -> AbsTask:
    return take_part(kind(corpus()), part) if part else kind(corpus())


@cache
def _docstrings() -> Corpus:
    return docstring_corpus(cache_root())


def resolve_tasks(specs: Sequence[str], mirror: Path | None = None, folders: Sequence[Path] = ()) -> list[TaskSource]:
    """Find the tasks that the user names, each once, in the order of the names.

    Args:
        specs: Each the name of an mteb task ("STSBenchmark", or "STS17[en-en]" for some of its subsets), an mteb task
            type ("STS": its English text tasks), an mteb benchmark ("NanoBEIR"), a preset of `evaluation.tasks.presets`
            ("quick", "nanobeir", "full"), "docstrings" for the three tasks of the quickstart, a data set in one of the
            folders, or one with labels and "-head" behind its name, for models with a linear head. ":validation" or
            another split can follow, or ":tune" or ":report" for a third or the other two thirds of the test split.
            None for everything in the folders, without the heads.
        mirror: Folder laid out as on the hub (`<mirror>/mteb/stsbenchmark-sts/...`); without it data come from the hub.
        folders: Folders with your own data sets, see `evaluation.tasks.own`.

    Raises:
        UserError: A name, split or subset is unknown, a data set is broken or missing from the mirror, the hub cannot
            be reached, or nothing is named.

    Example:
        >>> [task.name for task in resolve_tasks(["STS17[en-en]", "STSBenchmark:tune"])]  # doctest: +SKIP
        ['STS17[en-en]', 'STSBenchmark:tune']
    """
    # Absolute, because worker processes may run elsewhere.
    mirror = None if mirror is None else mirror.absolute()
    if mirror is not None and not mirror.is_dir():
        wrong = f"{mirror} is a file" if mirror.exists() else f"There is no folder {mirror}"
        raise UserError(f"{wrong}: name the folder of the mirror with --mirror, or leave it out to use the hub.")
    own = folder_tasks([folder.absolute() for folder in folders], specs)
    _check_own_names(own)
    if not specs and not own:
        raise UserError("There are no tasks: name some with --tasks, or give own data with --folder DIR.")
    found: dict[str, TaskSource] = {}
    from_mteb: dict[str, TaskSource] = {}
    for spec in specs or own:
        mine = _from_folders(spec, own) or _from_docstrings(spec) or _from_heads(spec, own)
        theirs = [] if mine else _from_mteb(spec, mirror, own)
        from_mteb |= {source.name: source for source in theirs}
        found |= {source.name: source for source in mine or theirs}
    check_data(list(from_mteb.values()), mirror)
    _check_files(found)
    return list(found.values())


def _from_folders(spec: str, own: dict[str, OwnTask]) -> list[TaskSource]:
    """A data set in one of the folders, read once so that broken data raise an error before anything runs."""
    name, split = _name_and_split(spec, own)
    if name not in own:
        return []
    source = own[name].source(split)
    task = cast(OwnData, source.make())
    task.load_data()
    return [replace(source, note=" ".join(filter(None, (source.note, task.remark))))]


def _from_heads(spec: str, own: dict[str, OwnTask]) -> list[TaskSource]:
    """A data set with labels and "-head" behind its name: how well a trained linear head does on it."""
    name, _, split = spec.partition(":")
    if not name.endswith(HEAD):
        return []
    labelled = find_labelled(name.removesuffix(HEAD), (task.data for task in own.values()))
    return [head_task(labelled).source(split)] if labelled else []


def _from_docstrings(spec: str) -> list[TaskSource]:
    name, _, part = spec.partition(":")
    if name != DOCSTRINGS:
        return []
    if part and part not in PARTS:
        raise UserError(f"The docstring tasks have no split {part}: they have the parts {' and '.join(PARTS)}.")
    return docstring_tasks(_docstrings, part)


def _from_mteb(spec: str, mirror: Path | None, own: dict[str, OwnTask]) -> list[TaskSource]:
    name, split = _name_and_split(spec, PRESETS)
    if name in PRESETS:
        return [source for task in PRESETS[name] for source in _from_mteb(_with_split(task, split), mirror, own)]
    name, _, split = spec.partition(":")
    found = find_tasks(name, split, mirror)
    if found == []:
        raise UserError(f"There are no English text tasks of the type {name}: name another type, or tasks.")
    if found is None:
        known = [*own, *PRESETS, DOCSTRINGS, *known_names()]
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"near names are {', '.join(near)}" if near else f"there are {len(known)}, none of a similar name"
        raise UserError(f"There is no task, task type, benchmark or preset {name!r}; {hint}.")
    return found


def _name_and_split(spec: str, names: Container[str]) -> tuple[str, str]:
    """A known name may hold colons; what follows the last colon behind it is a split."""
    name, _, split = spec.rpartition(":")
    return (name, split) if spec not in names and name in names else (spec, "")


def _with_split(spec: str, split: str) -> str:
    """A task of a preset on a split, or on its own where the user names none."""
    return f"{spec.partition(':')[0]}:{split}" if split else spec


def _check_own_names(own: dict[str, OwnTask]) -> None:
    for name, task in own.items():
        if name in PRESETS or name == DOCSTRINGS or find_tasks(name, "", None) is not None:
            raise UserError(
                f"The data set {name} in {task.data.folder} has the name of a task, type, benchmark or preset, so that "
                "scores could be confused: rename it."
            )


def _check_files(found: dict[str, TaskSource]) -> None:
    """Refuse names that would give one file where case does not count, as on Windows and macOS."""
    names: dict[str, str] = {}
    for name in found:
        other = names.setdefault(file_name(name).lower(), name)
        if other != name:
            raise UserError(f"The tasks {other} and {name} differ in case only: rename one, or leave it out.")
