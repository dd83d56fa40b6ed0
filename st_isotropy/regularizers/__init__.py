"""Regularizers: embeddings `(n, d)` to a 0-dim penalty."""

from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.moments import Covariance, GlobalOrthogonal, IsoScoreStar, MeanCosine
from st_isotropy.regularizers.persistent_entropy import PersistentEntropy
from st_isotropy.regularizers.sigreg import SIGReg
from st_isotropy.regularizers.spread import KoLeo, MSTLength, Uniformity

__all__ = [
    "Covariance",
    "GlobalOrthogonal",
    "IsoScoreStar",
    "KoLeo",
    "MSTLength",
    "MeanCosine",
    "PersistentEntropy",
    "Regularizer",
    "SIGReg",
    "Uniformity",
]
