"""An affine map of embeddings, for documents and queries or for queries alone."""

from dataclasses import dataclass

import torch
from sentence_transformers.sentence_transformer.modules import Dense
from torch import Tensor
from torch.nn.functional import linear, normalize


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The map `y = A x + b` of embeddings, divided by its norm where the model makes unit rows.

    Attributes:
        matrix: `A`, shape `(k, d)`, float32.
        offset: `b`, shape `(k,)`.
        queries_only: Whether documents stay as they are, so that an index of them stays valid.
        unit_rows: Whether what was mapped is normalized, as by a `Normalize` at the end of the model.

    Examples:
        >>> first_two = AffineMap.keeping(2, width=3)
        >>> first_two.of_queries(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 2.0]]
    """

    matrix: Tensor
    offset: Tensor
    queries_only: bool = False
    unit_rows: bool = False

    @classmethod
    def of_dense(cls, dense: Dense, unit_rows: bool = False) -> "AffineMap":
        """Take the map of a `Dense` without activation."""
        return cls(dense.linear.weight.detach().float(), dense.linear.bias.detach().float(), unit_rows=unit_rows)

    @classmethod
    def keeping(cls, kept: int, width: int, queries_only: bool = False, unit_rows: bool = False) -> "AffineMap":
        """Keep the first dimensions: all of them is the identity."""
        return cls(torch.eye(kept, width), torch.zeros(kept), queries_only, unit_rows)

    def of_queries(self, rows: Tensor) -> Tensor:
        """Map queries `(n, d)`."""
        mapped = linear(rows.to(self.matrix.dtype), self.matrix, self.offset)
        return normalize(mapped, dim=1) if self.unit_rows else mapped

    def of_documents(self, rows: Tensor) -> Tensor:
        """Map documents `(n, d)`."""
        return rows.to(self.matrix.dtype) if self.queries_only else self.of_queries(rows)
