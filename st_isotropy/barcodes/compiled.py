"""Loops over a cloud, compiled: Prim's walk, with the comparisons of `mst.walk` and so its edges, and edge lengths."""

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


@numba.njit(cache=True, fastmath={"reassoc", "contract"})  # sums of differences in any order, for vector instructions
def lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Compute the Euclidean lengths of edges; see `bars.edge_lengths`."""
    found = np.empty(len(edges), points.dtype)
    for edge in range(len(edges)):
        left, right = points[edges[edge, 0]], points[edges[edge, 1]]
        squared = points.dtype.type(0)
        for k in range(points.shape[1]):
            difference = left[k] - right[k]
            squared += difference * difference
        found[edge] = np.sqrt(squared)
    return found


@numba.njit(cache=True)
def pull(points: np.ndarray, edges: np.ndarray, lengths: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Pull the ends of edges apart along their difference; see `bars.EdgeLengths`."""
    pulled = np.zeros_like(points)
    for edge in range(len(edges)):
        if lengths[edge] == 0:
            continue
        left, right, strength = edges[edge, 0], edges[edge, 1], gradient[edge] / lengths[edge]
        for k in range(points.shape[1]):
            moved = strength * (points[left, k] - points[right, k])
            pulled[left, k] += moved
            pulled[right, k] -= moved
    return pulled
