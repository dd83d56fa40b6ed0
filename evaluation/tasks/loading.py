"""A task's data, loaded and checked: one error where they are missing, whatever library found out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from mteb.abstasks import AbsTask, AbsTaskClassification

from evaluation.errors import UserError
from evaluation.files import NO_MORE_FILES
from evaluation.tasks.split_rows import subset_splits
from evaluation.tasks.whole_columns import read_columns_whole


def load(task: AbsTask) -> None:
    """Load a task's data, in mteb's present layout.

    Raises:
        UserError: They cannot be loaded, or a split is missing.
    """
    try:
        task.load_data()
    except (UserError, MemoryError):
        raise
    except Exception as error:  # of the hub, the files or the code of the task: the type says little
        if isinstance(error, OSError) and error.errno in NO_MORE_FILES:
            raise
        cure = _download(task) if isinstance(error, OSError) else ""
        raise _no_data(task, str(error).partition("\n")[0].rstrip("."), cure) from error
    loaded = task.dataset or {}
    lacking = [name for name in task.hf_subsets if name not in loaded]
    if lacking and loaded.keys() <= set(task.metadata.hf_subsets):
        cure = f"name subsets that are there, such as '{task.metadata.name}[{min(loaded)}]', or " if loaded else ""
        raise _no_data(task, f"the subsets {', '.join(lacking)} are missing", cure)
    for splits in subset_splits(task):
        missing = set(task.eval_splits) - set(splits)
        if missing:
            raise UserError(
                f"{task.metadata.name} ({task.metadata.dataset['path']}) has no split {', '.join(sorted(missing))}; "
                f"it has {', '.join(splits)}: name one of these, or give a complete local copy, laid out as on the "
                "hub, with --mirror DIR."
            )
        if isinstance(task, AbsTaskClassification):
            read_columns_whole(splits)


def load_within(task: AbsTask, context: Callable[[], AbstractContextManager[object]]) -> None:
    """Let a task load its data within a context, which can change how they are loaded, and then the data themselves.

    Args:
        task: A task without data, which is changed.
        context: Makes the context; entered before the data are loaded, and left afterwards.
    """
    load_data = task.load_data

    def load_once(*args: Any, **kwargs: Any) -> None:
        if not task.data_loaded:
            with context():
                load_data(*args, **kwargs)

    task.load_data = load_once


def _download(task: AbsTask) -> str:
    """How to get data that are not in the cache, where the hub is not asked for them."""
    dataset = task.metadata.dataset
    if not constants.is_offline_mode() or Path(dataset["path"]).is_dir():
        return ""
    command = f"hf download --repo-type dataset {dataset['path']} --revision {dataset['revision']}"
    return f"run `{command}` where the hub can be reached, or "


def _no_data(task: AbsTask, reason: str, cure: str = "") -> UserError:
    return UserError(
        f"The data of {task.metadata.name} ({task.metadata.dataset['path']}) cannot be loaded ({reason}): "
        f"{cure}give a complete local copy, laid out as on the hub, with --mirror DIR."
    )
