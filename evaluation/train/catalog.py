"""What a study can name: training objectives, regularizers, and the post-hoc transforms they are compared with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypedDict, Unpack

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CoSENTLoss,
    CosineSimilarityLoss,
    MSELoss,
    MultipleNegativesRankingLoss,
)
from torch import nn

from evaluation.models.linear_head import LinearHeadLoss
from st_isotropy import AlignmentLoss
from st_isotropy.losses.clouds import CloudKind
from st_isotropy.posthoc import AllButTheTop, Center, PostHoc, ProjectOutMean, SpectralPower, Whitening
from st_isotropy.regularizers import (
    Covariance,
    GlobalOrthogonal,
    IsoScoreStar,
    KoLeo,
    MeanCosine,
    MSTLength,
    PersistentEntropy,
    Regularizer,
    SIGReg,
    Uniformity,
)

Columns = Literal["scored", "positive", "teacher", "labelled"]
Direction = Literal["query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"]


@dataclass(frozen=True)
class Objective:
    """A loss and what it trains on.

    Attributes:
        loss: Makes the loss for a model and the rows that it trains on.
        columns: "scored" (two sentences and a score in [0, 1]), "positive" (an anchor and its positive), "teacher" (a
            sentence and a teacher's embedding of it) or "labelled" (a text and the number of its class).
        at_scale: Makes the loss for a model with the number by which cosines are multiplied before their softmax, one
            over the temperature; None where there is none. `loss` takes the library's default.
    """

    loss: Callable[[SentenceTransformer, Dataset], nn.Module]
    columns: Columns
    at_scale: Callable[[SentenceTransformer, float], nn.Module] | None = None


def _in_batch(*directions: Direction, partition_mode: Literal["joint", "per_direction"] = "joint") -> Objective:
    """In-batch negatives: which texts of the batch are told apart from which."""

    def at_scale(model: SentenceTransformer, scale: float = 20.0) -> nn.Module:
        return MultipleNegativesRankingLoss(model, scale, directions=directions, partition_mode=partition_mode)

    return Objective(lambda model, _: at_scale(model), "positive", at_scale)


OBJECTIVES: dict[str, Objective] = {
    "cosine": Objective(lambda model, _: CosineSimilarityLoss(model), "scored"),
    "cosent": Objective(lambda model, _: CoSENTLoss(model), "scored"),
    "contrastive": _in_batch("query_to_doc"),
    # As Günther et al. 2024 (arXiv 2310.19923), and as Li et al. 2023 (arXiv 2308.03281).
    "contrastive_two_sided": _in_batch("query_to_doc", "doc_to_query", partition_mode="per_direction"),
    "contrastive_all_sides": _in_batch("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"),
    "alignment": Objective(lambda model, _: AlignmentLoss(model), "positive"),
    "distillation": Objective(lambda model, _: MSELoss(model), "teacher"),
    "linear_head": Objective(lambda model, rows: LinearHeadLoss(model, max(rows["label"]) + 1), "labelled"),
}

# Entropy and spread together: a weight of 30 on entropy goes with 1 on the mean MST length.
SPREAD_SHARE = 1 / 30


class LossOptions(TypedDict, total=False):
    """Keyword arguments of `RegularizedLoss` that decide how its clouds are formed."""

    cloud: CloudKind
    level: Literal["sentence", "token"]
    reduction: Literal["mean", "sum"]


@dataclass(frozen=True)
class Kind:
    """What is added to an objective.

    Attributes:
        terms: Penalties with their weights relative to each other.
        options: Keyword arguments of `RegularizedLoss` that belong to it.
    """

    terms: tuple[tuple[Regularizer, float], ...]
    options: LossOptions = field(default_factory=LossOptions)


def _alone(make: Callable[[], Regularizer]) -> Callable[[], Kind]:
    return lambda: Kind(((make(), 1.0),))


def _prominent(**options: Unpack[LossOptions]) -> Kind:
    return Kind(((PersistentEntropy(selection="prominent"), 1.0),), options)


def _authors(selection: Literal["all", "prominent"]) -> Kind:
    entropy = PersistentEntropy(selection=selection, normalize=False, deficit=False)
    return Kind(((entropy, 1.0),), {"cloud": "labels", "reduction": "sum"})


# Built when asked for: the second homology dimension needs an engine that may not be installed.
REGULARIZERS: dict[str, Callable[[], Kind]] = {
    **{
        make().name: _alone(make)
        for make in (
            *(PersistentEntropy, MSTLength, KoLeo, GlobalOrthogonal, Uniformity),
            *(MeanCosine, IsoScoreStar, Covariance, SIGReg),
        )
    },
    "absolute_entropy": _alone(lambda: PersistentEntropy(scale="absolute")),
    **{
        f"absolute_entropy_order_{order:g}": _alone(partial(PersistentEntropy, scale="absolute", order=order))
        for order in (1.0, 0.5, 0.25, 0.125)
    },
    "entropy_and_spread": lambda: Kind(((PersistentEntropy(), 1.0), (MSTLength(), SPREAD_SHARE))),
    "prominent_entropy": _prominent,
    "floored_entropy": lambda: Kind(((PersistentEntropy(floor=0.5), 1.0),)),
    "entropy_h0_h1": lambda: Kind(((PersistentEntropy(), 1.0), (PersistentEntropy(homology_dimension=1), 1.0))),
    "token_entropy": lambda: Kind(((PersistentEntropy(), 1.0),), {"level": "token"}),
    "label_entropy": lambda: Kind(((PersistentEntropy(), 1.0),), {"cloud": "labels"}),
    "label_prominent_entropy": lambda: _prominent(cloud="labels"),
    # As in the authors' code: minus the entropy in nats of raw embeddings, summed over the labels of the batch.
    "authors_all_bars": lambda: _authors("all"),
    "authors_prominent_bars": lambda: _authors("prominent"),
}

# None of them is tuned.
POSTHOC: dict[str, PostHoc] = {
    "center": Center(),
    "project_out_mean": ProjectOutMean(),
    "all_but_the_top": AllButTheTop(),
    "spectral_power": SpectralPower(gamma=0.5),
    "whitening": Whitening(shrinkage=0.1),
}
