"""Search with one-bit and int8 codes, as sentence-transformers quantizes embeddings."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from sentence_transformers.util import quantize_embeddings
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.improve.ranking import DOCUMENT_ROWS, find_best
from st_isotropy.metrics.cloud import Similarity

Precision = Literal["float32", "int8", "binary"]
CODES: tuple[Precision, ...] = ("int8", "binary")


def find_best_codes(
    queries: Tensor,
    documents: Tensor,
    similarity: Similarity,
    depth: int,
    precision: Precision,
    mapped: Callable[[Tensor], Tensor],
) -> Tensor:
    """Find the documents whose codes have the largest inner product with the query's; arguments as for `find_best`.

    The ranges of int8 codes are those of the documents. One-bit codes are ranked by the bits that agree, which is the
    order of their Hamming distances.
    """
    unit = _unit if similarity == "cosine" else _unchanged
    ranges = None
    if precision == "int8":
        blocks = [unit(mapped(documents[at : at + DOCUMENT_ROWS])) for at in range(0, len(documents), DOCUMENT_ROWS)]
        lows, highs = zip(*((block.amin(dim=0), block.amax(dim=0)) for block in blocks), strict=True)
        ranges = torch.stack([torch.stack(lows).amin(dim=0), torch.stack(highs).amax(dim=0)]).numpy()

    def coded(rows: Tensor) -> Tensor:
        return encode(unit(rows), precision, ranges)

    return find_best(coded(queries), documents, "dot", depth, lambda rows: coded(mapped(rows)))


def similarity_of_codes(first: Tensor, second: Tensor, similarity: Similarity, precision: Precision) -> Tensor:
    """Compute the inner product of the codes of row and row, shape `(n,)`."""
    unit = _unit if similarity == "cosine" else _unchanged
    both = encode(unit(torch.cat([first, second])), precision)
    return (both[: len(first)] * both[len(first) :]).sum(dim=1).double()


def encode(rows: Tensor, precision: Precision, ranges: np.ndarray | None = None) -> Tensor:
    """Quantize rows; one-bit codes become −1 and 1, int8 codes whole numbers, as float32."""
    if precision == "binary":
        packed = np.asarray(quantize_embeddings(rows.numpy(), "ubinary"))
        return torch.from_numpy(np.unpackbits(packed, axis=1, count=rows.shape[1])).float() * 2 - 1
    values = rows.numpy()
    if ranges is None:
        ranges = np.stack([values.min(axis=0), values.max(axis=0)])
    ranges[1] = np.maximum(ranges[1], ranges[0] + np.finfo(np.float32).tiny)  # a dimension may not vary
    # sentence-transformers lets what is out of range overflow to the other end.
    codes = quantize_embeddings(values.clip(*ranges), "int8", ranges=ranges)
    return torch.from_numpy(np.asarray(codes)).float()


def _unit(rows: Tensor) -> Tensor:
    return normalize(rows, dim=1)


def _unchanged(rows: Tensor) -> Tensor:
    return rows
