"""Isotropy measures: each takes embeddings of shape `(n, d)` and gives a float; `isotropy` gives all of them."""

from st_isotropy.metrics.angular import alignment, average_cosine, second_moment, uniformity
from st_isotropy.metrics.catalogue import Measure, isotropic_values, isotropy
from st_isotropy.metrics.cloud import Cloud, as_cloud
from st_isotropy.metrics.definitions import CATALOGUE
from st_isotropy.metrics.hubness import anti_hub_share, hubness_skewness, largest_hub
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
    "CATALOGUE",
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
    "isotropic_values",
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
