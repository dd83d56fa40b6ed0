"""Persistent-entropy regularization for sentence-transformers."""

from st_isotropy.authors import authors_setting as authors_setting
from st_isotropy.callbacks import GeometryCallback as GeometryCallback
from st_isotropy.evaluator import IsotropyEvaluator as IsotropyEvaluator
from st_isotropy.losses import PersistentEntropyLoss as PersistentEntropyLoss
from st_isotropy.losses import RegularizedLoss as RegularizedLoss
from st_isotropy.metrics import Measure as Measure
from st_isotropy.metrics import isotropy as isotropy
from st_isotropy.regularizers import MSTLength as MSTLength
from st_isotropy.regularizers import PersistentEntropy as PersistentEntropy
from st_isotropy.regularizers import Regularizer as Regularizer
from st_isotropy.weights import BalancedWeight as BalancedWeight
from st_isotropy.weights import WeightSchedule as WeightSchedule

__version__ = "0.1.0"
