"""Data in the cache of the hub's client, for a machine without the hub: `datasets` itself reads only its own cache."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from datasets import config
from huggingface_hub import constants
from mteb.abstasks import AbsTask

from evaluation.tasks.loading import load_within

_NO_DATA = ("README.md", "dataset_infos.json")


@contextmanager
def cached_by(revision: str) -> Iterator[None]:
    """Let `datasets` cache under a revision: it takes two folders of one name for the same data."""
    before = config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH
    root = Path(before[0]) / "mirrors" / revision
    config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH = root, root / "downloads"
    try:
        yield
    finally:
        config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH = before


def take_from_hub_cache(task: AbsTask) -> None:
    """Let a task load its data from the cache of the hub's client, where the hub is not asked and they are there."""
    if constants.is_offline_mode():
        load_within(task, partial(_within_snapshot, task))


def _within_snapshot(task: AbsTask) -> AbstractContextManager[None]:
    """A context in which a task's data are those of its snapshot; its revision stays, as it names the same data."""
    dataset = task.metadata.dataset
    repository = f"datasets--{dataset['path'].replace('/', '--')}"
    folder = Path(constants.HF_HUB_CACHE) / repository / "snapshots" / str(dataset["revision"])
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in _NO_DATA)
    if not any(not path.name.startswith(".") for path in files):
        return nullcontext()
    return _loading_from(task, folder)


@contextmanager
def _loading_from(task: AbsTask, folder: Path) -> Iterator[None]:
    before = task.metadata
    task.metadata = before.model_copy(update={"dataset": {**before.dataset, "path": str(folder)}})
    try:
        with cached_by(folder.name):
            yield
    finally:
        task.metadata = before
