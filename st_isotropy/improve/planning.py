"""Which candidates are tried on a task, and which of the options that say so make no sense."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from st_isotropy.improve.adapter import ADAPTER, AS_IT_IS, FEWEST_QUERIES, losses_for
from st_isotropy.improve.candidates import pick_transforms, table_of_transforms
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.selection import CHOSEN, CHOSEN_TRANSFORM, Plan
from st_isotropy.improve.tasks import SearchTask, Task
from st_isotropy.posthoc import PostHoc


def make_plan(
    task: Task,
    candidates: str | Sequence[str] | Mapping[str, PostHoc] | None,
    dimensions: int | None,
    queries_only: bool,
    seed: int,
) -> Plan:
    """Decide what is tried; a `ValueError` says which option makes no sense."""
    width = task.width
    if dimensions is not None and not 1 < dimensions < width:
        raise ValueError(f"The option dimensions is {dimensions}; use a number from 2 to {width - 1}, below the width.")
    if queries_only and not isinstance(task, SearchTask):
        raise ValueError("Scored pairs have no side that is the query; leave queries_only out.")
    if queries_only and dimensions is not None:
        raise ValueError("Documents that stay as they are keep their dimensions; use queries_only or dimensions alone.")
    # Cut embeddings are compared as they would be saved; whole ones are as the model gives them.
    as_it_is = AffineMap.keeping(
        dimensions or width, width, queries_only, unit_rows=task.unit_rows and dimensions is not None
    )
    if isinstance(candidates, Mapping):
        _check_own_transforms(candidates, queries_only)
        return Plan(dict(candidates), (), as_it_is, seed=seed)
    table = {} if queries_only else table_of_transforms(len(task.fitting_rows), width, dimensions)
    transforms, adapter = pick_transforms(table, candidates)
    is_trained = adapter and trains_adapter(task.groups, is_asked_for=candidates is not None or queries_only)
    return Plan(transforms, losses_for(task) if is_trained else (), as_it_is, seed=seed)


def trains_adapter(groups: NDArray[np.int64], is_asked_for: bool) -> bool:
    """Whether there are enough independent items to train an adapter on; a `ValueError` where one is asked for."""
    independent = len(np.unique(groups))
    if is_asked_for and independent < FEWEST_QUERIES:
        raise ValueError(
            f"The adapter is trained on at least {FEWEST_QUERIES} queries or pairs that share no text, and of these "
            f"{len(groups)} there are {independent}; add some, or try other candidates."
        )
    return independent >= FEWEST_QUERIES


def _check_own_transforms(transforms: Mapping[str, PostHoc], queries_only: bool) -> None:
    if queries_only:
        raise ValueError(
            "Transforms of your own change documents, too; leave out queries_only, or leave candidates out to train an "
            "adapter of the queries."
        )
    taken = [name for name in transforms if name in (AS_IT_IS, ADAPTER, CHOSEN_TRANSFORM, CHOSEN)]
    if taken:
        raise ValueError(f"The name {taken[0]!r} is that of another row of the table; name the transform differently.")
