"""The trainer's side: the global step for weight schedules, and the geometry of a batch in the training log."""

import inspect
import warnings
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from sentence_transformers.base.trainer import BaseTrainer
from torch import nn
from transformers.trainer_callback import CallbackHandler, TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_utils import IntervalStrategy
from transformers.training_args import TrainingArguments

from st_isotropy.losses.alignment import trains_on_positives_alone
from st_isotropy.losses.penalties import Penalties, Snapshot
from st_isotropy.losses.regularized import RegularizedLoss
from st_isotropy.metrics import CATALOG, as_cloud

__all__ = ["GeometryCallback"]

EDGE = "mean_mst_length"
LOGGED_MEASURES = ("persistent_entropy", "persistent_entropy_nats", EDGE, "average_cosine", "isoscore")

# At half the mean edge squared distances are a quarter. On a static encoder and pairs of docstrings (150 steps, batches
# of 8 and 32) the edge varied by 2 to 4 % from batch to batch. It fell to 0.27 to 0.35 of the first batch's without a
# term or with entropy on the relative scale, and not below 0.5 with absolute entropy from weight 1, or KoLeo at 0.3.
CLOSED = 0.5


class GeometryCallback(TrainerCallback):
    """Tells regularized losses the trainer's step, and adds the geometry of a batch to each training log entry.

    The first batch of every logged step is measured, on the embeddings that the loss computed anyway. Logged, each as
    the mean over the clouds of that batch: the measures `persistent_entropy`, `persistent_entropy_nats`,
    `mean_mst_length`, `average_cosine` and `isoscore`, named as in `st_isotropy.metrics.CATALOG`; `bars` and
    `skipped_clouds`; for each regularizer its `<name>_weight` in force and its `<name>_gradient_ratio`, the norm of the
    weighted term's gradient at the embeddings over the objective's. With a dict of losses, keys begin with the data
    set's name, or with several, joined by a plus sign, where these have one loss. Of regularized losses that are
    nested, the outermost is measured.

    Where the objective is `AlignmentLoss`, which has no negatives, the first batch of a training is measured, too. A
    logged batch whose mean tree edge is below half of that batch's is warned of, once: the cloud closes. In a resumed
    run the first batch is the first since it was resumed.

    The terms of an evaluation become metrics, so that `metric_for_best_model="eval_base_loss"` is found.

    Args:
        loss: The loss given to the trainer, or its dict of losses; regularized losses inside modifiers are found.

    Raises:
        ValueError: If there is no regularized loss; when training begins in several processes, if the losses of several
            data sets have different regularizers.

    Examples:
        >>> from sentence_transformers.sentence_transformer import losses
        >>> from st_isotropy import PersistentEntropyLoss, WeightSchedule
        >>> schedule = WeightSchedule(30.0, warmup=100)
        >>> base = losses.CosineSimilarityLoss(model)
        >>> loss = PersistentEntropyLoss(model, base, weight=schedule)
        >>> callback = GeometryCallback(loss)  # for callbacks=[...], or `attach`
    """

    def __init__(self, loss: nn.Module | Mapping[str, nn.Module]) -> None:
        roots = _by_prefix(loss) if isinstance(loss, Mapping) else {"": loss}
        for root in roots.values():
            if not isinstance(root, nn.Module):
                raise ValueError(
                    f"The callback needs a loss object, such as PersistentEntropyLoss(model, base), not {root!r}."
                )
        found = {prefix: [part.penalties for part in _regularized(root)] for prefix, root in roots.items()}
        self.penalties = {prefix: several[0] for prefix, several in found.items() if several}
        self.scheduled = [penalties for several in found.values() for penalties in several]
        self.terms = {_names(several) for several in found.values()}
        self.positives_alone = {
            prefix for prefix in self.penalties if any(map(trains_on_positives_alone, _regularized(roots[prefix])))
        }
        self.first_edges: dict[str, float] = {}
        self.closed: set[str] = set()
        if not self.penalties:
            names = ", ".join(type(root).__name__ for root in roots.values())
            raise ValueError(
                f"There is no RegularizedLoss or PersistentEntropyLoss in {names}, so there is nothing to follow; pass "
                "the loss that the trainer gets."
            )

    @classmethod
    def attach(cls, trainer: BaseTrainer) -> "GeometryCallback":
        """Add a callback for the trainer's loss in front of all others, so that TensorBoard and W&B log the geometry.

        Args:
            trainer: The trainer, before training.

        Returns:
            The callback.
        """
        callback = cls(trainer.loss)
        trainer.callback_handler.callbacks.insert(0, callback)
        return callback

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Forget an earlier training; refuse losses that would log different terms; go before all other callbacks.

        Processes can be at different data sets in one step, and the trainer would then wait forever. What other
        callbacks read, as early stopping does the terms of an evaluation, this one adds.
        """
        self.first_edges.clear()
        self.closed.clear()
        _go_first(self)
        if args.world_size > 1 and len(self.terms) > 1:
            named = " and ".join(", ".join(names) or "none" for names in sorted(self.terms))
            raise ValueError(
                f"With several processes the losses of all data sets must have the same regularizers, but they have "
                f"{named}; wrap every loss in a RegularizedLoss, with weight 0 where a term should not count."
            )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Pass on the step, and watch the batch if this step will be logged."""
        following = state.global_step + 1
        watching = (
            args.logging_strategy == IntervalStrategy.EPOCH  # whether a step is the epoch's last is not known yet
            or (args.logging_strategy == IntervalStrategy.STEPS and following % state.logging_steps == 0)
            or (args.logging_first_step and following == 1)
        )
        for penalties in self.scheduled:
            penalties.begin_step(state.global_step, state.max_steps)
        for prefix, penalties in self.penalties.items():
            if watching or prefix in self.positives_alone - self.first_edges.keys():
                penalties.watch()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Take note of how far the first batch is spread, where the objective could close the cloud."""
        for prefix in self.positives_alone - self.first_edges.keys():
            seen = self.penalties[prefix].seen
            if seen is not None:  # a batch that is too small to be measured has none, and its training is not watched
                self.first_edges[prefix] = describe(seen).get(EDGE, 0.0)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the terms of an evaluation to its metrics, so that `eval_base_loss` can choose a checkpoint."""
        if metrics is not None:  # sentence-transformers gives the terms to the log alone
            logged = state.log_history[-1]
            metrics.update({key: logged[key] for key in logged.keys() - metrics.keys() if key.startswith("eval_")})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Forget the step, which means nothing to another trainer."""
        for penalties in self.scheduled:
            penalties.end_training()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the geometry to an entry that reports a training loss."""
        if logs is None or "loss" not in logs:
            return
        for prefix, penalties in self.penalties.items():
            if penalties.seen is not None:
                geometry = {f"{prefix}{key}": value for key, value in describe(penalties.seen).items()}
                logs.update(geometry)
                state.log_history[-1].update(geometry)
                if state.is_world_process_zero and f"{prefix}{EDGE}" in geometry:
                    self._warn_if_closed(prefix, geometry[f"{prefix}{EDGE}"], state.global_step)

    def _warn_if_closed(self, prefix: str, edge: float, step: int) -> None:
        """Warn, once, that the cloud of an objective without negatives has closed."""
        first = self.first_edges.get(prefix, 0.0)
        if edge < CLOSED * first and prefix not in self.closed:
            self.closed.add(prefix)
            where = f" of {prefix.removesuffix('_')}" if prefix else ""
            warnings.warn(
                f"The mean tree edge{where} fell from {first:.3f} in the first batch to {edge:.3f} at step {step}: "
                'trained on positives alone, the cloud closes; add PersistentEntropy(scale="absolute") or another '
                "regularizer that sees how far the cloud is spread, or raise its weight.",
                stacklevel=2,
            )


def _regularized(root: nn.Module) -> list[RegularizedLoss]:
    """A loss and those inside it that are regularized, outermost first."""
    return [part for part in root.modules() if isinstance(part, RegularizedLoss)]


def _go_first(callback: TrainerCallback) -> None:
    """Move a callback to the front of those that the trainer is calling."""
    # Neither the arguments of an event nor its state lead to the other callbacks or to the trainer, and what early
    # stopping reads, the metrics, is made without the terms. With `attach` the callback is in front already.
    frame = inspect.currentframe()
    while frame is not None and not isinstance(frame.f_locals.get("self"), CallbackHandler):
        frame = frame.f_back
    if frame is not None:
        callbacks = frame.f_locals["self"].callbacks
        if callback in callbacks:
            callbacks.remove(callback)
            callbacks.insert(0, callback)


def _names(several: Iterable[Penalties]) -> tuple[str, ...]:
    """The different regularizers of penalties, in sorted order."""
    return tuple(sorted({regularizer.name for penalties in several for regularizer, _ in penalties.regularizers}))


def _by_prefix(losses: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Each different loss under the names of its data sets."""
    names: dict[nn.Module, list[str]] = {}
    for name, loss in losses.items():
        names.setdefault(loss, []).append(name)
    return {f"{'+'.join(several)}_": loss for loss, several in names.items()}


def describe(snapshot: Snapshot) -> dict[str, float]:
    """Measure a snapshot; the means over its clouds, without those if there are none."""
    # On the CPU, as not every device has float64, and on every point, as the penalty is.
    clouds = [as_cloud(points.cpu(), "cosine", sample_size=len(points)) for points in snapshot.clouds]
    measures = {name: [CATALOG[name].compute(cloud) for cloud in clouds] for name in LOGGED_MEASURES}
    measures["bars"] = [float(len(cloud.points) - 1) for cloud in clouds]
    return {
        **{name: fmean(values) for name, values in measures.items() if values},
        "skipped_clouds": float(snapshot.skipped),
        **{f"{name}_weight": weight for name, weight in snapshot.weights.items()},
        **{f"{name}_gradient_ratio": ratio for name, ratio in snapshot.gradient_ratios.items()},
    }
