"""The regularizers that a study can compare, by name: each a few weighted terms and how their clouds are formed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

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

# Entropy and spread together: a weight of 30 on entropy goes with 1 on the mean MST length.
SPREAD_SHARE = 1 / 30


@dataclass(frozen=True)
class Kind:
    """What is added to an objective.

    Attributes:
        terms: Penalties with their weights relative to each other.
        options: Keyword arguments of `RegularizedLoss` that belong to it: `cloud`, `level`, `reduction`.
    """

    terms: tuple[tuple[Regularizer, float], ...]
    options: dict[str, Any] = field(default_factory=dict)


def _alone(make: Callable[[], Regularizer]) -> Callable[[], Kind]:
    return lambda: Kind(((make(), 1.0),))


def _prominent(**options: Any) -> Kind:
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
