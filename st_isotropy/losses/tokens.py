"""Token level: which contextual token embeddings form a point cloud."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch import Tensor, nn

from st_isotropy.unwrap import unwrap


@dataclass(frozen=True)
class TokenLayers:
    """Which hidden layers are regularized, and how many of their tokens.

    Attributes:
        layers: Indices of hidden layers; 0 is the embedding layer, -1 the last.
        max_points: At most this many tokens form a cloud.
        special_ids: Ids of tokens that are left out, besides padding.
        with_prompt: Whether a prompt's tokens count, as they do where the model's pooling includes them.
        late: Whether the model scores tokens, by late interaction.
    """

    layers: tuple[int, ...]
    max_points: int
    special_ids: tuple[int, ...]
    with_prompt: bool = True
    late: bool = False

    @classmethod
    def of(
        cls, model: SentenceTransformer | MultiVectorEncoder, layers: tuple[int, ...], max_points: int
    ) -> "TokenLayers":
        """Read the special tokens off a model.

        Raises:
            ValueError: If the model computes no contextual token embeddings, lacks a layer, or `max_points` is below 3.
        """
        transformer = unwrap(model[0])
        if not isinstance(transformer, Transformer):
            raise ValueError(
                f'The option level="token" needs contextual token embeddings, which {type(transformer).__name__} does '
                'not compute; use level="sentence".'
            )
        hidden_layers = getattr(transformer.auto_model.config, "num_hidden_layers", None)
        if hidden_layers is None:  # towers of several modalities
            raise ValueError(
                f'The option level="token" needs one stack of layers over text tokens, which '
                f'{type(transformer.auto_model).__name__} does not have; use level="sentence".'
            )
        depth = hidden_layers + 1
        wrong = [layer for layer in layers if not -depth <= layer < depth]
        if wrong or not layers:
            raise ValueError(
                f"The option layers must name hidden layers from {-depth} to {depth - 1}, got {list(layers)}."
            )
        if max_points < 3:
            raise ValueError(
                f"The option max_points must be at least 3, got {max_points}; fewer tokens do not have two bars."
            )
        with_prompt = all(module.include_prompt for module in model if isinstance(module, Pooling))
        special = tuple(model.tokenizer.all_special_ids)
        return cls(layers, max_points, special, with_prompt, isinstance(model, MultiVectorEncoder))

    def mask(self, features: dict[str, Any]) -> Tensor:
        """Mark the tokens that are neither padding nor special nor of a prompt left out, shape `(rows, tokens)`.

        Raises:
            ValueError: If the model's batches are not padded.
        """
        if "attention_mask" not in features:
            raise ValueError(
                'The option level="token" needs padded batches, and this model concatenates its inputs without '
                'padding; set model[0].unpad_inputs = False, or use level="sentence".'
            )
        ids = features["input_ids"]
        special = torch.tensor(self.special_ids, device=ids.device, dtype=ids.dtype)
        attended = features["attention_mask"]
        kept = attended.bool() & ~torch.isin(ids, special)
        if self.with_prompt or "prompt_length" not in features:
            return kept
        length = torch.as_tensor(features["prompt_length"], device=ids.device).flatten()[0]
        return kept & (attended.cumsum(dim=1) > length)  # counted from the first token that is no padding

    def scored(self, mask: Tensor, output: dict[str, Any]) -> Tensor:
        """Of a mask of tokens, keep those that late interaction scores; where it pools tokens, all that are left."""
        if not self.late:
            return mask
        scored = output["attention_mask"].bool()
        return scored & mask if scored.shape == mask.shape else scored

    def select(self, output: dict[str, Any]) -> tuple[Tensor, ...]:
        """Take the listed layers from a model's output, each of shape `(rows, tokens, d)`."""
        if self.layers == (-1,):
            return (output["token_embeddings"],)
        return tuple(output["all_layer_embeddings"][layer] for layer in self.layers)

    def draw(self, tokens: Tensor, seed: int) -> Tensor:
        """Draw at most `max_points` of the tokens `(n, d)`, the same ones whenever the seed is the same."""
        if len(tokens) <= self.max_points:
            return tokens
        chosen = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))[: self.max_points]
        return tokens[chosen.to(tokens.device)]

    @contextmanager
    def exposed(self, model: nn.Module) -> Iterator[None]:
        """Make a transformer return its hidden layers for the length of a `with` block, if any but the last is used."""
        if self.layers == (-1,):
            yield
            return
        transformer: Any = unwrap(model)[0]
        config = transformer.auto_model.config
        before, config.output_hidden_states = config.output_hidden_states, True
        try:
            yield
        finally:
            config.output_hidden_states = before
