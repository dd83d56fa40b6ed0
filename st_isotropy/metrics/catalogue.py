"""Every measure of a cloud in one call, each with its range, its value for an isotropic cloud, and a reading."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from torch.nn.functional import normalize

from st_isotropy.metrics.cloud import Cloud, Points, Similarity, as_cloud
from st_isotropy.metrics.definitions import CATALOGUE

# Rows of the simulated cloud whose neighbors are searched; isotropic hubness does not change from 2,000 to 20,000 rows.
MOST_SEARCHED = 10_000
MOST_NORMS = 1001


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


def isotropy(
    embeddings: Points,
    *,
    queries: Points | None = None,
    partners: Points | None = None,
    names: Sequence[str] | None = None,
    similarity: Similarity = "cosine",
    sample_size: int = 2000,
    seed: int = 0,
) -> dict[str, Measure]:
    """Measure the isotropy of embeddings in every way the catalogue knows, beside what an isotropic cloud would give.

    Args:
        embeddings: Rows of shape `(n, d)`; the corpus, where there are queries. A `Cloud` keeps its own similarity,
            sample size and seed.
        queries: Rows of shape `(m, d)` that search the corpus, for the measures of query-to-corpus hubness.
        partners: Rows of shape `(n, d)`, the positive of each row, for alignment.
        names: Measures to compute; all that the given rows allow when not given.
        similarity: The model's similarity function. Under cosine the rows are L2-normalized first.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of that sample and of the simulated isotropic cloud.

    Returns:
        A `Measure` for each name, in the order asked for.

    Raises:
        ValueError: If rows are not a finite `(n, d)` array with at least two rows and two columns, or differ in width;
            if the similarity or a name is unknown, or a measure lacks its rows.

    Examples:
        >>> measures = isotropy(torch.eye(8), names=["average_cosine", "isoscore"])
        >>> measures["average_cosine"].value, measures["average_cosine"].reading
        (0.0, 'no common direction')
    """
    cloud = as_cloud(embeddings, similarity, sample_size=sample_size, seed=seed)
    others = {"queries": queries, "partners": partners}
    seconds = {kind: as_cloud(rows, cloud.similarity) for kind, rows in others.items() if rows is not None}
    chosen = check_names(names, frozenset(seconds))
    count, width = cloud.points.shape
    asking = seconds.get("queries")
    isotropic = isotropic_values(
        chosen,
        count,
        width,
        0 if asking is None else len(asking.points),
        norm_quantiles(cloud),
        cloud.sample_size,
        cloud.seed,
        cloud.similarity,
        (1.0,) if asking is None else norm_quantiles(asking),
    )
    measures = {}
    for name in chosen:
        measures[name] = read_measure(name, CATALOGUE[name].measured(cloud, seconds), isotropic[name], cloud)
    return measures


def check_names(names: Sequence[str] | None, given: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the measures asked for, or all for which the second clouds are `given`; refuse what cannot be measured.

    Args:
        names: Names of measures, or None.
        given: Which of "queries" and "partners" there are.

    Returns:
        The names.

    Raises:
        ValueError: If a name is unknown (near names are offered) or needs a cloud that is not given.
    """
    if names is None:
        return tuple(name for name, definition in CATALOGUE.items() if {definition.second} <= given | {None})
    for name in names:
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.4) or list(CATALOGUE)
            raise ValueError(f"There is no measure {name!r}; did you mean {', '.join(near)}?")
        second = CATALOGUE[name].second
        if second not in given | {None}:
            raise ValueError(
                f"The measure {name!r} needs {second}, but none were given; `isotropy(..., {second}=)` takes them."
            )
    return tuple(names)


@lru_cache(maxsize=64)
def isotropic_values(
    names: tuple[str, ...],
    count: int,
    width: int,
    asking: int = 0,
    norms: tuple[float, ...] = (1.0,),
    sample_size: int = 2000,
    seed: int = 0,
    similarity: Similarity = "cosine",
    query_norms: tuple[float, ...] = (1.0,),
) -> Mapping[str, float]:
    """Compute what each measure gives for `count` rows whose directions are uniform in `width` dimensions.

    Closed forms are used where there are any. Otherwise one cloud is simulated; its neighbors are searched among at
    most `MOST_SEARCHED` rows.

    Args:
        names: Measures to compute.
        count: Number of rows.
        width: Number of dimensions.
        asking: Number of queries, which are uniform on the sphere too; measures of queries need at least one.
        norms: Quantiles of the norms of the rows, evenly spaced from the least to the largest. How norms are spread is
            no matter of direction, but neighbors by dot product and by distance depend on it.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of the simulation.
        similarity: By which neighbors are searched.
        query_norms: Quantiles of the norms of the queries.

    Returns:
        A value for each name.

    Raises:
        KeyError: If there is no measure of a name, or no query for a measure of queries.

    Examples:
        >>> dict(isotropic_values(("average_cosine", "participation_ratio"), count=101, width=51))
        {'average_cosine': 0.0, 'participation_ratio': 34.0}
    """
    values = {name: each(count, width) for name in names if (each := CATALOGUE[name].closed_form) is not None}
    if len(values) == len(names):
        return MappingProxyType(values)
    cloud = Cloud(simulate_isotropic(count, width, norms, seed), similarity, sample_size, seed)
    searched = searched_part(cloud)
    seconds = {}
    if asking:
        # Queries are thinned like the corpus, so that a row is found as often on average.
        thinned = max(1, round(asking * len(searched.points) / count))
        seconds["queries"] = Cloud(simulate_isotropic(thinned, width, query_norms, seed + 1), similarity)
    for name in names:
        definition = CATALOGUE[name]
        if definition.closed_form is None:
            values[name] = definition.measured(searched if definition.scope == "search" else cloud, seconds)
    return MappingProxyType(values)


def simulate_isotropic(count: int, width: int, norms: tuple[float, ...] = (1.0,), seed: int = 0) -> torch.Tensor:
    """Draw `count` rows in float32, with uniform directions in `width` dimensions and norms of the given quantiles."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((count, width), dtype=np.float32)
    places = generator.permutation(count) / max(count - 1, 1)
    drawn = np.interp(places, np.linspace(0, 1, len(norms)), norms).astype(np.float32)
    return normalize(torch.from_numpy(rows), dim=1) * torch.from_numpy(drawn)[:, None]


def searched_part(cloud: Cloud) -> Cloud:
    """The part of a simulated cloud whose neighbors are searched: its first `MOST_SEARCHED` rows."""
    return cloud if len(cloud.points) <= MOST_SEARCHED else Cloud(cloud.points[:MOST_SEARCHED], cloud.similarity)


def norm_quantiles(cloud: Cloud) -> tuple[float, ...]:
    """Quantiles of the norms, evenly spaced from the least to the largest; rounded, so that clouds alike share one."""
    if cloud.similarity == "cosine":
        return (1.0,)
    norms = cloud.points.norm(dim=1).cpu().numpy()
    quantiles = np.quantile(norms, np.linspace(0, 1, min(len(norms), MOST_NORMS)))
    return tuple(float(f"{norm:.4g}") for norm in quantiles)


def read_measure(name: str, value: float, isotropic: float, cloud: Cloud) -> Measure:
    """Put a value beside its isotropic value, its range and its reading."""
    definition = CATALOGUE[name]
    level = sum(definition.distance(value, isotropic) >= limit for limit in definition.limits)
    count, width = cloud.points.shape
    points = min(count, cloud.sample_size) if definition.scope == "sample" else count
    return Measure(
        value=value,
        isotropic=isotropic,
        low=float(definition.low(points, width)),
        high=float(definition.high(points, width)),
        level=level,
        reading=definition.readings[level],
        points=points,
    )
