"""The training objectives by name, with the columns each one trains on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MSELoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from evaluation.models.linear_head import LinearHeadLoss

Columns = Literal["scored", "positive", "teacher", "labelled"]


@dataclass(frozen=True)
class Objective:
    """A loss and what it trains on.

    Attributes:
        loss: Makes the loss for a model and the rows that it trains on.
        columns: "scored" (two sentences and a score in [0, 1]), "positive" (an anchor and its positive), "teacher" (a
            sentence and a teacher's embedding of it) or "labelled" (a text and the number of its class).
    """

    loss: Callable[[SentenceTransformer, Dataset], nn.Module]
    columns: Columns


OBJECTIVES: dict[str, Objective] = {
    "cosine": Objective(lambda model, _: CosineSimilarityLoss(model), "scored"),
    "cosent": Objective(lambda model, _: CoSENTLoss(model), "scored"),
    "contrastive": Objective(lambda model, _: MultipleNegativesRankingLoss(model), "positive"),
    "distillation": Objective(lambda model, _: MSELoss(model), "teacher"),
    "linear_head": Objective(lambda model, rows: LinearHeadLoss(model, max(rows["label"]) + 1), "labelled"),
}
