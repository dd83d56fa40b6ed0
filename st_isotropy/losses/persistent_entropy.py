"""The loss this package is about: any training objective plus the persistent-entropy deficit of its embeddings."""

from collections.abc import Sequence
from typing import Literal

from sentence_transformers import SentenceTransformer
from torch import nn

from st_isotropy.barcodes.rips import Engine
from st_isotropy.barcodes.selection import Selection
from st_isotropy.losses.checks import WeightArgument
from st_isotropy.losses.clouds import CloudKind
from st_isotropy.losses.regularized import RegularizedLoss
from st_isotropy.regularizers import MSTLength, PersistentEntropy, Regularizer

# The normalized deficit is small near saturation. Of the weights that were tried, this one cost little where the term
# does not help: docs/choosing-settings.md.
DEFAULT_WEIGHT = 3.0


class PersistentEntropyLoss(RegularizedLoss):
    r"""Any sentence-transformers loss plus the persistent-entropy deficit of its embeddings.

    Args:
        model: The model being trained; the one the base loss was built with.
        loss: The base loss.
        weight: Weight of the deficit $1 - H / \ln m$. In the committed studies of objectives on cosines the default
            cost little where the term did not help; where it did, the best weight was 3 to 100. A mean squared error
            over coordinates is far smaller and needs a smaller weight.
        spread_weight: Weight of a second term, how far the mean MST length on the sphere is from its largest value
            (`MSTLength`); entropy alone cannot open a narrow cone.
        homology_dimensions: Dimensions of the bars, one term each; above 0 the extra `homology` is needed.
        selection: Bars that count; see `PersistentEntropy`.
        engine: Homology engine for dimensions above 0; see `PersistentEntropy`.
        cloud: See `RegularizedLoss`, as for all arguments that follow.
        level: `sentence` or `token`.
        layers: Hidden layers at token level.
        max_points: Tokens of a cloud at most.
        reduction: `mean` or `sum` over clouds.
        gather_across_devices: Form the clouds from the batches of all processes.

    Examples:
        >>> from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
        >>> loss = PersistentEntropyLoss(model, MultipleNegativesRankingLoss(model), spread_weight=0.3)
        >>> [(each.name, weight) for each, weight in loss.penalties.regularizers]
        [('persistent_entropy', 3.0), ('mst_length', 0.3)]
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        weight: WeightArgument = DEFAULT_WEIGHT,
        *,
        spread_weight: WeightArgument | None = None,
        homology_dimensions: Sequence[int] = (0,),
        selection: Selection = "all",
        engine: Engine = "auto",
        cloud: CloudKind = "columns",
        level: Literal["sentence", "token"] = "sentence",
        layers: Sequence[int] = (-1,),
        max_points: int = 512,
        reduction: Literal["mean", "sum"] = "mean",
        gather_across_devices: bool = False,
    ) -> None:
        terms: list[tuple[Regularizer, WeightArgument]] = [
            (PersistentEntropy(dimension, selection, engine), weight) for dimension in homology_dimensions
        ]
        if spread_weight is not None:
            terms.append((MSTLength(), spread_weight))
        super().__init__(
            model,
            loss,
            terms,
            cloud=cloud,
            level=level,
            layers=layers,
            max_points=max_points,
            reduction=reduction,
            gather_across_devices=gather_across_devices,
        )
