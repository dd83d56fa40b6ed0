"""Sign-flip tests of paired differences: exact where there are few, and silent where there are too few."""

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.statistics.intervals import ROUNDING

FEWEST = 6  # 2 / 2**6 is the first smallest p-value below 5 %
PERMUTATIONS = 9999


def sign_flip_test(differences: ArrayLike, rng: Generator) -> float | None:
    """Test whether paired differences are as likely to be negative as positive.

    All sign patterns are gone through where there are at most 9,999 of them; otherwise that many are drawn.

    Args:
        differences: New minus old, one per paired run or query, shape `(n,)`.
        rng: Source of the drawn patterns.

    Returns:
        The two-sided p-value. Fewer than 6 pairs that differ allow none below 5 % (3 pairs none below 25 %), so there
        is none.

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
    result = stats.permutation_test(
        (values,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=500,
        rng=rng,
    )
    return float(result.pvalue)
