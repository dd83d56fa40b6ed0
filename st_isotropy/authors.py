"""The authors' setting: what their published code computes, as options of this package."""

from dataclasses import dataclass
from typing import Literal

from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from st_isotropy.barcodes import barcode
from st_isotropy.barcodes.selection import selected_bars
from st_isotropy.losses.regularized import RegularizedLoss
from st_isotropy.regularizers import PersistentEntropy, Regularizer


@dataclass(frozen=True)
class InClusterLength(Regularizer):
    """The mean length of the H0 bars that are not prominent, of embeddings as they are.

    These are the edges inside clusters. The authors add it to keep clusters dense.

    Examples:
        >>> import torch
        >>> line = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 20.0])[:, None]
        >>> InClusterLength()(line).item()
        1.0
    """

    name = "in_cluster_length"

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the mean length for embeddings `(n, d)`; a gradient-connected 0 when all bars are prominent."""
        lengths = barcode(embeddings).lengths
        noise = ~selected_bars(lengths, "prominent")
        return (lengths * noise).sum() / noise.sum().clamp(min=1)


def authors_setting(
    model: SentenceTransformer,
    loss: nn.Module,
    *,
    in_cluster: Literal["documented", "notebook"] = "documented",
    in_cluster_weight: float = 0.05,
) -> RegularizedLoss:
    r"""Build the regularized loss of the authors' code around a base loss with integer labels.

    $L = L_0 - \sum_y [H_y \mp \lambda \bar\ell_y]$, with $H_y$ the entropy in nats of the prominent H0 bars of the
    embeddings of label y, and $\bar\ell_y$ the mean length of the other bars. The in-cluster term has two signs: the
    authors' documentation says that it is minimized, but the notebook that ran their experiments subtracts it with the
    entropy, and so maximizes it.

    | | authors' code | default of this package |
    |---|---|---|
    | points | raw embeddings, CLS token (mean pooling in a variant) | L2-normalized sentence embeddings |
    | clouds | one per class label, summed | one per input column, averaged |
    | bars | prominent ones | all |
    | entropy | $-H$ in nats | $1 - H / \ln m$ |
    | weight | 1, no schedule | 3 |
    | in-cluster term | weight 0.05 | none |
    | batch | 64 points, accumulated over 8 steps | the batch |
    | few points | fails below 5 in a class | clouds below 3 points are skipped |

    Pooling is the model's: build it with `Pooling(..., pooling_mode="cls")` for theirs, and take off a `Normalize`
    module at its end (`del model[-1]`), behind which no embedding is raw. Points are not collected over gradient
    accumulation, so use a batch of 64.

    Args:
        model: The model being trained; the one the base loss was built with.
        loss: The base loss; its batches need integer labels.
        in_cluster: `documented` minimizes the in-cluster term, `notebook` maximizes it.
        in_cluster_weight: The weight λ; 0.05 in their notebook.

    Returns:
        The regularized loss, which logs `persistent_entropy_loss` and `in_cluster_length_loss`.

    Raises:
        ValueError: If `in_cluster` is neither of the two, or the base loss cannot be wrapped.

    Examples:
        >>> from sentence_transformers.sentence_transformer.losses import SoftmaxLoss
        >>> loss = authors_setting(model, SoftmaxLoss(model, 32, num_labels=2))
        >>> loss.get_config_dict()["cloud"]
        'labels'

    References:
        Kudriashov, Karpik and Klyshinsky 2025 (arXiv 2501.05502); code at github.com/Xenomirant/Shrink-the-longest,
        notebook `model_finetuning.ipynb` of October 2024.
    """
    if in_cluster not in ("documented", "notebook"):
        raise ValueError(f'The option in_cluster must be "documented" or "notebook", got {in_cluster!r}.')
    entropy = PersistentEntropy(selection="prominent", normalize=False, deficit=False)
    sign = 1 if in_cluster == "documented" else -1
    terms = [(entropy, 1.0), (InClusterLength(), sign * in_cluster_weight)]
    return RegularizedLoss(model, loss, terms, cloud="labels", reduction="sum")
