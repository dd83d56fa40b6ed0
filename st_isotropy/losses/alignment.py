"""Training on positive pairs alone: the cosine of anchor and positive, and nothing that pushes other texts apart."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import CachedLossMixin, has_static_embedding_input
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor, nn

from st_isotropy.losses.capture import nested_losses
from st_isotropy.regularizers import citations
from st_isotropy.regularizers.unit_rows import unit_rows


class AlignmentLoss(nn.Module):
    r"""The mean of $1 - \cos(\text{anchor}, \text{positive})$: positives attract, and nothing repels.

    Alone it collapses: its minimum, 0, is reached where all texts have one embedding. It needs a regularizer that holds
    the cloud open, such as `PersistentEntropy(scale="absolute")`, `KoLeo` or `Uniformity`. Entropy on the relative
    scale does not: it is the same for a cloud of any size. Where a regularizer is too weak, `GeometryCallback` warns
    that the cloud closes.

    It is a mean over rows, so that with several processes it is that of the whole batch without being gathered.

    Args:
        model: The model being trained.
        positives: How many columns follow the anchor, all of them its positives. Of a third column that was not counted
            on nobody knows that it holds no negatives, and it is refused.

    Raises:
        ValueError: If `positives` is not a whole number from 1; in the first batch, if there are more or fewer columns.

    Examples:
        >>> from st_isotropy import PersistentEntropy, RegularizedLoss
        >>> entropy = PersistentEntropy(scale="absolute")
        >>> loss = RegularizedLoss(model, AlignmentLoss(model), entropy, weight=1.0)
        >>> columns = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> AlignmentLoss(model).compute_loss_from_embeddings(columns).item()
        0.5

    References:
        Wang and Isola 2020, "Understanding contrastive representation learning through alignment and uniformity on the
        hypersphere" (arXiv 2005.10242), whose alignment, of exponent 2, is twice this.
    """

    citation = citations.WANG_2020

    def __init__(self, model: SentenceTransformer, positives: int = 1) -> None:
        super().__init__()
        if not isinstance(positives, int) or isinstance(positives, bool) or positives < 1:
            raise ValueError(
                f"The option positives is {positives!r}; it says how many columns of positives follow the anchor, 1 or "
                "more."
            )
        self.model = model
        self.positives = positives
        self._has_seen_labels = False

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Compute the loss of one batch.

        Args:
            sentence_features: One feature dict per input column, the anchor's first.
            labels: Do not change the loss; see `check_labels`.

        Returns:
            The loss in [0, 2] as a 0-dim tensor.
        """
        features = list(sentence_features)
        self.check_columns(len(features))
        return self.compute_loss_from_embeddings(embed_columns(self.model, features), labels)

    def compute_loss_from_embeddings(self, embeddings: Sequence[Tensor], labels: Tensor | None = None) -> Tensor:
        """Compute the loss of embeddings that are there already, in float32 at least.

        Args:
            embeddings: One tensor of shape `(rows, d)` per input column, the anchor's first.
            labels: Do not change the loss; see `check_labels`.

        Returns:
            The loss in [0, 2] as a 0-dim tensor; a row of zeros has cosine 0 and no gradient. Without rows it is a
            gradient-connected 0.

        Raises:
            ValueError: If there are more or fewer columns than were counted on, or they differ in their rows.
        """
        self.check_columns(len(embeddings))
        self.check_labels(labels)
        rows = [len(column) for column in embeddings]
        if len(set(rows)) > 1:
            raise ValueError(
                f"AlignmentLoss compares row by row, but its columns have {', '.join(map(str, rows))} rows; pass the "
                "same number in every column."
            )
        anchor, *positives = map(unit_rows, embeddings)
        deficits = [1 - (anchor * positive).sum(dim=1) for positive in positives]
        pairs = max(len(anchor) * len(positives), 1)
        return torch.cat(deficits).sum() / pairs

    def check_columns(self, columns: int) -> None:
        """Refuse a number of columns other than an anchor and its positives."""
        if columns == 1 + self.positives:
            return
        if columns < 2:
            raise ValueError(f"AlignmentLoss needs an anchor and a positive, but the batch has {columns} column.")
        raise ValueError(
            f"AlignmentLoss takes an anchor and {self.positives} of its positives, but the batch has {columns} "
            "columns, and negatives must not be pulled in: leave the others out of the data set, or build the loss "
            f"with positives={columns - 1} if all that follow the anchor are positives."
        )

    def check_labels(self, labels: Tensor | None) -> None:
        """Warn where the first labels are 0 and others up to 1, as of pairs that belong together and pairs that do not.

        Of labels that are all 0, which `fit` gives to examples without any, nothing is said.
        """
        if labels is None or self._has_seen_labels or not labels.numel():
            return
        self._has_seen_labels = True
        lowest, highest = labels.min().item(), labels.max().item()
        if lowest <= 0 < highest <= 1:
            warnings.warn(
                f"AlignmentLoss does not read labels, and {int((labels <= 0).sum())} of the first {len(labels)} pairs "
                "have one of 0 or below: they are pulled together like the others. If such a label says that the texts "
                "do not belong together, remove these pairs.",
                stacklevel=2,
            )

    def get_config_dict(self) -> dict[str, Any]:
        """Describe the loss for the model card."""
        return {"positives": self.positives}


class CachedAlignmentLoss(CachedLossMixin, nn.Module):
    """`AlignmentLoss` with the gradient cache of sentence-transformers: a large batch from small forward passes.

    The loss itself does not need one, as no row of it depends on another. A regularizer does: the point cloud of the
    whole batch passes through this cache, while activations are held for `mini_batch_size` rows at a time. Every row is
    encoded twice.

    Args:
        model: The model being trained; not one of static embeddings, whose forward pass is small anyway.
        positives: How many columns follow the anchor; see `AlignmentLoss`.
        mini_batch_size: Rows of a column that are encoded at once.

    Raises:
        ValueError: As from `AlignmentLoss`; for a model of static embeddings; if `mini_batch_size` is below 1.

    Examples:
        >>> from st_isotropy import PersistentEntropy, RegularizedLoss
        >>> base = CachedAlignmentLoss(model, mini_batch_size=16)
        >>> absolute = PersistentEntropy(scale="absolute")
        >>> loss = RegularizedLoss(model, base, absolute, weight=1.0)

    References:
        Gao, Zhang, Han and Callan 2021, "Scaling deep contrastive learning batch size under memory limited setup"
        (GradCache; arXiv 2101.06983).
    """

    citation = citations.GAO_2021

    def __init__(self, model: SentenceTransformer, positives: int = 1, mini_batch_size: int = 32) -> None:
        super().__init__()
        if has_static_embedding_input(model):
            raise ValueError(
                "CachedAlignmentLoss cannot split the inputs of a model of static embeddings; use AlignmentLoss, since "
                "such a model's forward pass needs little memory."
            )
        if mini_batch_size < 1:
            raise ValueError(f"The option mini_batch_size is {mini_batch_size!r}; encode at least 1 row at a time.")
        self.model = model
        self.loss = AlignmentLoss(model, positives)
        self.mini_batch_size = mini_batch_size

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Compute the loss of one batch; see `AlignmentLoss`."""
        features = list(sentence_features)
        self.loss.check_columns(len(features))
        self.loss.check_labels(labels)
        return self.forward_cached(features, labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Compute the loss of the whole batch; see `CachedLossMixin`."""
        loss = self.loss.compute_loss_from_embeddings([torch.cat(parts) for parts in reps])
        if with_backward:
            loss.backward()
            loss = loss.detach()
        return loss

    def get_config_dict(self) -> dict[str, Any]:
        """Describe the loss for the model card."""
        return {**self.loss.get_config_dict(), "mini_batch_size": self.mini_batch_size}


def trains_on_positives_alone(loss: nn.Module) -> bool:
    """Whether a loss, or the one that it modifies, is an `AlignmentLoss`, which nothing keeps from collapsing."""
    *_, innermost = nested_losses(loss)
    return isinstance(innermost, AlignmentLoss)
