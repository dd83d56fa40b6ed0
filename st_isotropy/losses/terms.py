"""What a regularized loss returns: named terms for the trainer's log that also do arithmetic like a scalar."""

import torch
from torch import Tensor


class LossTerms(dict[str, Tensor]):
    """Weighted loss terms by name; a dict for the trainer, a scalar for what modifiers and `old_fit` do with a loss.

    The sentence-transformers trainer logs every entry of a dict and sums them. Loss modifiers (`MatryoshkaLoss`,
    `AdaptiveLayerLoss`) and `old_fit` instead multiply, add and call `backward()`; those operations act on the terms,
    so the names survive them.

    Examples:
        >>> terms = LossTerms(base_loss=torch.tensor(2.0), persistent_entropy_loss=torch.tensor(0.5))
        >>> (0.0 + 2 * terms).total.item()
        5.0
    """

    @classmethod
    def of(cls, loss: "Tensor | dict[str, Tensor]") -> "LossTerms":
        """Name what a base loss returned: its own keys if it is a dict, else `base_loss`."""
        return cls(loss) if isinstance(loss, dict) else cls(base_loss=loss)

    @property
    def total(self) -> Tensor:
        """The sum of all terms, a 0-dim tensor."""
        return torch.stack(list(self.values())).sum()

    def backward(self, retain_graph: bool | None = None) -> None:
        """Back-propagate the sum of all terms."""
        self.total.backward(retain_graph=retain_graph)

    def item(self) -> float:
        """The sum of all terms as a number."""
        return self.total.item()

    __float__ = item

    def detach(self) -> "LossTerms":
        """Copy the values without their graph."""
        return LossTerms({name: value.detach() for name, value in self.items()})

    def __mul__(self, factor: float | Tensor) -> "LossTerms":
        return LossTerms({name: value * factor for name, value in self.items()})

    __rmul__ = __mul__

    def __truediv__(self, divisor: float | Tensor) -> "LossTerms":
        return LossTerms({name: value / divisor for name, value in self.items()})

    def __add__(self, other: "LossTerms | Tensor | float") -> "LossTerms":
        # What an enclosing modifier adds of its own (the KL divergence of AdaptiveLayerLoss) keeps a name of its own.
        if not isinstance(other, LossTerms):
            # `sum` and the modifiers start from a plain 0.
            other = (
                LossTerms(modifier_loss=torch.as_tensor(other)) if isinstance(other, Tensor) or other else LossTerms()
            )
        merged = LossTerms(self)
        for name, value in other.items():
            merged[name] = merged[name] + value if name in merged else value
        return merged

    __radd__ = __add__

    def __neg__(self) -> "LossTerms":
        return self * -1

    def __sub__(self, other: "LossTerms | Tensor | float") -> "LossTerms":
        return self + -other

    def __rsub__(self, other: "Tensor | float") -> "LossTerms":
        return -self + other
