"""One forward pass: the embeddings that a base loss computes, seen while it computes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class ForwardPass:
    """One call of the encoder.

    Attributes:
        features: The features it was called with; compared by identity.
        embeddings: Sentence embeddings of shape `(rows, d)`, attached to the graph.
    """

    features: dict[str, Any]
    embeddings: Tensor


@contextmanager
def recorded_forward(encoder: nn.Module) -> Iterator[list[ForwardPass]]:
    """Record every call of an encoder for the length of a `with` block.

    The recorder replaces `encoder.forward`, as sentence-transformers' own modifiers do, because only then does it
    nest with them: around `MatryoshkaLoss` it sees the embeddings before truncation, inside it the truncated ones.
    A forward hook would see the truncated ones in both cases.

    Args:
        encoder: The model that a base loss calls.

    Yields:
        The list of forward passes so far, in the order of the calls.
    """
    passes: list[ForwardPass] = []
    original, overridden = encoder.forward, "forward" in vars(encoder)

    def forward(features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        output = original(features, **kwargs)
        passes.append(ForwardPass(features, output["sentence_embedding"]))
        return output

    encoder.forward = forward
    try:
        yield passes
    finally:
        if overridden:
            encoder.forward = original
        else:
            del encoder.forward


def split_columns(passes: list[ForwardPass], batch_size: int) -> list[Tensor]:
    """Cut recorded passes into one embedding matrix per encoded input column.

    sentence-transformers merges like columns into one pass, column after column, so rows are cut by batch size.
    `AdaptiveLayerLoss` calls the encoder again, on the same features, once per layer: only the first sweep, the last
    layer, is kept.

    Args:
        passes: Recorded passes, at least one.
        batch_size: Number of rows of an input column.

    Returns:
        One tensor of shape `(batch_size, d)` per column.
    """
    seen: set[int] = set()
    columns: list[Tensor] = []
    for each in passes:
        if id(each.features) in seen:
            break
        seen.add(id(each.features))
        columns += each.embeddings.split(batch_size)
    return columns


def count_rows(features: dict[str, Any]) -> int:
    """Count the inputs in a feature dict: padded, flattened (`cu_seq_lens_q`) or an embedding bag (`offsets`)."""
    if "cu_seq_lens_q" in features:
        return len(features["cu_seq_lens_q"]) - 1
    for key in ("offsets", "input_ids", "attention_mask"):
        if key in features:
            return len(features[key])
    return next(len(value) for value in features.values() if isinstance(value, Tensor) and value.ndim > 0)


def nested_losses(loss: nn.Module) -> Iterator[nn.Module]:
    """Yield a loss and the losses it modifies (attribute `loss`), outermost first."""
    current: Any = loss
    while isinstance(current, nn.Module):
        yield current
        current = getattr(current, "loss", None)
