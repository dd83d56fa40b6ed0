"""Regularizers: embeddings `(n, d)` to a 0-dim penalty."""

from st_isotropy.regularizers.base import Regularizer
from st_isotropy.regularizers.persistent_entropy import PersistentEntropy
from st_isotropy.regularizers.rivals import (
    Covariance,
    GlobalOrthogonal,
    IsoScoreStar,
    KoLeo,
    MeanCosine,
    MSTLength,
    SIGReg,
    Uniformity,
)

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
