"""Regularizers: embeddings `(n, d)` to a 0-dim penalty."""

from st_isotropy.regularizers.base import Regularizer as Regularizer
from st_isotropy.regularizers.persistent_entropy import PersistentEntropy as PersistentEntropy
from st_isotropy.regularizers.rivals import Covariance as Covariance
from st_isotropy.regularizers.rivals import GlobalOrthogonal as GlobalOrthogonal
from st_isotropy.regularizers.rivals import IsoScoreStar as IsoScoreStar
from st_isotropy.regularizers.rivals import KoLeo as KoLeo
from st_isotropy.regularizers.rivals import MeanCosine as MeanCosine
from st_isotropy.regularizers.rivals import MSTLength as MSTLength
from st_isotropy.regularizers.rivals import SIGReg as SIGReg
from st_isotropy.regularizers.rivals import Uniformity as Uniformity
