"""Loops over a cloud, compiled: distances, Prim's walk with the comparisons of `mst.walk`, and edge lengths."""

import numba
import numpy as np

STRIP = 16  # the columns of a strip of so many rows share their cache lines


@numba.njit(cache=True, fastmath={"reassoc", "contract"})  # sums in any order, for vector instructions
def center(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Move a mean that is not near the origin to it, and sum the squares; see `distances.centered`."""
    n, width = points.shape
    mean = np.zeros(width, points.dtype)
    norms = np.empty(n, points.dtype)
    total = points.dtype.type(0)
    for i in range(n):
        squared = points.dtype.type(0)
        for k in range(width):
            mean[k] += points[i, k]
            squared += points[i, k] * points[i, k]
        norms[i] = squared
        total += squared
    if 4 * np.sum(mean * mean) < n * total < np.inf:
        return points, norms, total  # a quarter of the squares is the mean's at most, which cancels less than a bit
    cloud = np.empty_like(points)
    total = points.dtype.type(0)
    for k in range(width):
        mean[k] /= max(n, 1)
    for i in range(n):
        squared = points.dtype.type(0)
        for k in range(width):
            moved = points[i, k] - mean[k]
            cloud[i, k] = moved
            squared += moved * moved
        norms[i] = squared
        total += squared
    return cloud, norms, total


@numba.njit(cache=True)
def complete_distances(triangle: np.ndarray, norms: np.ndarray) -> None:
    """Add the squared norms to the products below the diagonal, and mirror the sums; the diagonal becomes 0."""
    n = len(triangle)
    for top in range(0, n, STRIP):
        bottom = min(top + STRIP, n)
        for i in range(top, bottom):
            for j in range(i):
                triangle[i, j] += norms[i] + norms[j]
            triangle[i, i] = 0
        for j in range(bottom):
            for i in range(max(top, j + 1), bottom):
                triangle[j, i] = triangle[i, j]


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


@numba.njit(cache=True)
def near_ends(squared: np.ndarray, parents: np.ndarray, norms: np.ndarray, limit: float) -> np.ndarray:
    """Mark the ends of the edges whose squared lengths are too small to be trusted; see `mst.near_ends`."""
    marked = np.zeros(len(parents), np.bool_)
    for child in range(1, len(parents)):
        if squared[child] < limit * (norms[child] + norms[parents[child]]):
            marked[child] = marked[parents[child]] = True
    return marked


@numba.njit(cache=True)
def tree(distances: np.ndarray, norms: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Grow the tree, and find the points that are too near to be trusted; see `mst.tree`."""
    parents, lengths = walk(distances)
    edges = np.empty((len(parents) - 1, 2), np.int64)
    for child in range(1, len(parents)):
        edges[child - 1, 0] = parents[child]
        edges[child - 1, 1] = child
    return edges, near_ends(lengths.view(norms.dtype), parents, norms, limit).nonzero()[0]


@numba.njit(cache=True)
def tree_of_half(
    triangle: np.ndarray, keys: np.ndarray, norms: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Complete the squared distances of `distances.half_of_products`, whose keys share their memory, and grow."""
    complete_distances(triangle, norms)
    return tree(keys, norms, limit)


@numba.njit(cache=True, fastmath={"reassoc", "contract"})  # as in `center`
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
