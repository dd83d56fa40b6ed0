"""Columns of embeddings to weighted penalties; knows nothing of losses or models."""

import functools
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from sentence_transformers.util import all_gather
from torch import Tensor

from st_isotropy.losses.clouds import CloudKind, Column, point_clouds
from st_isotropy.losses.terms import LossTerms
from st_isotropy.losses.tokens import TokenLayers
from st_isotropy.precision import at_least_float32
from st_isotropy.regularizers import Regularizer
from st_isotropy.regularizers.base import MINIMUM_POINTS
from st_isotropy.weights import BalancedWeight, Weight, WeightSchedule

Gradients = list[Tensor | None]

# After so many batches without a cloud for it, a term is said to be left out: a data set may begin with a small batch.
LEFT_OUT_BATCHES = 10

# The gradient of a small deficit vanishes in float16; a power of two loses no digit of the others.
_GRADIENT_SCALE = 2.0**12


@dataclass(frozen=True)
class Snapshot:
    """What one batch looked like to the regularizers.

    Attributes:
        clouds: The point clouds that can be measured, detached.
        skipped: How many clouds had fewer than three points.
        weights: Weight in force of every regularizer, by name.
        gradient_ratios: Norm of each weighted term's gradient at the embeddings over the objective's, by name; NaN
            where the objective has no gradient.
    """

    clouds: list[Tensor]
    skipped: int
    weights: dict[str, float]
    gradient_ratios: dict[str, float]


@dataclass
class _Training:
    """What the trainer passes on, what is kept of a step's first batch, and which terms have had a cloud so far."""

    progress: tuple[int, int] | None = None
    watching: bool = False
    snapshot: Snapshot | None = None
    used: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Penalties:
    """Weighted regularizers and the point clouds they act on.

    Attributes:
        regularizers: The regularizers and their weights.
        cloud: Which embeddings form a point cloud.
        tokens: Token layers to take clouds from; None for sentence embeddings.
        reduction: `mean` or `sum` over clouds.
        gather_across_devices: Form the clouds from the batches of all processes.
    """

    regularizers: Sequence[tuple[Regularizer, Weight]]
    cloud: CloudKind = "columns"
    tokens: TokenLayers | None = None
    reduction: Literal["mean", "sum"] = "mean"
    gather_across_devices: bool = False
    _training: _Training = field(default_factory=_Training, init=False, repr=False, compare=False)

    def begin_step(self, step: int, steps: int) -> None:
        """Take note of the trainer's global step, of `steps` in all, and forget what was seen before."""
        self._training.progress, self._training.watching, self._training.snapshot = (step, steps), False, None

    def end_training(self) -> None:
        """Forget the step, which means nothing to another trainer."""
        self._training.progress = None

    def watch(self) -> None:
        """Keep a snapshot of the next batch that is trained on, in this step."""
        self._training.watching, self._training.snapshot = True, None

    @property
    def seen(self) -> Snapshot | None:
        """The snapshot of the first batch since watching began."""
        return self._training.snapshot

    def terms(
        self, columns: list[Column], labels: Tensor | None, sources: list[Tensor], objective: Callable[[], Gradients]
    ) -> LossTerms:
        """Compute the weighted penalty of every regularizer.

        Args:
            columns: One column per encoded input column.
            labels: Labels of the batch, if any.
            sources: The tensors that the columns were cut from, at which gradients are compared.
            objective: Computes the gradients of the base loss at the sources; called only where they are needed.

        Returns:
            One `<name>_loss` per regularizer, 0-dim, attached to the graph.

        Raises:
            ValueError: If an embedding is not finite, a regularizer gives anything but a finite 0-dim tensor, or a
                weight lacks what it depends on: a schedule the step, a balance the objective's gradient.
        """
        objective = functools.cache(objective)
        if self.gather_across_devices:
            columns = [column.gathered() for column in columns]
            # Nothing else reads them, and labels can be a teacher's embeddings.
            labels = all_gather(labels) if labels is not None and self.cloud == "labels" else None
        # Autocast would turn distances back into half precision.
        with torch.autocast(columns[0].embeddings.device.type, enabled=False):
            clouds = point_clouds(columns, self.cloud, labels, self.tokens, self._step)
            terms, weights = LossTerms(), {}
            for regularizer, weight in self.regularizers:
                with drawn_alike(columns[0].embeddings.device):
                    usable = [cloud for cloud in clouds if len(cloud) >= regularizer.minimum_points]
                    penalty = self._reduce([_penalty(regularizer, cloud) for cloud in usable], clouds)
                if torch.is_grad_enabled():
                    self._warn_if_left_out(regularizer, usable, clouds)
                if not penalty.isfinite():  # the trainer waits for every term, too
                    raise ValueError(
                        f"The regularizer {regularizer.name} gives {penalty.item()} for finite embeddings; a penalty "
                        "must be a finite number."
                    )
                weights[regularizer.name] = self._weight(regularizer, weight, penalty, sources, objective)
                terms[f"{regularizer.name}_loss"] = weights[regularizer.name] * penalty
        if self._training.watching and self._training.snapshot is None and torch.is_grad_enabled():
            norm = _norm(objective()) or float("nan")
            measured = [cloud.detach() for cloud in clouds if len(cloud) >= MINIMUM_POINTS]
            self._training.snapshot = Snapshot(
                clouds=measured,
                skipped=len(clouds) - len(measured),
                weights={name: float(weight) for name, weight in weights.items()},
                gradient_ratios={
                    name.removesuffix("_loss"): _norm(gradients(term, sources)) / norm for name, term in terms.items()
                },
            )
        return terms

    @property
    def _step(self) -> int | None:
        return self._training.progress[0] if self._training.progress else None

    def _reduce(self, penalties: list[Tensor], clouds: list[Tensor]) -> Tensor:
        if not penalties:
            return torch.stack([(cloud * 0).sum() for cloud in clouds]).sum()
        stacked = torch.stack(penalties)
        return stacked.mean() if self.reduction == "mean" else stacked.sum()

    def _warn_if_left_out(self, regularizer: Regularizer, usable: list[Tensor], clouds: list[Tensor]) -> None:
        """Warn, once, of a term that had no cloud of enough points in any of the first batches."""
        training, name = self._training, regularizer.name
        if usable:
            training.used.add(name)
        if name in training.used:
            return
        training.left_out[name] += 1
        if training.left_out[name] == LEFT_OUT_BATCHES:
            largest = max(map(len, clouds))
            warnings.warn(
                f"The term {name} was left out of the first {LEFT_OUT_BATCHES} batches: their clouds have at most "
                f"{largest} point{'s' * (largest != 1)}, and it takes {regularizer.minimum_points}. Train with larger "
                'batches, or with cloud="joint" put all columns into one cloud.',
                stacklevel=2,
            )

    def _weight(
        self,
        regularizer: Regularizer,
        weight: Weight,
        penalty: Tensor,
        sources: list[Tensor],
        objective: Callable[[], Gradients],
    ) -> float | Tensor:
        if isinstance(weight, WeightSchedule):
            if not torch.is_grad_enabled():
                return weight.value  # in evaluation, so that losses of different steps compare
            if self._training.progress is None:
                raise ValueError(
                    f"The weight schedule of {regularizer.name} does not know the trainer's step; "
                    "attach the callback with GeometryCallback.attach(trainer), or give `fit`, which takes no "
                    "callback, a number."
                )
            return weight.at(*self._training.progress)
        if isinstance(weight, BalancedWeight):
            if not penalty.requires_grad:
                return 1.0
            if all(gradient is None for gradient in objective()):
                raise ValueError(
                    f"The weight of {regularizer.name} cannot be balanced, because the base loss does not depend on "
                    "the embeddings it acts on, as at token level under torch.compile; give it a number."
                )
            norms = _row_norms(objective()), _row_norms(gradients(penalty, sources))
            return weight.balance(*norms, across_devices=self.gather_across_devices).to(penalty)
        return weight


def _penalty(regularizer: Regularizer, cloud: Tensor) -> Tensor:
    penalty = regularizer(cloud)
    if not isinstance(penalty, Tensor) or penalty.ndim:
        given = f"a tensor of shape {tuple(penalty.shape)}" if isinstance(penalty, Tensor) else repr(penalty)
        raise ValueError(
            f"The regularizer {regularizer.name} gives {given} for a cloud of shape {tuple(cloud.shape)}, but a "
            "penalty is a tensor without dimensions."
        )
    return penalty


@contextmanager
def drawn_alike(device: torch.device) -> Iterator[None]:
    """In evaluation, draw the same whenever the batch is the same, and leave the draws of training as they were."""
    if torch.is_grad_enabled():
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield


def gradients(value: Tensor, sources: list[Tensor]) -> Gradients:
    """Compute the gradients of a 0-dim value at some tensors, keeping the graph.

    None where the value does not depend on a tensor, or that takes no gradient; zeros of a value that is a constant.
    """
    trained = [part for part in sources if part.requires_grad]
    if not trained:
        return [None for _ in sources]
    if not value.requires_grad:
        return [torch.zeros_like(part) if part.requires_grad else None for part in sources]
    found = iter(torch.autograd.grad(value * _GRADIENT_SCALE, trained, retain_graph=True, allow_unused=True))
    scaled = [next(found) if part.requires_grad else None for part in sources]
    return [None if gradient is None else at_least_float32(gradient) / _GRADIENT_SCALE for gradient in scaled]


def _row_norms(gradients: Gradients) -> Tensor:
    norms = [at_least_float32(gradient.flatten(0, -2)).norm(dim=1) for gradient in gradients if gradient is not None]
    return torch.cat(norms) if norms else torch.zeros(0)


def _norm(gradients: Gradients) -> float:
    return _row_norms(gradients).norm().item()
