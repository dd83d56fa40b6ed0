"""The label-free transforms that are tried; one table, of which a user can name a part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from st_isotropy.improve.adapter import ADAPTER, AS_IT_IS
from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.tasks import Task
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.posthoc import AllButTheTop, Center, PostHoc, ProjectOutMean, SpectralPower, Whitening

_SMALL_SHRINKAGE = 0.01  # where there are hardly more embeddings than dimensions


def table_of_transforms(count: int, width: int, kept: int | None = None) -> dict[str, PostHoc]:
    """List the label-free transforms by name.

    Args:
        count: Number of embeddings that they will be fitted to.
        width: Their dimensions.
        kept: Number of dimensions to keep; None keeps all.

    Returns:
        The transforms. With fewer dimensions, PCA is there instead of what differs from it only by a shift.
    """
    shrinkage = 0.0 if count > 2 * width else _SMALL_SHRINKAGE
    removed = [number for number in dict.fromkeys((1, 3, max(1, round(width / 100)))) if number + (kept or 0) < width]
    powers: dict[str, PostHoc] = {
        f"SpectralPower({gamma})": SpectralPower(gamma, shrinkage, kept) for gamma in (0.25, 0.5, 0.75)
    }
    whitenings: dict[str, PostHoc] = {
        f"Whitening({share})": Whitening(shrinkage=share, components=kept) for share in (0.01, 0.03, 0.1, 0.3)
    }
    tops: dict[str, PostHoc] = {f"AllButTheTop({number})": AllButTheTop(number, kept) for number in removed}
    first: dict[str, PostHoc] = (
        {"Center": Center(), "ProjectOutMean": ProjectOutMean()}
        if kept is None
        else {"PCA": SpectralPower(0.0, max(shrinkage, 1e-6), kept)}
    )
    return first | tops | powers | whitenings


def pick_transforms(table: dict[str, PostHoc], names: str | Sequence[str] | None) -> tuple[dict[str, PostHoc], bool]:
    """Pick candidates by name.

    Args:
        table: All transforms by name.
        names: Names of candidates, such as "Center", "SpectralPower" for all of its powers, "SpectralPower(0.5)" or
            "adapter"; a single name is a list of one, None picks all.

    Returns:
        The transforms, and whether the adapter is a candidate.

    Raises:
        ValueError: If a name is unknown.
    """
    if names is None:
        return table, True
    names = [names] if isinstance(names, str) else names
    picked: dict[str, PostHoc] = {}
    for name in names:
        matching = {own: transform for own, transform in table.items() if name in (own, own.partition("(")[0])}
        if not matching and name != ADAPTER:
            known = ", ".join([*dict.fromkeys(own.partition("(")[0] for own in table), ADAPTER])
            raise ValueError(f"There is no candidate {name!r}; choose from {known}, or one of them with its number.")
        picked |= matching
    return {name: transform for name, transform in table.items() if name in picked}, ADAPTER in names


@dataclass(frozen=True, eq=False)
class FittedCandidates:
    """Label-free candidates, fitted, and what they score on the items of a task.

    Attributes:
        maps: Map of each candidate by name; `AS_IT_IS` comes first.
        values: What `Task.evaluate` gives for each, in the order of the items.
    """

    maps: dict[str, AffineMap]
    values: dict[str, NDArray[np.float64]]

    def part(self, items: NDArray[np.int64]) -> "FittedCandidates":
        """Keep the scores of some items."""
        return FittedCandidates(self.maps, {name: values[items] for name, values in self.values.items()})


def fit_candidates(task: Task, transforms: dict[str, PostHoc], as_it_is: AffineMap) -> FittedCandidates:
    """Fit each transform to the task's texts, and score every item with it.

    Args:
        task: The task.
        transforms: Transforms by name.
        as_it_is: What is done without any: nothing, or keeping the first dimensions.

    Raises:
        ValueError: If dimensions are to be cut and a transform keeps another number of them.
    """
    maps = {AS_IT_IS: as_it_is}
    if transforms:
        cloud = as_cloud(task.fitting_rows)
        for name, transform in transforms.items():
            maps[name] = AffineMap.of_dense(transform.fit_embeddings(cloud), task.unit_rows)
            _check_kept(name, len(maps[name].matrix), as_it_is)
    return FittedCandidates(maps, {name: task.evaluate(map_) for name, map_ in maps.items()})


def _check_kept(name: str, kept: int, as_it_is: AffineMap) -> None:
    asked, width = as_it_is.matrix.shape
    if kept != asked < width:
        raise ValueError(
            f"The candidate {name!r} keeps {kept} dimensions, but {asked} are asked for; give it a transform such as "
            f"SpectralPower(0.0, components={asked}), or leave the option dimensions out."
        )
