"""What a regularizer is: embeddings `(n, d)` to a 0-dim penalty."""

from abc import ABC, abstractmethod

from torch import Tensor


class Regularizer(ABC):
    """A penalty on the geometry of one point cloud.

    A subclass gives a `name`, under which its term is logged as `<name>_loss`, and `__call__`. It keeps no state.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Short snake_case name of the penalty."""

    @abstractmethod
    def __call__(self, embeddings: Tensor) -> Tensor:
        """Compute the penalty of embeddings of shape `(n, d)` as a 0-dim tensor, differentiable, smaller is better."""

    @property
    def citation(self) -> str:
        """BibTeX of the method, for the model card; empty when there is none."""
        return ""
