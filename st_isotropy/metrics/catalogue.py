"""Every measure of a cloud in one call, each with its range, its value for an isotropic cloud, and a reading."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import hyp0f1
from torch.nn.functional import normalize

from st_isotropy.metrics import angular, hubness, spectral, topology
from st_isotropy.metrics.cloud import Cloud, Points, Similarity, as_cloud

MOST_SEARCHED = 10_000  # rows of the simulated cloud whose neighbors are searched


@dataclass(frozen=True)
class Measure:
    """One measure of one cloud.

    Attributes:
        value: The value measured.
        isotropic: The value that an isotropic cloud of the same `n` and `d` has: in closed form where there is one,
            otherwise simulated with rows uniform on a sphere and a fixed seed.
        low: Smallest value the measure can take.
        high: Largest value the measure can take.
        level: 0 when the value is unremarkable, 1 when it is worth a look, 2 when it is far from isotropic.
        reading: What the level means, in a few words.
        points: Number of rows the value rests on.
    """

    value: float
    isotropic: float
    low: float
    high: float
    level: int
    reading: str
    points: int


@dataclass(frozen=True)
class _Definition:
    """How one measure is computed and read.

    `limits` are rules of thumb, not laws: the distance from isotropic, as `distance` computes it from the value and its
    isotropic value, at which the reading moves from the first of `readings` to the second and the third.
    """

    compute: Callable[[Cloud, Cloud | None], float]
    limits: tuple[float, float]
    readings: tuple[str, str, str]
    distance: Callable[[float, float], float] = lambda value, isotropic: value
    low: Callable[[int, int], float] = lambda n, d: 0.0
    high: Callable[[int, int], float] = lambda n, d: 1.0
    closed_form: Callable[[int, int], float] | None = None
    sampled: bool = False
    searched: bool = False


def _shrinkage(value: float, isotropic: float) -> float:
    """How many times smaller than isotropic."""
    return isotropic / value if value > 0 else math.inf


def _growth(value: float, isotropic: float) -> float:
    """How many times larger than isotropic."""
    return value / isotropic if isotropic > 0 else value


def _excess(value: float, isotropic: float) -> float:
    return value - isotropic


_DIRECTIONS = ("variance is spread out", "some directions dominate", "few directions hold the variance")
_DIMENSION = ("as many directions as expected", "locally fewer dimensions", "locally few dimensions")


def _spectral_participation(n: int, d: int) -> float:
    return max((n - 1) * d / (n + d - 2), 1.0)


CATALOGUE: dict[str, _Definition] = {
    "average_cosine": _Definition(
        lambda cloud, _: angular.average_cosine(cloud),
        limits=(0.3, 0.6),
        readings=("no common direction", "a cone: rows share a direction", "a narrow cone: all rows look alike"),
        low=lambda n, d: -1 / (n - 1),
        closed_form=lambda n, d: 0.0,
    ),
    "average_cosine_centered": _Definition(
        lambda cloud, _: angular.average_cosine(cloud, center=True),
        limits=(0.1, 0.3),
        readings=("centering removes the cone", "a lopsided cloud", "a very lopsided cloud"),
        low=lambda n, d: -1 / (n - 1),
        closed_form=lambda n, d: -1 / (n - 1),
    ),
    "isoscore": _Definition(
        lambda cloud, _: spectral.isoscore(cloud),
        limits=(3, 10),
        readings=_DIRECTIONS,
        distance=_shrinkage,
        closed_form=lambda n, d: (_spectral_participation(n, d) - 1) / (d - 1),
    ),
    "participation_ratio": _Definition(
        lambda cloud, _: spectral.participation_ratio(cloud),
        limits=(3, 10),
        readings=_DIRECTIONS,
        distance=_shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
        closed_form=_spectral_participation,
    ),
    "effective_rank": _Definition(
        lambda cloud, _: spectral.effective_rank(cloud),
        limits=(1.5, 3),
        readings=("nearly full rank", "reduced rank", "low rank"),
        distance=_shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "effective_rank_uncentered": _Definition(
        lambda cloud, _: spectral.effective_rank(cloud, center=False),
        limits=(1.5, 3),
        readings=("nearly full rank", "reduced rank, or a cone", "low rank, or a narrow cone"),
        distance=_shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "first_component_share": _Definition(
        lambda cloud, _: spectral.first_component_share(cloud),
        limits=(0.1, 0.3),
        readings=("no dominant direction", "a strong first direction", "one direction dominates"),
        low=lambda n, d: 1 / d,
    ),
    "largest_coordinate_share": _Definition(
        lambda cloud, _: spectral.largest_coordinate_share(cloud),
        limits=(10, 50),
        readings=("no rogue dimension", "a coordinate stands out", "a rogue dimension rules the cosine"),
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "partition_ratio": _Definition(
        lambda cloud, _: spectral.partition_ratio(cloud),
        limits=(1.3, 2),
        readings=("no direction stands out", "a direction stands out", "a direction stands far out"),
        distance=_shrinkage,
    ),
    "second_moment": _Definition(
        lambda cloud, _: angular.second_moment(cloud),
        limits=(5, 20),
        readings=("near orthogonal", "rows overlap", "rows overlap strongly"),
        high=lambda n, d: d,
        closed_form=lambda n, d: 1.0,
    ),
    "uniformity": _Definition(
        lambda cloud, _: angular.uniformity(cloud),
        limits=(0.8, 2),
        readings=("spread over the sphere", "part of the sphere is empty", "most of the sphere is empty"),
        distance=_excess,
        low=lambda n, d: -8.0,
        high=lambda n, d: 0.0,
        closed_form=lambda n, d: -4 + math.log(hyp0f1(d / 2, 4)),
        sampled=True,
    ),
    "hubness_skewness": _Definition(
        lambda cloud, _: hubness.hubness_skewness(cloud),
        limits=(2, 4),
        readings=("no hubs", "some hubs", "strong hubs"),
        low=lambda n, d: -math.inf,
        high=lambda n, d: math.sqrt(n),
        searched=True,
    ),
    "anti_hub_share": _Definition(
        lambda cloud, _: hubness.anti_hub_share(cloud),
        limits=(0.05, 0.15),
        readings=("nearly every row can be found", "some rows are never found", "many rows are never found"),
        searched=True,
    ),
    "largest_hub": _Definition(
        lambda cloud, _: hubness.largest_hub(cloud),
        limits=(4, 12),
        readings=("no row is everywhere", "one row is in many lists", "one row is nearly everywhere"),
        distance=_growth,
        high=lambda n, d: n - 1,
        searched=True,
    ),
    "mean_mst_length": _Definition(
        lambda cloud, _: topology.mean_mst_length(cloud),
        limits=(1.5, 3),
        readings=("neighbors keep their distance", "neighbors are close", "neighbors nearly coincide"),
        distance=_shrinkage,
        high=lambda n, d: 2.0,
        sampled=True,
    ),
    "persistent_entropy": _Definition(
        lambda cloud, _: topology.persistent_entropy(cloud),
        limits=(0.01, 0.05),
        readings=("bars are alike", "some bars stand out: clusters", "few bars stand out: tight clusters"),
        distance=lambda value, isotropic: isotropic - value,
        sampled=True,
    ),
    "persistent_entropy_nats": _Definition(
        lambda cloud, _: topology.persistent_entropy(cloud, normalize=False),
        limits=(0.08, 0.4),
        readings=("bars are alike", "some bars stand out: clusters", "few bars stand out: tight clusters"),
        distance=lambda value, isotropic: isotropic - value,
        high=lambda n, d: math.log(max(n - 1, 2)),
        sampled=True,
    ),
    "twonn_dimension": _Definition(
        lambda cloud, _: topology.twonn_dimension(cloud),
        limits=(2, 5),
        readings=_DIMENSION,
        distance=_shrinkage,
        high=lambda n, d: math.inf,
        sampled=True,
    ),
    "ph_dimension": _Definition(
        lambda cloud, _: topology.ph_dimension(cloud),
        limits=(2, 5),
        readings=_DIMENSION,
        distance=_shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: math.inf,
        sampled=True,
    ),
}


def isotropy(
    embeddings: Points,
    *,
    names: Sequence[str] | None = None,
    similarity: Similarity = "cosine",
    sample_size: int = 2000,
    seed: int = 0,
) -> dict[str, Measure]:
    """Measure the isotropy of embeddings in every way the catalogue knows, beside what an isotropic cloud would give.

    Args:
        embeddings: Rows of shape `(n, d)`.
        names: Measures to compute; all of them when not given.
        similarity: The model's similarity function. Under cosine the rows are L2-normalized first.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of that sample and of the simulated isotropic cloud.

    Returns:
        A `Measure` for each name, in the order asked for.

    Raises:
        ValueError: If the rows are not a finite `(n, d)` array, or a name is unknown.

    Example:
        >>> measures = isotropy(torch.eye(8), names=["average_cosine", "isoscore"])
        >>> measures["average_cosine"].value, measures["average_cosine"].reading
        (0.0, 'no common direction')
    """
    chosen = check_names(names)
    cloud = as_cloud(embeddings, similarity, sample_size=sample_size, seed=seed)
    count, width = cloud.points.shape
    radius = cloud.second_moments.trace().sqrt().item()
    isotropic = isotropic_values(chosen, count, width, round(radius, 6), cloud.sample_size, cloud.seed)
    return {name: _measure(name, cloud, isotropic[name]) for name in chosen}


def check_names(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the measures asked for, all when `names` is None; raise a `ValueError` on an unknown one."""
    for name in names or ():
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4) or list(CATALOGUE)
            raise ValueError(f"There is no measure {name!r}; did you mean {', '.join(near)}?")
    return tuple(CATALOGUE if names is None else names)


@lru_cache(maxsize=64)
def isotropic_values(
    names: tuple[str, ...], count: int, width: int, radius: float = 1.0, sample_size: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Compute what each measure gives for `count` rows uniform on a sphere in `width` dimensions.

    Closed forms are used where there are any. Otherwise one cloud is simulated; its neighbors are searched among at
    most `MOST_SEARCHED` rows.

    Args:
        names: Measures to compute.
        count: Number of rows.
        width: Number of dimensions.
        radius: Norm of each row.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of the simulation.

    Returns:
        A value for each name.
    """
    cloud = Cloud(simulate_isotropic(count, width, radius, seed), sample_size=sample_size, seed=seed)
    searched = Cloud(cloud.points[:MOST_SEARCHED]) if count > MOST_SEARCHED else cloud
    values = {}
    for name in names:
        definition = CATALOGUE[name]
        if definition.closed_form is not None:
            values[name] = float(definition.closed_form(count, width))
        else:
            values[name] = definition.compute(searched if definition.searched else cloud, None)
    return values


def simulate_isotropic(count: int, width: int, radius: float = 1.0, seed: int = 0) -> torch.Tensor:
    """Draw `count` rows uniformly from the sphere of the given radius in `width` dimensions, in float32."""
    rows = np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
    return normalize(torch.from_numpy(rows), dim=1) * radius


def _measure(name: str, cloud: Cloud, isotropic: float) -> Measure:
    definition = CATALOGUE[name]
    value = definition.compute(cloud, None)
    level = sum(definition.distance(value, isotropic) >= limit for limit in definition.limits)
    count, width = cloud.points.shape
    points = min(count, cloud.sample_size) if definition.sampled else count
    return Measure(
        value=value,
        isotropic=isotropic,
        low=float(definition.low(points, width)),
        high=float(definition.high(points, width)),
        level=level,
        reading=definition.readings[level],
        points=points,
    )
