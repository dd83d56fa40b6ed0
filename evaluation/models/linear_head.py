"""A linear layer on sentence embeddings, trained with cross-entropy as in GLUE, and saved with the model."""

from collections.abc import Iterable

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from evaluation.errors import UserError

LOGITS = "logits"


class LinearHeadLoss(nn.Module):
    """Cross-entropy of a linear head, which is appended to the model and leaves its `sentence_embedding` as it is.

    A `Normalize` module at the model's end is taken off: on unit vectors the logits of a head hardly leave zero at the
    learning rate of an encoder, and the encoder then collapses to the most frequent class.

    The head starts at zero, so that runs which differ in nothing but the regularizer start alike. It is an ordinary
    module of sentence-transformers, so the model loads without this package; but the model then takes the number of
    classes for its embedding dimension.

    Args:
        model: The model; `head_of` finds the head.
        classes: Number of classes.

    Raises:
        UserError: The model already has a head.
    """

    def __init__(self, model: SentenceTransformer, classes: int) -> None:
        super().__init__()
        if head_of(model) is not None:
            raise UserError("The start model already has a linear head: start from a model without one.")
        if isinstance(model[-1], Normalize):
            del model[-1]
        with torch.no_grad():  # not what the model says, which a truncation changes
            features = batch_to_device(model.preprocess(["width"]), model.device)
            embedding = model(features)["sentence_embedding"]
        dimensions = embedding.shape[1]
        head = Dense(
            dimensions,
            classes,
            activation_function=None,
            init_weight=torch.zeros(classes, dimensions),
            init_bias=torch.zeros(classes),
            module_output_name=LOGITS,
        )
        model.append(head.to(embedding))
        self.model = model

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """Compute the mean cross-entropy for one column of texts with integer labels of shape `(n,)`."""
        [features] = sentence_features
        return cross_entropy(self.model(features)[LOGITS], labels.view(-1))


def head_of(model: SentenceTransformer) -> nn.Linear | None:
    """The linear layer of a model that was trained with `LinearHeadLoss`; None for another model."""
    last = model[-1]
    return last.linear if isinstance(last, Dense) and last.module_output_name == LOGITS else None
