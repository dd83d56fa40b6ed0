"""Isotropy measures: each takes embeddings of shape `(n, d)` and gives a float; `isotropy` gives all of them."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from st_isotropy.metrics.angular import alignment, average_cosine, second_moment, uniformity
from st_isotropy.metrics.catalog import CATALOG
from st_isotropy.metrics.cloud import Cloud, as_cloud
from st_isotropy.metrics.hubness import anti_hub_share, hubness_skewness, largest_hub
from st_isotropy.metrics.isotropic import IsotropicCloud
from st_isotropy.metrics.isotropic import isotropic_values as isotropic_values_like
from st_isotropy.metrics.measures import Measure, isotropy
from st_isotropy.metrics.neighbors import k_occurrences
from st_isotropy.metrics.spectral import (
    effective_rank,
    first_component_share,
    isoscore,
    largest_coordinate_share,
    participation_ratio,
    partition_ratio,
)
from st_isotropy.metrics.topology import mean_mst_length, persistent_entropy, ph_dimension, twonn_dimension

__all__ = [
    "CATALOG",
    "Cloud",
    "Measure",
    "alignment",
    "anti_hub_share",
    "as_cloud",
    "average_cosine",
    "effective_rank",
    "first_component_share",
    "hubness_skewness",
    "isoscore",
    "isotropy",
    "k_occurrences",
    "largest_coordinate_share",
    "largest_hub",
    "mean_mst_length",
    "participation_ratio",
    "partition_ratio",
    "persistent_entropy",
    "ph_dimension",
    "second_moment",
    "twonn_dimension",
    "uniformity",
]

if not TYPE_CHECKING:  # where a type checker looks, the deprecated names are gone already

    def __getattr__(name: str) -> Any:
        """Give a deprecated name, with a warning that says what takes its place."""
        if name not in _DEPRECATED:
            raise AttributeError(f"Module {__name__!r} has no attribute {name!r}")
        value, instead = _DEPRECATED[name]
        warnings.warn(f"st_isotropy.metrics.{name} is deprecated; {instead}.", DeprecationWarning, stacklevel=2)
        return value


def _isotropic_values(names: tuple[str, ...], *described: Any, **options: Any) -> Mapping[str, float]:
    return isotropic_values_like(names, IsotropicCloud(*described, **options))


_DEPRECATED = {
    "CATALOGUE": (CATALOG, "use st_isotropy.metrics.CATALOG"),
    "isotropic_values": (_isotropic_values, "st_isotropy.isotropy gives each measure with its isotropic value"),
}
