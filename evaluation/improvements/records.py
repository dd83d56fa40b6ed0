"""What is measured of `st-isotropy improve`, as typed records."""

from collections.abc import Mapping
from dataclasses import dataclass

from st_isotropy.improve.intervals import Gain


@dataclass(frozen=True)
class ArmResult:
    """What one arm scores on held-out queries or pairs.

    Attributes:
        name: The arm.
        score: The main measure.
        gain: The paired gain over the embeddings as they are; None for those themselves.
        one_bit: The main measure with one-bit codes.
        isotropy: Measures of the mapped documents, with the map of the first fold.
        chosen: What each fold chose, in words.
        at_end: In how many folds the adapter's rate is the lowest or highest of its grid.
    """

    name: str
    score: float
    gain: Gain | None
    one_bit: float
    isotropy: Mapping[str, float]
    chosen: tuple[str, ...]
    at_end: int = 0


@dataclass(frozen=True)
class ArmPair:
    """The paired gain of one arm over another on held-out queries or pairs.

    Attributes:
        after: The arm that is asked about.
        before: The one beside it.
        gain: The gain in the main measure.
    """

    after: str
    before: str
    gain: Gain


@dataclass(frozen=True)
class Cell:
    """One model on one data set.

    Attributes:
        model: Name of the model.
        data: Name of the data.
        measure: The main measure.
        items: Number of queries or pairs.
        arms: Every arm, the embeddings as they are first.
        pairs: Arms beside each other.
        seconds: Time that it took, encoding included.
    """

    model: str
    data: str
    measure: str
    items: int
    arms: tuple[ArmResult, ...]
    pairs: tuple[ArmPair, ...]
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """All cells, and the command that made them."""

    command: str
    cells: tuple[Cell, ...]
