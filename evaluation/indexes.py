"""The FAISS indexes of the retrieval check: how each is built, and the ladder its parameters are chosen from."""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import faiss

from evaluation.errors import UserError

Setting = dict[str, int]

POINTS_PER_CENTROID = 39  # below this, faiss warns that k-means has too few training points
SEARCH_PARAMETERS = ("efSearch", "nprobe")  # set after building; every other parameter needs a new index


@dataclass(frozen=True)
class IndexKind:
    """One kind of index.

    Attributes:
        name: What the user types.
        summary: What it does, in a few words.
        ladder: Maps the number of documents and dimensions to settings, from coarse to fine; empty where the corpus is
            too small to train the index.
        create: Maps a dimension and a setting to an empty index for unit rows and inner products.
        needs: The fewest documents that the ladder is not empty for.
        seeded: Whether the order of insertion matters, so that scores are averaged over index seeds.
    """

    name: str
    summary: str
    ladder: Callable[[int, int], list[Setting]]
    create: Callable[[int, Setting], faiss.Index]
    needs: int = 2
    seeded: bool = True


def _one_setting(documents: int, dimensions: int) -> list[Setting]:
    return [{}]


def _hnsw_ladder(documents: int, dimensions: int) -> list[Setting]:
    fine = [{"M": 16, "efSearch": width} for width in (16, 32, 64, 128, 256)]
    return [{"M": 4, "efSearch": 16}, {"M": 8, "efSearch": 16}, *fine]


def _ivf_ladder(documents: int, dimensions: int) -> list[Setting]:
    lists = min(round(math.sqrt(documents)), documents // POINTS_PER_CENTROID)
    if lists < 2:
        return []
    return [{"nlist": lists, "nprobe": 2**power} for power in range(math.ceil(math.log2(lists)))]


def _pq_ladder(documents: int, dimensions: int) -> list[Setting]:
    if documents < 16 * POINTS_PER_CENTROID:
        return []
    return [{"M": dimensions // width} for width in (32, 16, 8, 4, 2, 1) if dimensions % width == 0]


def _flat(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexFlatIP(dimensions)


def _one_bit(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexLSH(dimensions, dimensions, False, False)


def _hnsw(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexHNSWFlat(dimensions, setting["M"], faiss.METRIC_INNER_PRODUCT)


def _ivf(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.index_factory(dimensions, f"IVF{setting['nlist']},Flat", faiss.METRIC_INNER_PRODUCT)


def _pq(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexPQFastScan(dimensions, setting["M"], 4, faiss.METRIC_INNER_PRODUCT)


KINDS = {
    kind.name: kind
    for kind in (
        IndexKind("flat", "exact search in float32", _one_setting, _flat, seeded=False),
        IndexKind("hnsw", "navigable graph", _hnsw_ladder, _hnsw),
        IndexKind("ivf", "inverted lists", _ivf_ladder, _ivf, needs=2 * POINTS_PER_CENTROID),
        IndexKind("pq", "product quantizer, 4 bits per subspace", _pq_ladder, _pq, needs=16 * POINTS_PER_CENTROID),
        IndexKind("one-bit", "the signs of query and document, by Hamming distance", _one_setting, _one_bit),
    )
}


def index_kinds(names: Iterable[str]) -> list[IndexKind]:
    """Look up kinds of index by name.

    Args:
        names: Names such as "hnsw".

    Returns:
        The kinds, in the order given.

    Raises:
        UserError: A name is unknown.
    """
    kinds = []
    for name in names:
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=3, cutoff=0.4) or list(KINDS)
            raise UserError(f"There is no index named {name!r}: did you mean {' or '.join(near)}?")
        kinds.append(KINDS[name])
    return kinds
