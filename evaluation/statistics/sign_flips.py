"""Sign-flip tests of paired differences: exact where there are few, and silent where there are too few."""

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evaluation.statistics.intervals import ROUNDING

FEWEST = 6  # 2 / 2**6 is the first smallest p-value below 5 %
PERMUTATIONS = 9999
BLOCK = 1000  # patterns in memory at once
EQUAL = 1e-12  # relative; means of the same values in another order differ by less


def sign_flip_test(differences: ArrayLike, rng: Generator) -> float | None:
    """Test whether paired differences are as likely to be negative as positive.

    All sign patterns are gone through where there are at most 9,999 of them; otherwise that many are drawn.

    Args:
        differences: New minus old, one per paired run or query, shape `(n,)`.
        rng: Source of the drawn patterns.

    Returns:
        The two-sided p-value, twice that of the smaller tail. Fewer than 6 pairs that differ allow none below 5 % (3
        pairs none below 25 %), so there is none.

    References:
        Smucker et al. 2007, "A comparison of statistical significance tests for information retrieval evaluation".

    Example:
        >>> sign_flip_test([0.2, 0.1, 0.3, 0.2, 0.4, 0.1], np.random.default_rng(0))
        0.03125
    """
    values = np.asarray(differences, dtype=float)
    values = values[np.abs(values) > ROUNDING]  # a zero has no sign to flip
    if values.size < FEWEST:
        return None
    observed, tolerance = values.sum(), EQUAL * np.abs(values).sum()
    is_exact = 2**values.size <= PERMUTATIONS
    sums = _all_sums(values) if is_exact else _drawn_sums(values, rng)
    tails = (sums >= observed - tolerance).sum(), (sums <= observed + tolerance).sum()
    counted = int(min(tails)) + (not is_exact)  # of drawn patterns the observed one is one more
    return min(1.0, 2 * counted / (len(sums) + (not is_exact)))


def _all_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum under every sign pattern."""
    patterns = np.arange(2**values.size)[:, None] >> np.arange(values.size) & 1
    return (2 * patterns - 1) @ values


def _drawn_sums(values: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """The sum under each of as many random sign patterns; a bit of a random byte is a sign."""
    sums = []
    for start in range(0, PERMUTATIONS, BLOCK):
        drawn = rng.integers(256, size=(min(BLOCK, PERMUTATIONS - start), -(-values.size // 8)), dtype=np.uint8)
        positive = np.unpackbits(drawn, axis=1, count=values.size).astype(float)
        sums.append(2 * (positive @ values) - values.sum())
    return np.concatenate(sums)
