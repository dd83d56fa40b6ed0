"""What a regularized loss can be made of: every other base loss, option or regularizer is refused, with a way out."""

import warnings
from collections.abc import Sequence
from typing import Literal, cast

from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.losses import uses_gradient_cache
from sentence_transformers.multi_vector_encoder.losses import CachedMultiVectorMultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.losses import AdaptiveLayerLoss
from torch import nn

from st_isotropy.kinds import with_reason
from st_isotropy.losses.alignment import trains_on_positives_alone
from st_isotropy.losses.capture import EncoderPlace, nested_losses
from st_isotropy.regularizers import PersistentEntropy, Regularizer
from st_isotropy.unwrap import unwrap
from st_isotropy.weights import Weight, parse_weight

WeightArgument = Weight | Literal["auto"]
Level = Literal["sentence", "token"]


def check_model(model: object, level: Level) -> None:
    """Refuse a model that has no dense embeddings of texts, or, at token level, of tokens."""
    inner = unwrap(model)
    if isinstance(inner, MultiVectorEncoder):
        if level == "sentence":
            raise ValueError(f'The model is a {with_reason(type(inner).__name__)}; use level="token".')
    elif not isinstance(inner, SentenceTransformer):
        raise ValueError(
            "The regularizers act on dense embeddings, so the model must be a SentenceTransformer, not "
            f"{with_reason(type(inner).__name__)}."
        )


def check_base_loss(model: object, loss: nn.Module) -> EncoderPlace:
    """Find where a base loss holds the model; refuse a loss whose embeddings cannot be observed there."""
    if not isinstance(loss, nn.Module):
        raise ValueError(f"The base loss must be a loss object, such as CosineSimilarityLoss(model), not {loss}.")
    place = EncoderPlace.find(loss, cast(nn.Module, model))
    if place is None:
        raise ValueError(
            f"{type(loss).__name__} does not hold the model that was given, so its embeddings cannot be observed; "
            "build it with that same model. A custom loss must keep it as an attribute, such as self.model."
        )
    for part in nested_losses(loss):
        if isinstance(part, AdaptiveLayerLoss) and uses_gradient_cache(part.loss):
            raise ValueError(
                f"{type(part).__name__} around {type(part.loss).__name__} is not supported, because "
                "sentence-transformers cannot replay earlier layers through a gradient cache; use the loss without a "
                "cache."
            )
    hidden = next((part for part in loss.modules() if uses_gradient_cache(part)), None)
    if hidden is not None and not uses_gradient_cache(loss):
        raise ValueError(
            f"{type(loss).__name__} hides the gradient cache of {type(hidden).__name__}, whose embeddings cannot be "
            f"observed from outside; put the regularized loss around {type(hidden).__name__} itself, inside "
            f"{type(loss).__name__}."
        )
    return place


def check_token_level(loss: nn.Module, gather_across_devices: bool) -> None:
    """Refuse what the token level cannot be combined with."""
    if isinstance(loss, CachedMultiVectorMultipleNegativesRankingLoss):
        raise ValueError(
            f'The option level="token" cannot be used with {type(loss).__name__}, through whose gradient cache no '
            "token embeddings can be regularized; use a base loss without a cache."
        )
    if uses_gradient_cache(loss):
        raise ValueError(
            f'The option level="token" cannot be used with {type(loss).__name__}, whose gradient cache carries '
            'sentence embeddings only; use level="sentence" or a base loss without a cache.'
        )
    if gather_across_devices:
        raise ValueError(
            'The option level="token" cannot be used with gather_across_devices=True; leave one of them out.'
        )


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"The option {name} must be one of {listed}, got {value!r}.")


def pair_weights(
    regularizer: Regularizer | Sequence[tuple[Regularizer, WeightArgument]], weight: WeightArgument | None
) -> tuple[tuple[Regularizer, Weight], ...]:
    """Pair each regularizer given by a user with its checked weight."""
    if not isinstance(regularizer, Sequence):
        pairs = [(regularizer, 1.0 if weight is None else weight)]
    elif weight is None:
        pairs = list(regularizer)
    else:
        raise ValueError("The option weight belongs to a single regularizer; in a list, every regularizer has its own.")
    for pair in pairs:
        if not (isinstance(pair, Sequence) and len(pair) == 2):
            raise ValueError(f"A list of regularizers holds pairs, such as (KoLeo(), 0.1), but {pair} has no weight.")
        check_regularizer(pair[0])
    return tuple((term, parse_weight(value, term.name)) for term, value in pairs)


def check_regularizer(given: object) -> None:
    """Refuse what is no regularizer that was built, or has no name."""
    if isinstance(given, type):
        raise ValueError(f"A regularizer must be an instance, such as {given.__name__}(), not the class itself.")
    if not isinstance(given, Regularizer):
        raise ValueError(f"A regularizer must be a Regularizer, such as PersistentEntropy(), not {given!r}.")
    if not hasattr(given, "name"):
        raise ValueError(
            f"The regularizer {type(given).__name__} has no name, under which its term is logged; give its class one, "
            'such as name = "my_penalty".'
        )


def check_names(names: Sequence[str]) -> None:
    """Refuse names of terms that would be one entry of the log, or none at all."""
    if len(set(names)) < len(names) or not names or "base" in names:
        raise ValueError(f'At least one regularizer is needed, each with its own name other than "base", got {names}.')


def warn_of_collapse(loss: nn.Module, regularizers: Sequence[Regularizer]) -> None:
    """Warn where nothing holds the cloud open: an objective without negatives, and no term that sees its size."""
    blind = [term for term in regularizers if isinstance(term, PersistentEntropy) and term.scale == "relative"]
    if len(blind) == len(regularizers) and trains_on_positives_alone(loss):
        warnings.warn(
            "AlignmentLoss pulls all embeddings into one point, and entropy on the relative scale, which is the same "
            'for a cloud of any size, does not hold them apart; use PersistentEntropy(scale="absolute").',
            stacklevel=3,
        )
