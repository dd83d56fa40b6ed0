"""Minimum spanning trees of clouds too large for a distance matrix: Borůvka's rounds over nearest neighbors."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from torch import Tensor

from st_isotropy.barcodes.distances import PAIRS_AT_ONCE, centered
from st_isotropy.barcodes.kernels import compiled_kernels
from st_isotropy.precision import full_products

# On a list. Longer lists are renewed less often, but take more memory and time to make.
NEIGHBORS = 16
# Queries of one matrix product; their squared distances to all points are in memory at once.
ROWS_AT_ONCE = 256
# Points with one minimum: a list is chosen from the chunks with the smallest minima, rather than from all points.
CHUNK = 32
# Bound on the rounding error of a squared distance. A wider one gives the same tree and compares more by differences.
ROUNDING_IN_ULPS = 32
# Components left when every two of them are compared: half a pass at most, however far apart they are.
FEW = 32


@full_products()
def large_tree(points: Tensor) -> np.ndarray:
    """Find the tree in memory proportional to the number of points.

    Every point first gets a list of its nearest neighbors. A component then leaves by the shortest edge on the lists of
    its points; a point whose list holds no foreign point is searched anew, but only if what the list leaves out could
    be shorter than what the component already has. The largest component waits to be reached by the others. When few
    components are left, such as tight clusters far from one another, every two are compared instead, once and for all.

    Args:
        points: Point cloud of shape `(n, d)` on the CPU, float32 or float64.

    Returns:
        Edges of shape `(max(n - 1, 0), 2)`.

    Raises:
        ValueError: If points are not finite, or their squared distances overflow.
    """
    n = len(points)
    search = Search(points)
    labels = torch.arange(n)
    lists = Lists.concatenate([search.nearest(block, labels) for block in labels.split(ROWS_AT_ONCE)])
    edges = np.zeros((0, 2), dtype=np.int64)
    while len(edges) < n - 1:
        few = n - len(edges) <= FEW
        leaving = shortest_between(search, labels) if few else shortest_leaving(search, lists, labels)
        edges = np.concatenate([edges, leaving])
        joined = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(n, n))
        labels = torch.from_numpy(connected_components(joined, directed=False)[1]).long()
    return edges


@dataclass
class Lists:
    """Neighbors of some points: each is exact, and no other point is closer than `bound`.

    Attributes:
        neighbors: Indices of shape `(q, k)`.
        squared: Squared distances to them, shape `(q, k)`.
        bound: Squared distance that every point not on the list keeps, shape `(q,)`.
    """

    neighbors: Tensor
    squared: Tensor
    bound: Tensor

    @classmethod
    def concatenate(cls, blocks: "list[Lists]") -> "Lists":
        """Join the lists of consecutive blocks of points."""
        parts = zip(*((block.neighbors, block.squared, block.bound) for block in blocks), strict=True)
        return cls(*(torch.cat(part) for part in parts))

    def replace(self, rows: Tensor, other: "Lists") -> None:
        """Overwrite the lists of some points."""
        self.neighbors[rows], self.squared[rows], self.bound[rows] = other.neighbors, other.squared, other.bound

    def nearest_foreign(self, labels: Tensor, rows: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Give squared distance and index of the closest listed point under another label; infinity where none is."""
        own = labels[self.neighbors[rows]] == labels[rows, None]
        squared, place = torch.where(own, torch.inf, self.squared[rows]).min(dim=1)
        return squared, self.neighbors[rows].gather(1, place[:, None])[:, 0]


class Search:
    """Exact search for the nearest points under other labels, a block of query rows at a time.

    Args:
        points: Point cloud of shape `(n, d)`.
    """

    def __init__(self, points: Tensor) -> None:
        self.points = points
        self.cloud, self.norms = map(torch.from_numpy, centered(points.numpy(), compiled_kernels()))
        self.kept = min(NEIGHBORS, len(points) - 1)
        chunks = max(-(-len(points) // CHUNK), self.kept)
        self.squared = points.new_full((ROWS_AT_ONCE, chunks, CHUNK), torch.inf)

    def nearest(self, rows: Tensor, labels: Tensor) -> Lists:
        """List the nearest points whose label differs from that of the query.

        Args:
            rows: Indices of the queries, at most `ROWS_AT_ONCE`.
            labels: Label of every point, shape `(n,)`.
        """
        n = len(self.points)
        squared = self.squared[: len(rows)]
        flat = squared.flatten(1)
        torch.addmm(self.norms, self.cloud[rows], self.cloud.T, alpha=-2, out=flat[:, :n])
        short = labels.int()  # half the memory to compare
        flat[:, :n].masked_fill_(short[rows, None] == short, torch.inf)
        # The k smallest values lie in the k chunks with the smallest minima.
        chunks = squared.amin(dim=2).topk(self.kept, largest=False).indices
        candidates = squared.gather(1, chunks[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
        rough, places = candidates.topk(self.kept, largest=False)
        neighbors = chunks.gather(1, places // CHUNK) * CHUNK + places % CHUNK
        listed = rough.isfinite()
        neighbors = torch.where(listed, neighbors, 0)
        exact = (self.points[neighbors] - self.points[rows, None]).square().sum(dim=2)
        exact = torch.where(listed, exact, torch.inf)
        margin = self.rounding(rows, rough[:, -1])
        bound = (rough[:, -1] + self.norms[rows] - margin).clamp(min=0)
        lists = Lists(neighbors, exact, bound)
        doubtful = (exact.amin(dim=1) > bound).nonzero()[:, 0]
        for row in doubtful.tolist():
            self.settle(lists, row, rows[row], flat[row, :n], rough[row, 0] + 2 * margin[row])
        return lists

    def rounding(self, rows: Tensor, rough: Tensor) -> Tensor:
        """Bound the rounding error of squared distances up to `rough`, which lacks the squared norm of the query."""
        reach = self.norms[rows].sqrt() + (rough + self.norms[rows]).clamp(min=0).sqrt()
        reach = torch.where(reach.isfinite(), reach, 0)  # the list is complete
        return ROUNDING_IN_ULPS * torch.finfo(rough.dtype).eps * (self.norms[rows] + reach.square())

    def minima(self, rows: Tensor, groups: list[Tensor]) -> Tensor:
        """Give the smallest squared distance to each group `(q, g)`, less the squared norm of the query and rounded."""
        others = torch.cat(groups)
        cloud, norms = self.cloud[others], self.norms[others]
        found = []
        for block in rows.split(ROWS_AT_ONCE):
            squared = self.squared.flatten(1)[: len(block), : len(others)]
            torch.addmm(norms, self.cloud[block], cloud.T, alpha=-2, out=squared)
            found.append(torch.stack([part.amin(dim=1) for part in squared.split([*map(len, groups)], dim=1)], dim=1))
        return torch.cat(found)

    def closest(self, rows: Tensor, minima: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Find the shortest edge between two groups of points, comparing by differences what rounding leaves open.

        Args:
            rows: Indices of the points of one group.
            minima: Their smallest squared distances to the other group, as `minima` gives them.
            group: Indices of the points of the other group.

        Returns:
            Squared length and ends of the edge, shapes `()` and `(2,)`.
        """
        margin = self.rounding(rows, minima)
        limit = (minima + self.norms[rows] + margin).min() + margin - self.norms[rows]
        open_ = minima <= limit
        best, edge = torch.tensor(torch.inf), torch.zeros(2, dtype=torch.int64)
        cloud, norms = self.cloud[group], self.norms[group]
        for block, most in zip(rows[open_].split(ROWS_AT_ONCE), limit[open_].split(ROWS_AT_ONCE), strict=True):
            squared = self.squared.flatten(1)[: len(block), : len(group)]
            torch.addmm(norms, self.cloud[block], cloud.T, alpha=-2, out=squared)
            for pairs in (squared <= most[:, None]).nonzero().split(PAIRS_AT_ONCE):
                left, right = block[pairs[:, 0]], group[pairs[:, 1]]
                exact, place = (self.points[left] - self.points[right]).square().sum(dim=1).min(dim=0)
                if exact < best:
                    best, edge = exact, torch.stack([left[place], right[place]])
        return best, edge

    def settle(self, lists: Lists, row: int, query: Tensor, squared: Tensor, limit: Tensor) -> None:
        """Compare by differences all points that rounding makes equally near; only the nearest stays on the list."""
        close = (squared <= limit).nonzero()[:, 0]
        exact, place = (self.points[close] - self.points[query]).square().sum(dim=1).min(dim=0)
        lists.neighbors[row], lists.squared[row], lists.bound[row] = close[place], torch.inf, exact
        lists.squared[row, 0] = exact


def shortest_leaving(search: Search, lists: Lists, labels: Tensor) -> np.ndarray:
    """Find the shortest edge that leaves each component but the largest; ties that would close a cycle are dropped.

    Args:
        search: Search over the points.
        lists: Neighbors of every point; lists that do not decide are renewed in place.
        labels: Component of every point, 0, 1, ..., shape `(n,)`.

    Returns:
        Edges of shape `(e, 2)`.
    """
    sizes = labels.bincount()
    largest = int(sizes.argmax())
    squared, nearest = lists.nearest_foreign(labels)
    shortest = torch.full((len(sizes),), torch.inf, dtype=squared.dtype).scatter_reduce(0, labels, squared, "amin")
    while True:
        # What the list leaves out may be shorter than the best edge of the component.
        undecided = (lists.bound < squared) & (lists.bound < shortest[labels]) & (labels != largest)
        rows = undecided.nonzero()[:, 0]
        if not len(rows):
            break
        rows = rows[lists.bound[rows].argsort(stable=True)[:ROWS_AT_ONCE]]
        lists.replace(rows, search.nearest(rows, labels))
        squared[rows], nearest[rows] = lists.nearest_foreign(labels, rows)
        shortest.scatter_reduce_(0, labels[rows], squared[rows], "amin")
    best = ((squared == shortest[labels]) & (labels != largest)).nonzero()[:, 0]
    # One edge each: a second one just as short could join what a shorter edge joins in a later round.
    _, first = np.unique(labels[best].numpy(), return_index=True)
    best = best[first]
    return shortest_forest(torch.stack([best, nearest[best]], dim=1), squared[best], labels)


def shortest_between(search: Search, labels: Tensor) -> np.ndarray:
    """Find the tree of a few components from the shortest edge between every two of them, in at most half a pass.

    Args:
        search: Search over the points.
        labels: Component of every point, 0, 1, ..., shape `(n,)`.

    Returns:
        Edges of shape `(e, 2)`.
    """
    sizes = labels.bincount()
    groups = [*labels.argsort(stable=True).split(sizes.tolist())]
    groups.sort(key=len)  # the largest is only reached
    found = []
    for place, rows in enumerate(groups[:-1], start=1):
        minima = search.minima(rows, groups[place:])
        found += [search.closest(rows, *other) for other in zip(minima.T, groups[place:], strict=True)]
    squared, edges = map(torch.stack, zip(*found, strict=True))
    return shortest_forest(edges, squared, labels)


def shortest_forest(edges: Tensor, squared: Tensor, labels: Tensor) -> np.ndarray:
    """Keep the edges `(e, 2)` of the spanning forest of the components, given their squared lengths `(e,)`."""
    ordered = edges[squared.argsort(stable=True)].numpy()
    ends = labels.numpy()[ordered]
    components = int(labels.max()) + 1
    _, ranks = np.unique(ends.min(axis=1) * components + ends.max(axis=1), return_index=True)
    low, high = np.sort(ends[ranks], axis=1).T
    # Edges of equal length can close a cycle. Ranks serve as weights, since scipy takes a weight of zero for no edge.
    forest = minimum_spanning_tree(coo_array((ranks + 1.0, (low, high)), shape=(components, components)))
    return ordered[forest.data.astype(np.int64) - 1]
