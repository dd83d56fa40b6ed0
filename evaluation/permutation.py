"""Sign-flip tests of paired differences: exact where there are few, and silent where there are too few."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy import stats

FEWEST = 6  # 2 / 2**6 is the first smallest p-value below 5 %
PERMUTATIONS = 9999


@dataclass(frozen=True)
class SignFlip:
    """The outcome of a sign-flip test.

    Attributes:
        p: Two-sided p-value; None where there are too few pairs for any result to be significant.
        method: How it was computed, or why there is none.
    """

    p: float | None
    method: str


def sign_flip_test(differences: ArrayLike, rng: Generator) -> SignFlip:
    """Test whether paired differences are as likely to be negative as positive.

    All sign patterns are gone through where there are at most 9,999 of them; otherwise that many are drawn.

    Args:
        differences: New minus old, one per paired run or query, shape `(n,)`.
        rng: Source of the drawn patterns.

    Returns:
        The test. Fewer than 6 pairs allow no p-value below 5 % (3 pairs none below 25 %), so there is none.

    References:
        Smucker et al. 2007, "A comparison of statistical significance tests for information retrieval evaluation".

    Example:
        >>> sign_flip_test([0.2, 0.1, 0.3, 0.2, 0.4, 0.1], np.random.default_rng(0))
        SignFlip(p=0.03125, method='all 64 sign patterns')
    """
    values = np.asarray(differences, dtype=float)
    values = values[values != 0]  # a zero has no sign to flip
    if values.size < FEWEST:
        return SignFlip(None, f"no test: {values.size} pairs that differ allow no p-value below 5 %")
    result = stats.permutation_test(
        (values,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=500,
        rng=rng,
    )
    exact = 2**values.size <= PERMUTATIONS
    return SignFlip(
        float(result.pvalue), f"{'all' if exact else ''} {len(result.null_distribution)} sign patterns".strip()
    )
