"""One forward pass: the embeddings that a base loss computes, seen while it computes them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from st_isotropy.losses.clouds import Column
from st_isotropy.losses.text_keys import text_keys
from st_isotropy.losses.tokens import TokenLayers
from st_isotropy.unwrap import unwrap

# The observer is no part of a compiled model.
_eager_text_keys = cast(Callable[[dict[str, Any]], Tensor | None], torch.compiler.disable(text_keys))


@dataclass(frozen=True)
class ForwardPass:
    """One call of the encoder.

    Attributes:
        features: The features it was called with; compared by identity.
        rows: What it computed, one row per input, of one or of several merged columns.
    """

    features: dict[str, Any]
    rows: Column


@contextmanager
def recorded_forward(encoder: nn.Module, tokens: TokenLayers | None = None) -> Iterator[list[ForwardPass]]:
    """Record every call of an encoder for the length of a `with` block.

    The recorder replaces `encoder.forward`, as sentence-transformers' own modifiers do, because only then does it
    nest with them: around `MatryoshkaLoss` it sees the embeddings before truncation, inside it the truncated ones.
    A forward hook would see the truncated ones in both cases.

    Args:
        encoder: The model that a base loss calls.
        tokens: Which hidden layers to keep besides the sentence embeddings.

    Yields:
        The list of forward passes so far, in the order of the calls.
    """
    passes: list[ForwardPass] = []

    @torch.compiler.disable(recursive=False)
    def forward(features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        # Before the call, because modules may edit the features in place.
        keys = _eager_text_keys(features)
        mask = tokens.mask(features) if tokens else None
        output = original(features, **kwargs)
        layers = tokens.select(output) if tokens else ()
        if tokens and mask is not None:
            mask = tokens.scored(mask, output)
        rows = output["sentence_embedding" if "sentence_embedding" in output else "token_embeddings"]
        passes.append(ForwardPass(features, Column(rows, keys, layers, mask)))
        return output

    with replaced(encoder, "forward", forward) as original:
        yield passes


@contextmanager
def replaced(owner: nn.Module, name: str, replacement: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Replace a method of one object for the length of a `with` block; then the one of its class is in force again.

    Args:
        owner: The object.
        name: Name of the method.
        replacement: Called instead.

    Yields:
        The original method.
    """
    original, overridden = getattr(owner, name), name in vars(owner)
    setattr(owner, name, replacement)
    try:
        yield original
    finally:
        if overridden:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


def batch_passes(passes: list[ForwardPass], features: list[dict[str, Any]]) -> list[ForwardPass]:
    """Keep the passes that computed the columns of a batch, in the order of the columns.

    Most losses call the encoder on the very dicts they are given, whatever else they encode and in whatever order.
    Others merge like columns into one; then it is the first passes over as many inputs.

    Args:
        passes: All passes.
        features: The columns of the batch.
    """
    own: dict[int, ForwardPass] = {}
    for forward_pass in passes:
        own.setdefault(id(forward_pass.features), forward_pass)
    if all(id(column) in own for column in features):
        return [own[id(column)] for column in features]
    return first_sweep(passes, sum(map(count_rows, features)))


def first_sweep(passes: list[ForwardPass], rows: int) -> list[ForwardPass]:
    """Keep the first pass over each features dict, until the inputs of the batch are complete.

    `AdaptiveLayerLoss` calls the encoder again, on the same features, once per earlier layer; the first sweep is the
    last layer's. A loss with two dropout masks per text, as in SimCSE or R-Drop, repeats features in between. A sum of
    two losses, or one that is its own guide, merges columns into a new dict in every sweep.

    Args:
        passes: All passes.
        rows: Inputs in all columns of the batch.
    """
    first: dict[int, ForwardPass] = {}
    for forward_pass in passes:
        if sum(len(kept.rows.embeddings) for kept in first.values()) < rows:
            first.setdefault(id(forward_pass.features), forward_pass)
    return list(first.values())


def without_guidance(passes: list[ForwardPass]) -> list[ForwardPass]:
    """Leave out passes without gradient over texts that were encoded with one.

    A loss asks its own model for advice in this way, as `GISTEmbedLoss` does that has it as guide. A column of other
    texts that is encoded without gradient stays. In evaluation nothing has a gradient; there `first_sweep` ends before
    advice that follows.
    """
    trained = [forward_pass.rows for forward_pass in passes if forward_pass.rows.embeddings.requires_grad]
    if not trained or len(trained) == len(passes):
        return passes
    known = {key for rows in trained if rows.keys is not None for key in rows.keys.tolist()}
    return [
        forward_pass
        for forward_pass in passes
        if forward_pass.rows.embeddings.requires_grad
        or forward_pass.rows.keys is None
        or not known.issuperset(forward_pass.rows.keys.tolist())
    ]


def count_rows(features: dict[str, Any]) -> int:
    """Count the inputs in a feature dict: padded, flattened (`cu_seq_lens_q`) or an embedding bag (`offsets`)."""
    if "cu_seq_lens_q" in features:
        return len(features["cu_seq_lens_q"]) - 1
    for key in ("offsets", "input_ids", "attention_mask"):
        if key in features:
            return len(features[key])
    return next(len(value) for value in features.values() if isinstance(value, Tensor) and value.ndim > 0)


def intercepted_gradient_cache(
    loss: nn.Module, replacement: Callable[..., Tensor]
) -> AbstractContextManager[Callable[..., Tensor]]:
    """Replace the `calculate_loss` of a gradient-cached loss for the length of a `with` block.

    It is the one method through which such a loss sees the embeddings of the whole logical batch, and through which
    gradients enter its cache.

    Args:
        loss: A gradient-cached loss, or a modifier around one.
        replacement: Called instead, with the same arguments.

    Returns:
        A context manager that yields the original method.
    """
    core = next(part for part in nested_losses(loss) if hasattr(part, "calculate_loss"))
    return replaced(core, "calculate_loss", replacement)


@dataclass(frozen=True)
class EncoderPlace:
    """Where a loss keeps the model that it calls.

    The place is kept rather than the model, because a trainer may put a distributed or compiled wrapper there.

    Attributes:
        depth: How many modifiers are around the loss that holds it.
        attribute: Its name there: `model`, `sentence_embedder`, `encoder`, ...
    """

    depth: int
    attribute: str

    @classmethod
    def find(cls, loss: nn.Module, model: nn.Module) -> "EncoderPlace | None":
        """Find the model in the innermost loss that holds it, the one that all modifiers act on."""
        places = [
            cls(depth, name)
            for depth, part in enumerate(nested_losses(loss))
            for name, child in part.named_children()
            if unwrap(child) is unwrap(model)
        ]
        return places[-1] if places else None

    def encoder(self, loss: nn.Module) -> nn.Module:
        """What is in this place of a loss."""
        return getattr(list(nested_losses(loss))[self.depth], self.attribute)


def nested_losses(loss: nn.Module) -> Iterator[nn.Module]:
    """Yield a loss and the losses that it modifies (attribute `loss`), outermost first."""
    current: Any = loss
    while isinstance(current, nn.Module):
        current = getattr(current, "_orig_mod", current)  # a loss may be compiled
        yield current
        current = getattr(current, "loss", None)
