"""How strongly a regularizer counts: a number, a schedule, or a balance of gradients."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal

import torch
import torch.distributed
from torch import Tensor

__all__ = ["BalancedWeight", "WeightSchedule"]

Shape = Literal["linear", "cosine"]


@dataclass(frozen=True)
class WeightSchedule:
    """A weight that changes with the trainer's global step.

    It needs to know the step, so `GeometryCallback` must be attached to the trainer. It has no state of its own:
    a run resumed from a checkpoint continues with the weight of its step. In evaluation `value` is in force, so that
    evaluation losses of different steps compare.

    Attributes:
        value: The weight after warm-up and before decay.
        warmup: Steps over which the weight rises from 0; below 1, the share of all steps.
        decay: Steps over which it falls back to 0 at the end of training; below 1, the share of all steps.
        shape: Course of both: `linear` or `cosine`.

    Raises:
        ValueError: If `value` is not a finite number, `warmup` or `decay` negative or infinite, or `shape` unknown.

    Examples:
        >>> schedule = WeightSchedule(30.0, warmup=10, decay=0.5)
        >>> [schedule.at(step, 100) for step in (0, 5, 10, 75, 100)]
        [0.0, 15.0, 30.0, 15.0, 0.0]
    """

    value: float
    warmup: float = 0
    decay: float = 0
    shape: Shape = "linear"

    def __post_init__(self) -> None:
        if not _is_finite_number(self.value):
            raise ValueError(f"WeightSchedule.value must be a finite number, got {self.value!r}.")
        for name in ("warmup", "decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"WeightSchedule.{name} must be a number of steps or a share below 1, got {getattr(self, name)!r}."
                )
        if self.shape not in ("linear", "cosine"):
            raise ValueError(f'WeightSchedule.shape must be "linear" or "cosine", got {self.shape!r}.')

    def at(self, step: int, steps: int) -> float:
        """Compute the weight at a global step of `steps` in all."""
        rise, fall = (length * steps if length < 1 else length for length in (self.warmup, self.decay))
        progress = min(step / rise if rise else 1.0, (steps - step) / fall if fall else 1.0)
        progress = min(max(progress, 0.0), 1.0)
        if self.shape == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        return self.value * progress


@dataclass(frozen=True)
class BalancedWeight:
    """A weight found anew in each step from the gradients at the embeddings (`weight="auto"`).

    It is the weight at which the median row norm of the term's gradient is `fraction` of the median row norm of the
    objective's, over the rows that have a gradient. It is detached and capped, and where clouds are gathered over
    processes it is averaged over those that have one. Medians, because a single near-duplicate pair can carry nearly
    all of the entropy's squared gradient.

    Attributes:
        fraction: Share of the objective's gradient; negative as a control that maximizes the penalty.
        cap: Largest absolute weight.

    Raises:
        ValueError: If `fraction` is not a finite number, or `cap` not a positive finite one.

    Examples:
        >>> weight = BalancedWeight(fraction=0.5)
        >>> objective = torch.tensor([1.0, 2.0, 3.0])
        >>> term = torch.tensor([0.0, 0.25, 0.25])
        >>> weight.balance(objective, term).item()
        4.0
    """

    fraction: float = 0.1
    cap: float = 10_000.0

    def __post_init__(self) -> None:
        if not _is_finite_number(self.fraction):
            raise ValueError(f"BalancedWeight.fraction must be a finite number, got {self.fraction!r}.")
        if not 0 < self.cap < math.inf:
            raise ValueError(f"BalancedWeight.cap must be a positive finite number, got {self.cap!r}.")

    def balance(self, objective: Tensor, term: Tensor, across_devices: bool = False) -> Tensor:
        """Compute the weight.

        Args:
            objective: Row norms of the objective's gradient at the embeddings, shape `(rows,)`.
            term: Row norms of the unweighted term's gradient, shape `(rows,)`.
            across_devices: Average over all processes. Without it each balances its own batch, which with several
                data sets can be one of another objective.

        Returns:
            The weight as a 0-dim tensor; 0 when either has no gradient at all.
        """
        objective, term = (norms[norms > 0] for norms in (objective, term))
        found = len(objective) > 0 and len(term) > 0
        weight = objective.new_zeros(())
        if found:
            weight = (self.fraction * objective.median() / term.median()).clamp(-self.cap, self.cap)
        if across_devices and torch.distributed.is_available() and torch.distributed.is_initialized():
            sums = torch.stack([weight, torch.full_like(weight, found)])
            torch.distributed.all_reduce(sums)
            weight = sums[0] / sums[1].clamp(min=1)
        return weight


Weight = float | WeightSchedule | BalancedWeight


def parse_weight(weight: Weight | str, name: str) -> Weight:
    """Check a weight given by a user; a negative number is a control that maximizes the penalty.

    Raises:
        ValueError: For anything but a finite number, a schedule, a balance, or `"auto"`.
    """
    if weight == "auto":
        return BalancedWeight()
    if isinstance(weight, WeightSchedule | BalancedWeight):
        return weight
    if isinstance(weight, str) or not _is_finite_number(weight):
        raise ValueError(
            f"The weight of {name} must be a finite number, a WeightSchedule, a BalancedWeight or "
            f'"auto", got {weight!r}.'
        )
    return weight


def _is_finite_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
