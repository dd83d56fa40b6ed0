"""The loss this package is about: any training objective plus the persistent-entropy deficit of its embeddings."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Unpack

from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from torch import nn

from st_isotropy.losses.checks import WeightArgument
from st_isotropy.losses.clouds import CloudOptions
from st_isotropy.losses.regularized import RegularizedLoss
from st_isotropy.regularizers import MSTLength, PersistentEntropy, Regularizer

# What it rests on: docs/choosing-settings.md.
DEFAULT_WEIGHT = 3.0
DEFAULT_REGULARIZER = PersistentEntropy()  # it keeps no state, so that losses can share it


class PersistentEntropyLoss(RegularizedLoss):
    r"""Any sentence-transformers loss plus the persistent-entropy deficit of its embeddings.

    Entropy on the relative scale, the default, is the same for a cloud of any size, so it does not hold open what an
    objective without negatives closes: `AlignmentLoss` alone collapses, and with it as well, which is warned of. There
    use `PersistentEntropy(scale="absolute")`.

    Args:
        model: The model being trained; the one the base loss was built with.
        loss: The base loss.
        weight: Weight of the deficit. The default is what validation tasks chose for entropy on the absolute scale in
            place of negatives, on a static encoder; on SmolLM2's first layers it was a tenth. On the relative
            scale, and for other objectives, try several. A mean squared error over coordinates is far smaller than a
            loss on cosines and needs a smaller weight.
        spread_weight: Weight of a second term, how far the mean MST length on the sphere is from its largest value
            (`MSTLength`); entropy alone cannot open a narrow cone. With 0 there is no such term.
        regularizer: The regularizer itself, for its options: which bars count, of which dimension, with what floor.
            With `PersistentEntropy(scale="absolute")` the spread is part of it.
        **clouds: `cloud`, `level`, `layers`, `max_points`, `reduction` and `gather_across_devices`; see
            `RegularizedLoss`.

    Raises:
        TypeError: For any other option; an option of the regularizer is said to be one.
        ValueError: As from `RegularizedLoss`; for a `spread_weight` beside entropy on the absolute scale.

    Examples:
        >>> from sentence_transformers.sentence_transformer import losses
        >>> contrastive = losses.MultipleNegativesRankingLoss(model)
        >>> loss = PersistentEntropyLoss(model, contrastive, spread_weight=0.3)
        >>> [(term.name, weight) for term, weight in loss.penalties.regularizers]
        [('persistent_entropy', 3.0), ('mst_length', 0.3)]
        >>> floored = PersistentEntropy(floor=0.5)
        >>> loss = PersistentEntropyLoss(
        ...     model, contrastive, regularizer=floored, cloud="joint"
        ... )

    References:
        Kudriashov, Karpik and Klyshinsky 2025 (arXiv 2501.05502).
    """

    def __init__(
        self,
        model: SentenceTransformer | MultiVectorEncoder,
        loss: nn.Module,
        weight: WeightArgument = DEFAULT_WEIGHT,
        *,
        spread_weight: WeightArgument = 0.0,
        regularizer: PersistentEntropy = DEFAULT_REGULARIZER,
        **clouds: Unpack[CloudOptions],
    ) -> None:
        _check_options(clouds)
        if not isinstance(regularizer, PersistentEntropy):
            raise TypeError(
                f"PersistentEntropyLoss takes a PersistentEntropy, not {regularizer!r}; for other terms write "
                "RegularizedLoss(model, loss, regularizer, weight)."
            )
        if spread_weight != 0.0 and regularizer.scale == "absolute":
            raise ValueError(
                f"The spread_weight is {spread_weight!r}, but entropy on the absolute scale measures the spread "
                'itself; leave it out or use scale="relative".'
            )
        terms: list[tuple[Regularizer, WeightArgument]] = [(regularizer, weight)]
        if spread_weight != 0.0:
            terms.append((MSTLength(), spread_weight))
        super().__init__(model, loss, terms, **clouds)


def _check_options(given: Iterable[str]) -> None:
    """Refuse options of the regularizer with where they belong."""
    moved = sorted({"homology_dimensions", *(option.name for option in fields(PersistentEntropy))}.intersection(given))
    if moved:
        option = moved[0].replace("dimensions", "dimension")
        raise TypeError(
            f"The option {moved[0]} is one of the regularizer; write PersistentEntropyLoss(..., "
            f"regularizer=PersistentEntropy({option}=...))."
        )
