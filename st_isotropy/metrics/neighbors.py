"""Exact nearest neighbors in blocks, and how often each point is one."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

# A block of scores should stay in the cache, but a block of few rows would copy the corpus too often.
_SCORES_PER_BLOCK = 2**23
_FEWEST_ROWS = 256


def k_occurrences(
    corpus: np.ndarray | Tensor, queries: np.ndarray | Tensor | None = None, k: int = 10, similarity: str = "cosine"
) -> np.ndarray:
    """Count how often each corpus row is among the `k` most similar rows of a query.

    Args:
        corpus: Embeddings of shape `(n, d)`.
        queries: Embeddings of shape `(m, d)`; without them every corpus row asks for the other rows.
        k: Neighbors per query; at most the number of rows there are to find.
        similarity: "cosine", "dot", or anything else for Euclidean distance.

    Returns:
        Counts of shape `(n,)`, summing to `k` times the number of queries.

    Examples:
        >>> k_occurrences(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), k=1).tolist()
        [1, 2, 0]

    References:
        Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space", JMLR 11.
    """
    rows = torch.as_tensor(corpus).detach().float()
    asking = rows if queries is None else torch.as_tensor(queries).detach().float()
    if similarity == "cosine":
        rows, asking = normalize(rows, dim=1), normalize(asking, dim=1)
    # Centering changes no ranking, and in a narrow cone it saves the digits that tell the rows apart.
    center = rows.double().mean(dim=0).float()
    rows = rows - center
    if similarity == "dot":
        offset = torch.zeros(len(rows), device=rows.device)
    else:
        asking = asking - center
        offset = rows.square().sum(dim=1) / -2
    k = min(k, len(rows) - (queries is None))
    counts = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    step = max(_FEWEST_ROWS, _SCORES_PER_BLOCK // len(rows))
    for start in range(0, len(asking), step):
        scores = torch.addmm(offset, asking[start : start + step], rows.T)
        if queries is None:
            scores.diagonal(offset=start).fill_(-torch.inf)
        counts += torch.bincount(scores.topk(k, dim=1, sorted=False).indices.flatten(), minlength=len(rows))
    return counts.cpu().numpy()
