"""The FAISS indexes of the retrieval check: how each is built, and the ladder its parameters are chosen from."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import faiss
from faiss.class_wrappers import add_to_referenced_objects

from evaluation.measured import EXACT, Setting

POINTS_PER_CENTROID = 39  # below this, faiss warns that k-means has too few training points
SEARCH_PARAMETERS = ("efSearch", "nprobe")  # set after building; every other parameter needs a new index
_FIRST_DIMENSIONS: Any = faiss.RemapDimensionsTransform  # its overloads are hidden from type checkers
OPQ_ROUNDS = 10  # faiss's 50 take five times as long


def _no_parameters(documents: int, dimensions: int) -> list[Setting]:
    return [{}]


def _any_corpus(dimensions: int) -> int:
    return 2


@dataclass(frozen=True)
class IndexKind:
    """One kind of index.

    Attributes:
        name: What the user types.
        create: Maps a dimension and a setting to an empty index for unit rows and inner products.
        ladder: Maps the number of documents and dimensions to settings, from coarse to fine.
        needs: Maps a dimension to the fewest documents that the index can be trained on.
        follows: Name of the kind whose setting is taken over, so that the two can be compared; empty for none.
        exact: Whether every document is compared in full, so that nothing depends on a seed.
        coded: Whether vectors are replaced by codes, so that there is a quantization error.
    """

    name: str
    create: Callable[[int, Setting], faiss.Index]
    ladder: Callable[[int, int], list[Setting]] = _no_parameters
    needs: Callable[[int], int] = _any_corpus
    follows: str = ""
    exact: bool = False
    coded: bool = False

    def fewest(self, dimensions: int, setting: Setting) -> int:
        """The fewest documents of so many dimensions that it can be trained on; a setting may pad them."""
        return self.needs(dimensions + -dimensions % setting.get("M", 1))


def _hnsw_ladder(documents: int, dimensions: int) -> list[Setting]:
    fine = [{"M": 16, "efSearch": width} for width in (16, 32, 64, 128, 256)]
    return [{"M": 4, "efSearch": 16}, {"M": 8, "efSearch": 16}, *fine]


def _ivf_ladder(documents: int, dimensions: int) -> list[Setting]:
    lists = min(round(math.sqrt(documents)), documents // POINTS_PER_CENTROID)
    return [{"nlist": lists, "nprobe": 2**power} for power in range(math.ceil(math.log2(lists)))]


def _pq_ladder(documents: int, dimensions: int) -> list[Setting]:
    return [{"M": dimensions // width} for width in (32, 16, 8, 4, 2, 1) if dimensions % width == 0]


def _flat(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexFlatIP(dimensions)


def _rotated(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexPreTransform(faiss.RandomRotationMatrix(dimensions, dimensions), faiss.IndexFlatIP(dimensions))


def _hnsw(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexHNSWFlat(dimensions, setting["M"], faiss.METRIC_INNER_PRODUCT)


def _ivf(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.index_factory(dimensions, f"IVF{setting['nlist']},Flat", faiss.METRIC_INNER_PRODUCT)


def _pq(dimensions: int, setting: Setting) -> faiss.Index:
    return _padded(dimensions, setting["M"], _quantized)


def _opq(dimensions: int, setting: Setting) -> faiss.Index:
    return _padded(dimensions, setting["M"], _rotated_and_quantized)


def _padded(dimensions: int, parts: int, make: Callable[[int, int], faiss.Index]) -> faiss.Index:
    """An index of that many equal parts: another model's dimension may not divide, and zeros change no product."""
    missing = -dimensions % parts
    if not missing:
        return make(dimensions, parts)
    padding = _FIRST_DIMENSIONS(dimensions, dimensions + missing, False)
    return faiss.IndexPreTransform(padding, make(dimensions + missing, parts))


def _quantized(dimensions: int, parts: int) -> faiss.Index:
    return faiss.IndexPQFastScan(dimensions, parts, 4, faiss.METRIC_INNER_PRODUCT)


def _rotated_and_quantized(dimensions: int, parts: int) -> faiss.Index:
    rotation = faiss.OPQMatrix(dimensions, parts)
    quantizer = faiss.ProductQuantizer(dimensions, parts, 4)
    rotation.pq, rotation.niter = quantizer, OPQ_ROUNDS
    add_to_referenced_objects(rotation, quantizer)  # the rotation holds a bare pointer
    return faiss.IndexPreTransform(rotation, _quantized(dimensions, parts))


def _scalar(bits: int, dimensions: int, setting: Setting) -> faiss.Index:
    quantizer = {8: faiss.ScalarQuantizer.QT_8bit, 4: faiss.ScalarQuantizer.QT_4bit}[bits]
    return faiss.IndexScalarQuantizer(dimensions, quantizer, faiss.METRIC_INNER_PRODUCT)


def _one_bit(dimensions: int, setting: Setting) -> faiss.Index:
    return faiss.IndexLSH(dimensions, dimensions, False, False)


def _rabitq(dimensions: int, setting: Setting) -> faiss.Index:
    rotation = faiss.RandomRotationMatrix(dimensions, dimensions)
    return faiss.IndexPreTransform(rotation, faiss.IndexRaBitQ(dimensions, faiss.METRIC_INNER_PRODUCT))


def _kept(share: int, dimensions: int) -> int:
    return max(1, dimensions // share)


def _truncated(share: int, dimensions: int, setting: Setting) -> faiss.Index:
    kept = _kept(share, dimensions)
    normalized = faiss.IndexPreTransform(faiss.NormalizationTransform(kept, 2.0), faiss.IndexFlatIP(kept))
    return faiss.IndexPreTransform(_FIRST_DIMENSIONS(dimensions, kept, False), normalized)


def _projected(share: int, dimensions: int, setting: Setting) -> faiss.Index:
    factory = f"PCA{_kept(share, dimensions)},L2norm,Flat"  # centered, as faiss does it
    return faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)


def _lists(dimensions: int) -> int:
    return 2 * POINTS_PER_CENTROID


def _codebooks(dimensions: int) -> int:
    return 16 * POINTS_PER_CENTROID


def _rotation(dimensions: int) -> int:
    return max(_codebooks(dimensions), dimensions)  # with fewer rows than dimensions, faiss writes out of bounds


_ALL = (
    IndexKind("flat", _flat, exact=True),
    IndexKind("rotated", _rotated, exact=True),
    IndexKind("hnsw", _hnsw, _hnsw_ladder),
    IndexKind("ivf", _ivf, _ivf_ladder, _lists),
    IndexKind("pq", _pq, _pq_ladder, _codebooks, coded=True),
    IndexKind("opq", _opq, needs=_rotation, follows="pq", coded=True),
    IndexKind("sq8", partial(_scalar, 8), coded=True),
    IndexKind("sq4", partial(_scalar, 4), coded=True),
    IndexKind("one-bit", _one_bit),
    IndexKind("rabitq", _rabitq),
    IndexKind("truncate-2", partial(_truncated, 2)),
    IndexKind("truncate-4", partial(_truncated, 4)),
    IndexKind("pca-2", partial(_projected, 2), needs=partial(_kept, 2)),
    IndexKind("pca-4", partial(_projected, 4), needs=partial(_kept, 4)),
)
KINDS = {kind.name: kind for kind in _ALL}
QUICK_INDEXES = (EXACT, "hnsw", "ivf", "pq", "one-bit")
ALL_INDEXES = tuple(KINDS)
