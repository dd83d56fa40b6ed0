"""The sentence-transformers face: any training objective plus weighted regularizers, in one forward pass."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import uses_gradient_cache
from torch import Tensor, nn

from st_isotropy.capture import count_rows, recorded_forward, split_columns
from st_isotropy.regularizers import PersistentEntropy, Regularizer
from st_isotropy.terms import LossTerms

# The normalized deficit is small near saturation: 0.1-1 was invisible in prototypes, 3-100 effective.
DEFAULT_WEIGHT = 30.0


class RegularizedLoss(nn.Module):
    """Any sentence-transformers loss plus weighted regularizers on the embeddings it computes anyway.

    The base loss runs unchanged; the embeddings are seen while it computes them, so the encoder runs no more often
    than without the regularizer. Each input column is a point cloud of its own, and the penalties are averaged.

    Args:
        model: The model being trained; the one the base loss was built with.
        loss: The base loss.
        regularizer: A regularizer, or a list of `(regularizer, weight)` pairs.
        weight: Weight of a single regularizer (1.0 if not given). A negative weight is a control: it maximizes the
            penalty.

    Raises:
        ValueError: For a weight that is not a finite number, or a base loss that cannot be wrapped.

    Example:
        >>> from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
        >>> loss = RegularizedLoss(model, CosineSimilarityLoss(model), PersistentEntropy(), weight=30.0)
        >>> features = [model.preprocess(["a cat", "two dogs", "the sun"]), model.preprocess(["cats", "dogs", "moon"])]
        >>> sorted(loss(features, torch.tensor([1.0, 0.5, 0.0])))
        ['base_loss', 'persistent_entropy_loss']
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        regularizer: Regularizer | Sequence[tuple[Regularizer, float]],
        weight: float | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.regularizers = _weighted(regularizer, weight)
        self.uses_gradient_cache = uses_gradient_cache(loss)
        self.global_step: int | None = None

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> LossTerms:
        """Compute the base loss and the weighted penalties of one batch.

        Args:
            sentence_features: One feature dict per input column, as the trainer's collator makes them.
            labels: Labels of the base loss.

        Returns:
            The terms of the base loss (`base_loss`, or its own keys if it returns a dict) and one
            `<regularizer name>_loss` per regularizer, already weighted, as 0-dim tensors.

        Raises:
            ValueError: If an embedding is NaN or infinite, naming the column and the step.
        """
        features = list(sentence_features)
        batch_size = count_rows(features[0])
        with recorded_forward(self.model) as passes:
            base = self.loss(features, labels)
        columns = split_columns(passes, batch_size)
        terms = LossTerms(base if isinstance(base, dict) else {"base_loss": base})
        for name, value in self.penalties(columns).items():
            terms[name] = value
        return terms

    def penalties(self, columns: list[Tensor]) -> dict[str, Tensor]:
        """Compute the weighted penalty of every regularizer, averaged over the columns."""
        # Half precision cannot hold a small deficit, and autocast would turn distances back into it.
        with torch.autocast(columns[0].device.type, enabled=False):
            clouds = [column if column.dtype == torch.float64 else column.float() for column in columns]
            for index, cloud in enumerate(clouds, start=1):
                if not torch.isfinite(cloud).all():
                    step = "" if self.global_step is None else f" at step {self.global_step}"
                    raise ValueError(
                        f"the embeddings of input column {index} of {len(clouds)} contain NaN or infinity{step}; "
                        "lower the learning rate or the weight, or check that column's texts."
                    )
            return {
                f"{regularizer.name}_loss": weight * torch.stack([regularizer(cloud) for cloud in clouds]).mean()
                for regularizer, weight in self.regularizers
            }

    def get_config_dict(self) -> dict[str, Any]:
        """Describe the loss for the model card."""
        return {"loss": self.loss, **{repr(regularizer): weight for regularizer, weight in self.regularizers}}

    @property
    def citation(self) -> str:
        """BibTeX of every regularizer."""
        return "".join(regularizer.citation for regularizer, _ in self.regularizers)


class PersistentEntropyLoss(RegularizedLoss):
    r"""Any sentence-transformers loss plus the persistent-entropy deficit of its embeddings.

    Args:
        model: The model being trained; the one the base loss was built with.
        loss: The base loss.
        weight: Weight of the deficit $1 - H / \ln m$. The default comes from prototypes, where 0.1 to 1 was
            invisible and 3 to 100 effective.

    Example:
        >>> from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        >>> loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model))
        >>> loss.get_config_dict()["PersistentEntropy()"]
        30.0
    """

    def __init__(self, model: SentenceTransformer, loss: nn.Module, weight: float = DEFAULT_WEIGHT) -> None:
        super().__init__(model, loss, PersistentEntropy(), weight)


def _weighted(
    regularizer: Regularizer | Sequence[tuple[Regularizer, float]], weight: float | None
) -> list[tuple[Regularizer, float]]:
    if isinstance(regularizer, Regularizer):
        pairs = [(regularizer, 1.0 if weight is None else weight)]
    else:
        pairs = list(regularizer)
    for each, value in pairs:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"the weight of {each.name} must be a finite number, got {value!r}.")
    return pairs
