"""Persistent-entropy regularization for sentence-transformers."""

from st_isotropy.authors import authors_setting
from st_isotropy.callbacks import GeometryCallback
from st_isotropy.evaluator import IsotropyEvaluator
from st_isotropy.losses import AlignmentLoss, CachedAlignmentLoss, PersistentEntropyLoss, RegularizedLoss
from st_isotropy.metrics import Measure, isotropy
from st_isotropy.regularizers import MSTLength, PersistentEntropy, Regularizer
from st_isotropy.weights import BalancedWeight, WeightSchedule

__all__ = [
    "AlignmentLoss",
    "BalancedWeight",
    "CachedAlignmentLoss",
    "GeometryCallback",
    "IsotropyEvaluator",
    "MSTLength",
    "Measure",
    "PersistentEntropy",
    "PersistentEntropyLoss",
    "RegularizedLoss",
    "Regularizer",
    "WeightSchedule",
    "authors_setting",
    "isotropy",
]

__version__ = "0.1.0"
