"""Folds of queries or pairs: what shares a text is never on both sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FOLDS = 5


def make_folds(groups: NDArray[np.int64], count: int = FOLDS, seed: int = 0) -> NDArray[np.int64]:
    """Give each item a fold, whole groups at a time: the largest group next, into the smallest fold.

    Args:
        groups: The group of each item, shape `(n,)`.
        count: Number of folds.
        seed: Seed of the order of equally large groups.

    Returns:
        The fold of each item, from 0, shape `(n,)`.

    Examples:
        >>> make_folds(np.array([0, 0, 0, 1, 2, 3]), count=2).tolist() in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
        True
    """
    _, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold_of_group, filled = np.zeros(len(sizes), dtype=np.int64), np.zeros(count, dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of_group[group] = filled.argmin()
        filled[filled.argmin()] += sizes[group]
    return fold_of_group[members]


def group_pairs(pairs: Sequence[tuple[str, str]]) -> NDArray[np.int64]:
    """Give pairs that share a sentence, or are linked through others that do, the same number.

    Examples:
        >>> group_pairs([("a", "b"), ("b", "d"), ("c", "e")]).tolist()
        [0, 0, 1]
    """
    numbers = {text: number for number, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
    ends = np.array([[numbers[text] for text in pair] for pair in pairs]).T
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(len(numbers), len(numbers)))
    components = connected_components(graph, directed=False)[1][ends[0]]
    return np.unique(components, return_inverse=True)[1]
