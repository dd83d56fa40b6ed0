"""What the measures give for an isotropic cloud: in closed form, or for one that is simulated with a fixed seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from torch.nn.functional import normalize

from st_isotropy.metrics.catalog import CATALOG
from st_isotropy.metrics.cloud import Cloud, Similarity

# Rows of the simulated cloud whose neighbors are searched; isotropic hubness does not change from 2,000 to 20,000 rows.
MOST_SEARCHED = 10_000
MOST_NORMS = 1001


@dataclass(frozen=True)
class IsotropicCloud:
    """A cloud whose directions are uniform, described: what the values of its measures depend on.

    Attributes:
        count: Number of rows.
        width: Number of dimensions.
        asking: Number of queries, which are uniform on the sphere too; measures of queries need at least one.
        norms: Quantiles of the norms of the rows, evenly spaced from the least to the largest. Norms say
            nothing about directions, but neighbors by dot product and by distance depend on them.
        sample_size: Most rows that measures over all pairs run on.
        seed: Seed of the simulation.
        similarity: By which neighbors are searched.
        query_norms: Quantiles of the norms of the queries.
    """

    count: int
    width: int
    asking: int = 0
    norms: tuple[float, ...] = (1.0,)
    sample_size: int = 2000
    seed: int = 0
    similarity: Similarity = "cosine"
    query_norms: tuple[float, ...] = (1.0,)

    @classmethod
    def like(cls, cloud: Cloud, queries: Cloud | None = None) -> "IsotropicCloud":
        """Describe the isotropic cloud that has as many rows, of the same norms, as one that was measured."""
        return cls(
            *cloud.points.shape,
            asking=0 if queries is None else len(queries.points),
            norms=norm_quantiles(cloud),
            sample_size=cloud.sample_size,
            seed=cloud.seed,
            similarity=cloud.similarity,
            query_norms=(1.0,) if queries is None else norm_quantiles(queries),
        )


@lru_cache(maxsize=64)
def isotropic_values(names: tuple[str, ...], isotropic: IsotropicCloud) -> Mapping[str, float]:
    """Compute what each measure gives for an isotropic cloud.

    Closed forms are used where there are any. Otherwise one cloud is simulated; its neighbors are searched among at
    most `MOST_SEARCHED` rows.

    Args:
        names: Measures to compute.
        isotropic: The cloud.

    Returns:
        A value for each name.

    Raises:
        KeyError: If there is no measure of a name, or no query for a measure of queries.

    Examples:
        >>> dict(isotropic_values(("average_cosine", "participation_ratio"), IsotropicCloud(count=101, width=51)))
        {'average_cosine': 0.0, 'participation_ratio': 34.0}
    """
    count, width, seed = isotropic.count, isotropic.width, isotropic.seed
    closed_forms = {name: CATALOG[name].closed_form for name in names}
    values = {name: closed_form(count, width) for name, closed_form in closed_forms.items() if closed_form is not None}
    if len(values) == len(names):
        return MappingProxyType(values)
    rows = simulate_isotropic(count, width, isotropic.norms, seed)
    cloud = Cloud(rows, isotropic.similarity, isotropic.sample_size, seed)
    searched = searched_part(cloud)
    seconds = {}
    if isotropic.asking:
        # Queries are thinned like the corpus, so that a row is found as often on average.
        thinned = max(1, round(isotropic.asking * len(searched.points) / count))
        queries = simulate_isotropic(thinned, width, isotropic.query_norms, seed + 1)
        seconds["queries"] = Cloud(queries, isotropic.similarity)
    for name in names:
        if closed_forms[name] is None:
            searches = CATALOG[name].scope == "search"
            values[name] = CATALOG[name].measured(searched if searches else cloud, seconds)
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
