"""Unmodified mteb tasks by name, type or benchmark, with data from the hub or from a folder laid out like it."""

import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import mteb
from huggingface_hub import constants
from mteb.abstasks import AbsTask
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.abstasks.task_metadata import TaskType

from evaluation.errors import UserError
from evaluation.files import folder_hash
from evaluation.models.hub import hub_reachable
from evaluation.tasks.hub_cache import cached_by, take_from_hub_cache
from evaluation.tasks.loading import load_within
from evaluation.tasks.source import TaskSource
from evaluation.tasks.tune_report import PARTS, take_part

TASK_TYPES: tuple[str, ...] = get_args(TaskType)
_WITH_SUBSETS = re.compile(r"(?P<name>.+)\[(?P<subsets>[^\[\]]+)\]")


@cache
def known_names() -> list[str]:
    """Every name that `find_tasks` knows: tasks, task types and benchmarks."""
    tasks = [task.metadata.name for task in mteb.get_tasks(exclude_superseded=False)]
    return [*tasks, *TASK_TYPES, *(benchmark.name for benchmark in mteb.get_benchmarks())]


def find_tasks(name: str, split: str, mirror: Path | None) -> list[TaskSource] | None:
    """Find the tasks that a name stands for.

    Args:
        name: A task's name, or some of its subsets ("STS17[en-en]"); a task type, for its English text
            tasks; or the name of a benchmark.
        split: A split, or "tune" or "report" for a part of the test split; empty for the splits that mteb evaluates.
        mirror: Folder laid out as on the hub (`<mirror>/mteb/stsbenchmark-sts/...`); None for the hub.

    Returns:
        One source for each task, or None if there is no such name.

    Raises:
        UserError: A task has no such subset, or cannot be divided into parts.
    """
    tasks = _named(name)
    return None if tasks is None else [_source(task, split, mirror) for task in tasks]


def _named(name: str) -> list[AbsTask] | None:
    if name in TASK_TYPES:
        return _english(name)
    if name in {benchmark.name for benchmark in mteb.get_benchmarks()}:
        return list(mteb.get_benchmark(name).tasks)
    if found := _WITH_SUBSETS.fullmatch(name):
        task = _one(found["name"])
        return None if task is None else [_restricted(task, found["subsets"].split(","))]
    task = _one(name)
    return None if task is None else [task]


def _english(task_type: str) -> list[AbsTask]:
    """The text tasks of a type that have subsets in English and no other language, with these subsets only."""
    found = mteb.get_tasks(
        task_types=[task_type],  # pyright: ignore[reportArgumentType]
        languages=["eng"],
        modalities=["text"],
        exclusive_modality_filter=True,
        exclude_aggregate=True,
    )
    tasks = []
    for task in found:
        languages = task.metadata.hf_subsets_to_langscripts
        english = [subset for subset in task.hf_subsets if {code[:3] for code in languages[subset]} == {"eng"}]
        if english:
            tasks.append(task.filter_languages(None, hf_subsets=english))
    return tasks


def _one(name: str) -> AbsTask | None:
    try:
        return mteb.get_task(name)
    except KeyError:
        return None


def _restricted(task: AbsTask, subsets: list[str]) -> AbsTask:
    missing = [subset for subset in subsets if subset not in task.metadata.hf_subsets]
    if missing:
        raise UserError(
            f"{task.metadata.name} has no subset {', '.join(missing)}; it has {', '.join(task.metadata.hf_subsets)}."
        )
    return task.filter_languages(None, hf_subsets=subsets)


def _source(task: AbsTask, split: str, mirror: Path | None) -> TaskSource:
    """How to make this very task again, in any process."""
    name, metadata = task.metadata.name, task.metadata
    subsets = () if list(task.hf_subsets) == list(metadata.hf_subsets) else tuple(task.hf_subsets)
    part = split if split in PARTS else ""
    wanted = [split] if split and not part else list(task.eval_splits)
    splits = () if wanted == list(metadata.eval_splits) else tuple(wanted)  # one name for one task
    shown = f"[{','.join(subsets)}]" if subsets else ""
    shown += "".join(f":{name}" for name in (",".join(splits), part) if name)
    make = partial(make_task, name, subsets, splits, part, mirror)
    if part:
        make()  # raises now if the task cannot be divided
    return TaskSource(name + shown, metadata.type, make, shown.lstrip(":"))


def make_task(name: str, subsets: Sequence[str], splits: Sequence[str], part: str, mirror: Path | None) -> AbsTask:
    """Make a fresh instance of an mteb task.

    Args:
        name: The task's name.
        subsets: Its subsets; none for all.
        splits: Its splits; none for those that mteb evaluates.
        part: "tune" or "report"; empty for the whole split.
        mirror: Where its data are; None for the hub.
    """
    task = mteb.get_task(name, hf_subsets=list(subsets) or None, eval_splits=list(splits) or None)
    if isinstance(task, AbsTaskAggregate):  # mteb keeps the tasks it is made of for the next model
        fresh = [mteb.get_task(single.metadata.name, hf_subsets=single.hf_subsets) for single in task.metadata.tasks]
        task.metadata = task.metadata.model_copy(update={"tasks": fresh})
    for single in single_tasks(task):
        if mirror is None:
            take_from_hub_cache(single)
        else:
            _take_from(mirror, single)
    return take_part(task, part) if part else task


def _take_from(mirror: Path, task: AbsTask) -> None:
    """Let a task load its data from a mirror; its revision is then a hash of them, so that no results are confused."""
    folder = _current(mirror / task.metadata.dataset["path"])
    dataset: Any = {**task.metadata.dataset, "path": str(folder)}
    if folder.is_dir():  # else `check_data` says so
        dataset["revision"] = folder_hash(folder)
        load_within(task, partial(cached_by, dataset["revision"]))
    task.metadata = task.metadata.model_copy(update={"dataset": dataset})


def _current(folder: Path) -> Path:
    """Where the hub's cache keeps several revisions of the data, the folder of that which it loads."""
    main = folder / "refs" / "main"
    return folder / "snapshots" / main.read_text(encoding="utf-8").strip() if main.is_file() else folder


def single_tasks(task: AbsTask) -> list[AbsTask]:
    """The tasks with data of their own: those that an aggregate is made of, or the task itself."""
    return list(task.metadata.tasks) if isinstance(task, AbsTaskAggregate) else [task]


def revision(task: AbsTask) -> str:
    """What tells a task's data from others, those of all tasks that an aggregate is made of."""
    datasets = [single.metadata.dataset for single in single_tasks(task)]
    return ", ".join(f"{dataset['path']} {dataset['revision']}" for dataset in datasets)


def identity(source: TaskSource) -> str:
    """What determines a source's rows: its data, and what is left out of them."""
    return " ".join(filter(None, (revision(source.make()), source.note, source.left_out)))


def superseded(sources: Sequence[TaskSource]) -> list[str]:
    """A sentence for each task that mteb has a newer version of."""
    tasks = [single.metadata for source in sources for single in single_tasks(source.make())]
    newer = {task.name: task.superseded_by for task in tasks if task.superseded_by}
    return [f"{name} is superseded by {by}, says mteb." for name, by in newer.items()]


def check_data(sources: Sequence[TaskSource], mirror: Path | None) -> None:
    """Refuse tasks whose data cannot be found, before anything runs.

    Args:
        sources: Tasks out of `find_tasks`.
        mirror: Folder laid out as on the hub; None for the hub.

    Raises:
        UserError: The mirror does not have the data, or there is no mirror and the hub cannot be reached.
    """
    if mirror is None:
        if sources and not (hub_reachable() or constants.is_offline_mode()):
            names = [source.name for source in sources]
            few = ", ".join(names[:3]) + (f" and {len(names) - 3} more tasks" if len(names) > 3 else "")
            raise UserError(
                f"The data of {few} are on the hub, and {constants.ENDPOINT} cannot be reached; give a "
                "local copy with --mirror DIR, or set HF_HUB_OFFLINE=1 if an earlier run loaded them."
            )
        return
    missing = {source.name: folders for source in sources if (folders := list(_missing(source.make(), mirror)))}
    if not missing:
        return
    there = [_quoted(source.name) for source in sources if source.name not in missing]
    lacking = ", ".join(f"{name} ({', '.join(folders)})" for name, folders in missing.items())
    raise UserError(
        f"The mirror {mirror} does not have the data of {lacking}: add them, laid out as on the hub, leave --mirror "
        "out to use the hub" + (f", or name what it has with --tasks {' '.join(there)}." if there else ".")
    )


def _missing(task: AbsTask, mirror: Path) -> Iterator[str]:
    for single in single_tasks(task):
        folder = Path(single.metadata.dataset["path"])
        if not folder.is_dir():
            yield folder.relative_to(mirror).as_posix()


def _quoted(name: str) -> str:
    """A name as a shell takes it."""
    return f"'{name}'" if re.search(r"[^\w.:-]", name) else name
