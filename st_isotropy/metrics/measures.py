"""Every measure of a cloud in one call, each with its range, its value for an isotropic cloud, and a reading."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from st_isotropy.metrics.catalog import CATALOG
from st_isotropy.metrics.cloud import Cloud, Points, Similarity, as_cloud
from st_isotropy.metrics.isotropic import IsotropicCloud, isotropic_values


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

    Examples:
        >>> import torch
        >>> measure = isotropy(torch.eye(8), names=["isoscore"])["isoscore"]
        >>> round(measure.value, 3), measure.reading, measure.points
        (0.857, 'variance is spread out', 8)
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
    """Measure the isotropy of embeddings in every way the catalog knows, beside what an isotropic cloud would give.

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
        >>> import torch
        >>> measures = isotropy(torch.eye(8), names=["average_cosine", "isoscore"])
        >>> measures["average_cosine"].value, measures["average_cosine"].reading
        (0.0, 'no common direction')
    """
    cloud = as_cloud(embeddings, similarity, sample_size=sample_size, seed=seed)
    others = {"queries": queries, "partners": partners}
    seconds = {kind: as_cloud(rows, cloud.similarity) for kind, rows in others.items() if rows is not None}
    chosen = check_names(names, frozenset(seconds))
    isotropic = isotropic_values(chosen, IsotropicCloud.like(cloud, seconds.get("queries")))
    measures = {}
    for name in chosen:
        measures[name] = read_measure(name, CATALOG[name].measured(cloud, seconds), isotropic[name], cloud)
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
        return tuple(name for name, definition in CATALOG.items() if {definition.second} <= given | {None})
    for name in names:
        if name not in CATALOG:
            near = difflib.get_close_matches(name, CATALOG, n=3, cutoff=0.4) or list(CATALOG)
            raise ValueError(f"There is no measure {name!r}; did you mean {', '.join(near)}?")
        second = CATALOG[name].second
        if second not in given | {None}:
            raise ValueError(
                f"The measure {name!r} needs {second}, but none were given; `isotropy(..., {second}=)` takes them."
            )
    return tuple(names)


def read_measure(name: str, value: float, isotropic: float, cloud: Cloud) -> Measure:
    """Put a value beside its isotropic value, its range and its reading."""
    definition = CATALOG[name]
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
