"""Losses for sentence-transformers: any training objective plus weighted regularizers, in one forward pass."""

from st_isotropy.losses.alignment import AlignmentLoss, CachedAlignmentLoss
from st_isotropy.losses.persistent_entropy import DEFAULT_WEIGHT, PersistentEntropyLoss
from st_isotropy.losses.regularized import RegularizedLoss

__all__ = ["DEFAULT_WEIGHT", "AlignmentLoss", "CachedAlignmentLoss", "PersistentEntropyLoss", "RegularizedLoss"]
