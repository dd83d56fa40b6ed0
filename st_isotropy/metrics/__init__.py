"""Isotropy measures: each takes embeddings of shape `(n, d)` and gives a float; `isotropy` gives all of them."""

from st_isotropy.metrics.angular import alignment as alignment
from st_isotropy.metrics.angular import average_cosine as average_cosine
from st_isotropy.metrics.angular import second_moment as second_moment
from st_isotropy.metrics.angular import uniformity as uniformity
from st_isotropy.metrics.catalogue import Measure as Measure
from st_isotropy.metrics.catalogue import isotropic_values as isotropic_values
from st_isotropy.metrics.catalogue import isotropy as isotropy
from st_isotropy.metrics.cloud import Cloud as Cloud
from st_isotropy.metrics.cloud import as_cloud as as_cloud
from st_isotropy.metrics.definitions import CATALOGUE as CATALOGUE
from st_isotropy.metrics.hubness import anti_hub_share as anti_hub_share
from st_isotropy.metrics.hubness import hubness_skewness as hubness_skewness
from st_isotropy.metrics.hubness import largest_hub as largest_hub
from st_isotropy.metrics.neighbors import k_occurrences as k_occurrences
from st_isotropy.metrics.spectral import effective_rank as effective_rank
from st_isotropy.metrics.spectral import first_component_share as first_component_share
from st_isotropy.metrics.spectral import isoscore as isoscore
from st_isotropy.metrics.spectral import largest_coordinate_share as largest_coordinate_share
from st_isotropy.metrics.spectral import participation_ratio as participation_ratio
from st_isotropy.metrics.spectral import partition_ratio as partition_ratio
from st_isotropy.metrics.topology import mean_mst_length as mean_mst_length
from st_isotropy.metrics.topology import persistent_entropy as persistent_entropy
from st_isotropy.metrics.topology import ph_dimension as ph_dimension
from st_isotropy.metrics.topology import twonn_dimension as twonn_dimension
