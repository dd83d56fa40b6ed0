"""Exact search in blocks: the best documents of each query, with memory that does not grow with the corpus."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.metrics.cloud import Similarity

DOCUMENT_ROWS = 8192
QUERY_ROWS = 1024


def find_best(
    queries: Tensor,
    documents: Tensor,
    similarity: Similarity,
    depth: int,
    mapped: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> Tensor:
    """Find the documents that are most similar to each query, exactly.

    Args:
        queries: Mapped queries, shape `(q, k)`.
        documents: Documents before the map, shape `(n, d)`; may lie in a memory-mapped file.
        similarity: What ranks.
        depth: How many documents to find; all of them if there are fewer.
        mapped: What is done to a block of documents before it is searched.

    Returns:
        Rows of documents, best first, shape `(q, depth)`. Of equally similar documents the one with the lower row comes
        first.
    """
    prepared = normalize(queries, dim=1) if similarity == "cosine" else queries
    parts = prepared.split(QUERY_ROWS)
    best: list[tuple[Tensor, Tensor]] = [
        (torch.empty(len(part), 0), torch.empty(len(part), 0).long()) for part in parts
    ]
    for start in range(0, len(documents), DOCUMENT_ROWS):
        block = mapped(documents[start : start + DOCUMENT_ROWS])
        block = normalize(block, dim=1) if similarity == "cosine" else block
        for number, part in enumerate(parts):
            best[number] = _merged(best[number], _scores(part, block, similarity), start, depth)
    return torch.cat([rows for _, rows in best])


def _scores(queries: Tensor, documents: Tensor, similarity: Similarity) -> Tensor:
    """The larger, the more similar; Euclidean distances squared and without the query's norm, which ranks the same."""
    if similarity == "manhattan":
        return -torch.cdist(queries, documents, p=1)
    products = queries @ documents.T
    return 2 * products - documents.square().sum(dim=1) if similarity == "euclidean" else products


def _merged(best: tuple[Tensor, Tensor], scores: Tensor, start: int, depth: int) -> tuple[Tensor, Tensor]:
    """Merge the best so far with a block whose rows come after theirs, so that a stable sort breaks ties by row."""
    kept = torch.sort(_leading(scores, min(depth, scores.shape[1])), dim=1).values
    values = torch.cat([best[0], scores.gather(1, kept)], dim=1)
    rows = torch.cat([best[1], kept + start], dim=1)
    order = torch.sort(values, dim=1, descending=True, stable=True).indices[:, :depth]
    return values.gather(1, order), rows.gather(1, order)


def _leading(scores: Tensor, depth: int) -> Tensor:
    """Columns of the largest scores of each row; of those that equal the last one, the first columns."""
    top = scores.topk(depth, dim=1)
    last = top.values[:, -1:]
    crowded = ((scores >= last).sum(dim=1) > depth).nonzero().squeeze(1)
    columns = top.indices
    if len(crowded):  # `topk` takes any of equal scores
        columns[crowded] = torch.sort(scores[crowded], dim=1, descending=True, stable=True).indices[:, :depth]
    return columns
