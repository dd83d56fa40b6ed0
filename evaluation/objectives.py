"""The training objectives by name, with the columns each one trains on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MSELoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

Columns = Literal["scored", "positive", "teacher"]


@dataclass(frozen=True)
class Objective:
    """A loss and what it trains on.

    Attributes:
        loss: Makes the loss for a model.
        columns: "scored" (two sentences and a score in [0, 1]), "positive" (an anchor and its positive) or "teacher"
            (a sentence and a teacher's embedding of it).
    """

    loss: Callable[[SentenceTransformer], nn.Module]
    columns: Columns


OBJECTIVES: dict[str, Objective] = {
    "cosine": Objective(CosineSimilarityLoss, "scored"),
    "cosent": Objective(CoSENTLoss, "scored"),
    "contrastive": Objective(MultipleNegativesRankingLoss, "positive"),
    "distillation": Objective(MSELoss, "teacher"),
}
