"""The walk of Prim's algorithm, compiled: the same additions and comparisons as in `mst.walk`, so the same edges."""

import numba
import numpy as np


@numba.njit(cache=True)
def walk(rows: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree from point 0; see `mst.walk`."""
    n = len(rows)
    nearest = np.full(n, np.inf, rows.dtype)
    lengths = np.zeros(n, rows.dtype)
    parents = np.zeros(n, np.int64)
    outside = np.arange(1, n)  # ascending, so that the first of equals has the smallest index
    newest = 0
    for left in range(n - 1, 0, -1):
        row = rows[newest]
        best = 0
        least = np.inf
        for k in range(left):
            j = outside[k]
            candidate = row[j] + offsets[j]
            if candidate < nearest[j]:
                nearest[j] = candidate
                parents[j] = newest
            if nearest[j] < least:
                least = nearest[j]
                best = k
        newest = outside[best]
        lengths[newest] = least
        outside[best : left - 1] = outside[best + 1 : left]
    return parents, lengths
