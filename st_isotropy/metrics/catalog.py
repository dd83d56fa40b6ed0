"""The catalog: every measure by name, with its definition."""

import math
from dataclasses import replace
from functools import partial

from scipy.special import hyp0f1

from st_isotropy.metrics import angular, hubness, spectral, topology
from st_isotropy.metrics.definitions import Definition, excess, growth, shortfall, shrinkage

_DIRECTIONS = ("variance is spread out", "some directions dominate", "few directions hold the variance")
_DIMENSION = ("as many directions as expected", "locally fewer dimensions", "locally few dimensions")


def _spectral_participation(n: int, d: int) -> float:
    return max((n - 1) * d / (n + d - 2), 1.0)


# Computed among the rows, and of rows that queries ask for. With few queries most rows are found by none of them,
# whatever the geometry, so all are read beside their isotropic value.
_HUBNESS = {
    "hubness_skewness": Definition(
        hubness.hubness_skewness,
        limits=(2, 4),
        readings=("no hubs", "some hubs", "strong hubs"),
        distance=excess,
        low=lambda n, d: -math.inf,
        high=lambda n, d: math.sqrt(n),
        scope="search",
    ),
    "anti_hub_share": Definition(
        hubness.anti_hub_share,
        limits=(0.05, 0.15),
        readings=("nearly every row can be found", "some rows are never found", "many rows are never found"),
        distance=excess,
        scope="search",
    ),
    "largest_hub": Definition(
        hubness.largest_hub,
        limits=(4, 12),
        readings=("no row is everywhere", "one row is in many lists", "one row is nearly everywhere"),
        distance=growth,
        high=lambda n, d: math.inf,
        scope="search",
    ),
}
_ASKED_BY_QUERIES = {f"{name}_queries": replace(definition, second="queries") for name, definition in _HUBNESS.items()}

CATALOG: dict[str, Definition] = {
    "average_cosine": Definition(
        angular.average_cosine,
        limits=(0.3, 0.6),
        readings=("no common direction", "a cone: rows share a direction", "a narrow cone: all rows look alike"),
        low=lambda n, d: -1 / (n - 1),
        closed_form=lambda n, d: 0.0,
    ),
    "average_cosine_centered": Definition(
        partial(angular.average_cosine, center=True),
        limits=(0.1, 0.3),
        readings=("centering removes the cone", "a lopsided cloud", "a very lopsided cloud"),
        low=lambda n, d: -1 / (n - 1),
        closed_form=lambda n, d: -1 / (n - 1),
    ),
    "isoscore": Definition(
        spectral.isoscore,
        limits=(3, 10),
        readings=_DIRECTIONS,
        distance=shrinkage,
        closed_form=lambda n, d: (_spectral_participation(n, d) - 1) / (d - 1),
    ),
    "participation_ratio": Definition(
        spectral.participation_ratio,
        limits=(3, 10),
        readings=_DIRECTIONS,
        distance=shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
        closed_form=_spectral_participation,
    ),
    "effective_rank": Definition(
        spectral.effective_rank,
        limits=(1.5, 3),
        readings=("nearly full rank", "reduced rank", "low rank"),
        distance=shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "effective_rank_uncentered": Definition(
        partial(spectral.effective_rank, center=False),
        limits=(1.5, 3),
        readings=("nearly full rank", "reduced rank, or a cone", "low rank, or a narrow cone"),
        distance=shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "first_component_share": Definition(
        spectral.first_component_share,
        limits=(0.1, 0.3),
        readings=("no dominant direction", "a strong first direction", "one direction dominates"),
        distance=excess,
        low=lambda n, d: 1 / d,
    ),
    "largest_coordinate_share": Definition(
        spectral.largest_coordinate_share,
        limits=(10, 50),
        readings=("no rogue dimension", "a coordinate stands out", "a rogue dimension rules the cosine"),
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "largest_coordinate_share_centered": Definition(
        partial(spectral.largest_coordinate_share, center=True),
        limits=(10, 50),
        readings=("no rogue dimension", "a coordinate varies most", "a rogue dimension holds the variance"),
        low=lambda n, d: 1.0,
        high=lambda n, d: d,
    ),
    "partition_ratio": Definition(
        spectral.partition_ratio,
        limits=(3, 4.5),
        readings=("no direction stands out", "a direction stands out", "a direction stands far out"),
        distance=shrinkage,
    ),
    "second_moment": Definition(
        angular.second_moment,
        limits=(5, 20),
        readings=("near orthogonal", "rows overlap", "rows overlap strongly"),
        high=lambda n, d: d,
        closed_form=lambda n, d: 1.0,
    ),
    "uniformity": Definition(
        angular.uniformity,
        limits=(0.8, 2),
        readings=("spread over the sphere", "part of the sphere is empty", "most of the sphere is empty"),
        distance=excess,
        low=lambda n, d: -8.0,
        high=lambda n, d: 0.0,
        closed_form=lambda n, d: -4 + math.log(hyp0f1(d / 2, 4)),
        scope="sample",
    ),
    **_HUBNESS,
    **_ASKED_BY_QUERIES,
    "alignment": Definition(
        angular.alignment,
        limits=(0.8, 1.2),
        readings=("partners are close", "partners are some way apart", "partners are far apart"),
        high=lambda n, d: 4.0,
        closed_form=lambda n, d: 2.0,
        second="partners",
    ),
    "mean_mst_length": Definition(
        topology.mean_mst_length,
        limits=(1.5, 3),
        readings=("neighbors keep their distance", "neighbors are close", "neighbors nearly coincide"),
        distance=shrinkage,
        high=lambda n, d: 2.0,
        scope="sample",
    ),
    "persistent_entropy": Definition(
        topology.persistent_entropy,
        limits=(0.01, 0.05),
        readings=(
            "bars are alike",
            "uneven bars: near-duplicates or clusters",
            "very uneven bars: near-duplicates or tight clusters",
        ),
        distance=shortfall,
        scope="sample",
    ),
    "persistent_entropy_nats": Definition(
        partial(topology.persistent_entropy, normalize=False),
        limits=(0.08, 0.4),
        readings=(
            "bars are alike",
            "uneven bars: near-duplicates or clusters",
            "very uneven bars: near-duplicates or tight clusters",
        ),
        distance=shortfall,
        high=lambda n, d: math.log(max(n - 1, 2)),
        scope="sample",
    ),
    "twonn_dimension": Definition(
        topology.twonn_dimension,
        limits=(5, 15),
        readings=_DIMENSION,
        distance=shrinkage,
        high=lambda n, d: math.inf,
        scope="sample",
    ),
    "ph_dimension": Definition(
        topology.ph_dimension,
        limits=(5, 15),
        readings=_DIMENSION,
        distance=shrinkage,
        low=lambda n, d: 1.0,
        high=lambda n, d: math.inf,
        scope="sample",
    ),
}
