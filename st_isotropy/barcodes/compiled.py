"""The walk of Prim's algorithm, compiled: the same comparisons as in `mst.walk`, so the same edges."""

import numba
import numpy as np


@numba.njit(cache=True)
def walk(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree from point 0; see `mst.walk`."""
    n = len(distances)
    most = np.iinfo(distances.dtype).max
    inside = np.full(n, np.iinfo(distances.dtype).min, distances.dtype)
    nearest = np.full(n, most, distances.dtype)
    lengths = np.zeros(n, distances.dtype)
    parents = np.zeros(n, np.int32)  # as wide as the keys of float32, so that both loops become vector instructions
    newest = 0
    for _ in range(n - 1):
        inside[newest] = nearest[newest] = most
        row = distances[newest]
        for j in range(n):
            candidate = max(row[j], inside[j])
            closer = candidate < nearest[j]
            parents[j] = newest if closer else parents[j]
            nearest[j] = candidate if closer else nearest[j]
        least = nearest[0]
        for j in range(n):
            least = min(least, nearest[j])
        newest = 0
        while nearest[newest] != least:
            newest += 1
        lengths[newest] = least
    return parents, lengths
