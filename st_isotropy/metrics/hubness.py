"""Measures of hubness: rows that are neighbors of very many others, and rows that are neighbors of none."""

import numpy as np
from scipy.stats import skew

from st_isotropy.metrics.cloud import Points, as_cloud


def hubness_skewness(embeddings: Points, queries: Points | None = None) -> float:
    """Compute the skewness of N_10, how often each row is among the 10 nearest rows of another.

    Args:
        embeddings: Corpus rows of shape `(n, d)`.
        queries: Rows of shape `(m, d)` that ask for corpus rows; without them the corpus rows ask.

    Returns:
        The skewness; isotropic rows have about 0.3, and hubs make it large. 0 when all counts are equal.

    Raises:
        ValueError: If rows or queries are not a finite `(n, d)` array with at least two rows and two columns, or differ
            in width.

    Examples:
        >>> hubness_skewness(np.eye(5))
        0.0

    References:
        Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space", JMLR 11.
    """
    counts = _occurrences(embeddings, queries)
    return float(skew(counts)) if counts.std() > 0 else 0.0


def anti_hub_share(embeddings: Points, queries: Points | None = None) -> float:
    """Compute the share of rows that are among the 10 nearest rows of none: a search never shows them.

    Args:
        embeddings: Corpus rows of shape `(n, d)`.
        queries: Rows of shape `(m, d)` that ask for corpus rows; without them the corpus rows ask.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: If rows or queries are not a finite `(n, d)` array with at least two rows and two columns, or differ
            in width.

    Examples:
        >>> anti_hub_share(np.eye(5))
        0.0

    References:
        Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space", JMLR 11.
    """
    return float((_occurrences(embeddings, queries) == 0).mean())


def largest_hub(embeddings: Points, queries: Points | None = None) -> float:
    """Compute the largest N_10: in how many lists of 10 nearest rows the most frequent row is.

    Args:
        embeddings: Corpus rows of shape `(n, d)`.
        queries: Rows of shape `(m, d)` that ask for corpus rows; without them the corpus rows ask.

    Returns:
        A count, at most the number of queries.

    Raises:
        ValueError: If rows or queries are not a finite `(n, d)` array with at least two rows and two columns, or differ
            in width.

    Examples:
        >>> largest_hub(np.eye(5))
        4.0

    References:
        Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space", JMLR 11.
    """
    return float(_occurrences(embeddings, queries).max())


def _occurrences(embeddings: Points, queries: Points | None) -> np.ndarray:
    return as_cloud(embeddings).occurrences(None if queries is None else as_cloud(queries))
