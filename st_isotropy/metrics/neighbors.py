"""Exact nearest neighbors in blocks, and how often each point is one."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from st_isotropy.metrics.rows import as_rows
from st_isotropy.precision import full_products

# A block of scores should stay in the cache, but a block of few rows would copy the corpus too often.
_SCORES_PER_BLOCK = 2**23
_FEWEST_ROWS = 256


@full_products()
def k_occurrences(
    corpus: np.ndarray | Tensor, queries: np.ndarray | Tensor | None = None, k: int = 10, similarity: str = "cosine"
) -> np.ndarray:
    """Count how often each corpus row is among the `k` most similar rows of a query.

    Args:
        corpus: Embeddings of shape `(n, d)`.
        queries: Embeddings of shape `(m, d)`; without them every corpus row asks for the other rows.
        k: Neighbors per query; at most the number of rows there are to find.
        similarity: "cosine", "dot", or anything else for Euclidean distance. By cosine or dot product a row of zeros
            is at 0 from every other; as a query it would be as near to one row as to any other, so it finds none.

    Returns:
        Counts of shape `(n,)`, summing to `k` times the number of queries that find any.

    Examples:
        >>> k_occurrences(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), k=1).tolist()
        [1, 2, 0]

    References:
        Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space", JMLR 11.
    """
    rows = as_rows(corpus).float()
    asking = rows if queries is None else as_rows(queries).float()
    finds = asking.any(dim=1) | (similarity not in ("cosine", "dot"))
    offset = torch.zeros(len(rows), device=rows.device)
    if similarity == "cosine":
        rows, asking = normalize(rows, dim=1), normalize(asking, dim=1)
        offset = ~rows.any(dim=1) / -2  # unit rows are ranked by distance, in which a row of zeros would be too near
    # Centering changes no ranking, and in a narrow cone it saves the digits that tell the rows apart.
    center = rows.double().mean(dim=0).float()
    rows = rows - center
    if similarity != "dot":
        asking = asking - center
        offset = offset - rows.square().sum(dim=1) / 2
    k = min(k, len(rows) - (queries is None))
    counts = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    step = max(_FEWEST_ROWS, _SCORES_PER_BLOCK // len(rows))
    for start in range(0, len(asking), step):
        scores = torch.addmm(offset, asking[start : start + step], rows.T)
        if queries is None:
            scores.diagonal(offset=start).fill_(-torch.inf)
        found = scores.topk(k, dim=1, sorted=False).indices[finds[start : start + step]]
        counts += torch.bincount(found.flatten(), minlength=len(rows))
    return counts.cpu().numpy()
