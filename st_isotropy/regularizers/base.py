"""What a regularizer is: embeddings `(n, d)` to a 0-dim penalty."""

from abc import ABC, abstractmethod

from torch import Tensor

# A cloud of two points has a single bar: there is no geometry to compare.
MINIMUM_POINTS = 3


class Regularizer(ABC):
    """A penalty on the geometry of one point cloud.

    A subclass gives a `name` and `__call__`. It keeps no state.

    Attributes:
        name: Short snake_case name of the penalty, under which its term is logged as `<name>_loss`.
        citation: BibTeX of the method, for the model card; empty when there is none.
        minimum_points: A loss leaves out clouds of fewer points.

    Examples:
        >>> import torch
        >>> class MeanNorm(Regularizer):
        ...     name = "mean_norm"
        ...     def __call__(self, embeddings):
        ...         return embeddings.mean(dim=0).norm()
        >>> MeanNorm()(torch.tensor([[3.0, 4.0], [3.0, 4.0]])).item()
        5.0
    """

    name: str
    citation: str = ""
    minimum_points: int = MINIMUM_POINTS

    @abstractmethod
    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings of shape `(n, d)` as a 0-dim tensor, differentiable, smaller is better."""
