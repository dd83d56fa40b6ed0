"""One training: a start model, a recipe, a regularizer and a seed give a trained model on disk."""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from datasets import Dataset
from rich.progress import Progress
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import nn
from transformers import (
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from evaluation.errors import UserError, check_name
from evaluation.files import new_folder, write_json
from evaluation.models.load import save_model
from evaluation.train.catalog import OBJECTIVES, REGULARIZERS
from evaluation.train.columns import texts_of
from evaluation.train.distinct_batches import DistinctClassSampler
from evaluation.train.occurring_rows import occurring_rows
from st_isotropy import BalancedWeight, GeometryCallback, RegularizedLoss, WeightSchedule

Weight = float | str
STATIC_LEARNING_RATE = 1e-2  # the choice of the validation tasks in studies/positives-only-medquad.toml
TRANSFORMER_LEARNING_RATE = 2e-5
DECAY = 0.999  # share of the steps; 1 would count as one step


@dataclass(frozen=True)
class Recipe:
    """How a model is trained, regularizer and seed aside.

    Attributes:
        objective: One of `evaluation.train.catalog.OBJECTIVES`.
        steps: Optimizer steps.
        batch_size: Rows per step.
        learning_rate: Peak learning rate of AdamW; it falls linearly to 0. The default is for static embeddings.
        warmup: Share of the steps, below 1, over which it first rises linearly from 0.
        temperature_scale: What cosines are multiplied by before the softmax of in-batch negatives; None for the
            default of sentence-transformers, and for other objectives.
        distinct_classes: Whether no batch has two rows of one class; True or None.
    """

    objective: str = "cosine"
    steps: int = 150
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.0
    temperature_scale: float | None = None
    distinct_classes: Literal[True] | None = None

    def __post_init__(self) -> None:
        check_name("objective", self.objective, OBJECTIVES)
        for name in ("steps", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"The recipe's {name} is {value} and must be a positive number.")
        if self.temperature_scale is not None and OBJECTIVES[self.objective].at_scale is None:
            raise UserError(
                f"The recipe has temperature_scale = {self.temperature_scale}, but the objective {self.objective} has "
                "no temperature."
            )

    def loss(self, model: SentenceTransformer, rows: Dataset) -> nn.Module:
        """Make the loss for a model and the rows that it trains on."""
        objective = OBJECTIVES[self.objective]
        if objective.at_scale is None or self.temperature_scale is None:
            return objective.loss(model, rows)
        return objective.at_scale(model, self.temperature_scale)


@dataclass(frozen=True)
class Term:
    """A regularizer with its weight, added to the objective.

    Attributes:
        regularizer: One of `evaluation.train.catalog.REGULARIZERS`.
        weight: A number, where a negative one maximizes the penalty, as a control; `"auto"` or `"auto:FRACTION"`, which
            balances gradients; or `"decay:NUMBER"`, which falls linearly to 0 over the training.
    """

    regularizer: str
    weight: Weight

    def __post_init__(self) -> None:
        check_name("regularizer", self.regularizer, REGULARIZERS)
        check_weight(self.regularizer, self.weight)

    def around(self, model: SentenceTransformer, loss: nn.Module) -> RegularizedLoss:
        """Add the regularizer to a loss.

        Raises:
            UserError: The regularizer does not go with the model or the loss, or a package it needs is missing.
        """
        try:
            kind = REGULARIZERS[self.regularizer]()
            weighted = [(penalty, _scaled(self.weight, share)) for penalty, share in kind.terms]
            return RegularizedLoss(model, loss, weighted, **kind.options)
        except (ValueError, ImportError) as error:
            raise UserError(f"The regularizer {self.regularizer} cannot be added: {error}") from error


def check_weight(name: str, weight: Weight) -> None:
    """Refuse a weight that is neither a finite number nor one of the named kinds.

    Raises:
        UserError: The weight is something else.
    """
    try:
        _scaled(weight, 1.0)
    except ValueError:
        raise UserError(
            f"The weight of {name} is {weight!r} and must be a finite number, "
            '"auto", "auto:FRACTION" or "decay:NUMBER".'
        ) from None


def _scaled(weight: Weight, share: float) -> float | BalancedWeight | WeightSchedule:
    """The weight of one of several terms; a balanced weight needs no scale."""
    if isinstance(weight, str):
        kind, _, number = weight.partition(":")
        if kind == "auto":
            return BalancedWeight(float(number)) if number else BalancedWeight()
        if kind != "decay":
            raise ValueError
        return WeightSchedule(float(number) * share, decay=DECAY)
    if not math.isfinite(weight):
        raise ValueError
    return weight * share


def usual_learning_rate(start: SentenceTransformer) -> float:
    """The default peak learning rate of a model: that of static embeddings would make a transformer collapse."""
    return STATIC_LEARNING_RATE if isinstance(start[0], StaticEmbedding) else TRANSFORMER_LEARNING_RATE


def train(
    start: SentenceTransformer,
    pairs: Dataset,
    recipe: Recipe,
    term: Term | None,
    seed: int,
    folder: Path,
    show_progress: bool = True,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """Train a copy of `start` and save it in `folder`, or load it from there when it was trained before.

    Runs that differ in nothing but the term see the same batches in the same order.

    Args:
        start: The start model; left as it is.
        pairs: Columns that fit the objective.
        recipe: How to train.
        term: The regularizer, or None for the objective alone.
        seed: Seed of batch order and dropout.
        folder: The folder of this model alone, whose name says what determines it. It appears whole,
            with `model/` and `log.json` (loss and its terms over the steps, seconds), or not at all.
        show_progress: Whether to show a progress bar.
        trust_remote_code: Whether code that came with the start model may run when it is loaded.

    Returns:
        The trained model.

    Raises:
        UserError: The model, loss and data do not go together, or training gave no finite weights.
    """
    if folder.exists():
        return SentenceTransformer(str(folder / "model"), device=str(start.device), trust_remote_code=trust_remote_code)
    with new_folder(folder) as temporary:
        began = time.perf_counter()
        model, log = _fit(copy.deepcopy(start), pairs, recipe, term, seed, show_progress)
        seconds = time.perf_counter() - began
        save_model(model, temporary / "model")
        write_json(temporary / "log.json", {"seconds": seconds, "steps": log})
    return model


def _fit(
    model: SentenceTransformer, pairs: Dataset, recipe: Recipe, term: Term | None, seed: int, show_progress: bool
) -> tuple[SentenceTransformer, list[dict[str, float]]]:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError("The model has no parameter that can be trained; take one whose weights are not frozen.")
    model.model_card_data.widget = [{"text": "No card is written."}]  # else the trainer looks for some
    loss = recipe.loss(model, pairs)
    rows = pairs.remove_columns("class") if recipe.distinct_classes else pairs
    if term is not None:
        loss = term.around(model, loss)
    with (
        TemporaryDirectory() as scratch,
        Progress(transient=True, disable=not show_progress) as progress,
        occurring_rows(model, texts_of(rows)),
    ):
        arguments = _arguments(recipe, seed, scratch, model.device.type == "cpu")
        if recipe.distinct_classes:
            arguments.batch_sampler = partial(_distinct_batches, pairs["class"])
        bar = _TrainingBar(progress, f"training ({term.regularizer if term else 'plain'}, seed {seed})")
        # It passes on the step, for weights that change with it, and logs the weights in force.
        geometry = [GeometryCallback(loss)] if isinstance(loss, RegularizedLoss) else []
        try:
            trainer = SentenceTransformerTrainer(
                model=model, args=arguments, train_dataset=rows, loss=loss, callbacks=[bar, *geometry]
            )
            trainer.remove_callback(PrinterCallback)
            trainer.remove_callback(ProgressCallback)
            trainer.train()
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"Batches of {recipe.batch_size} do not fit into the memory of {model.device}: give the regime a "
                "smaller batch_size."
            ) from error
        except (ValueError, RuntimeError) as error:  # a ValueError of the loss names the column, and often the step
            raise UserError(f"Training stopped: {error}") from error
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise UserError(f"Training gave NaN or infinite weights at learning rate {recipe.learning_rate}; lower it.")
    return model, [_of_interest(entry) for entry in trainer.state.log_history if "loss" in entry]


def _arguments(recipe: Recipe, seed: int, scratch: str, use_cpu: bool) -> SentenceTransformerTrainingArguments:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=scratch,
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=round(recipe.warmup * recipe.steps),
        seed=seed,
        data_seed=seed,
        full_determinism=False,
        dataloader_drop_last=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_steps=max(1, recipe.steps // 30),
        use_cpu=use_cpu,
    )
    # The trainer would split over all GPUs, and multiply the batch by their number.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def _distinct_batches(
    classes: Sequence[int], dataset: Dataset, batch_size: int, generator: torch.Generator, **others: Any
) -> DistinctClassSampler:
    """Make the sampler as the trainer asks for it."""
    return DistinctClassSampler(dataset, classes, batch_size, generator)


def _of_interest(entry: dict[str, float]) -> dict[str, float]:
    """The loss, its terms and their weights at a step."""
    return {key: value for key, value in entry.items() if key == "step" or key.endswith(("loss", "_weight"))}


class _TrainingBar(TrainerCallback):
    """Shows the steps of a training on a progress display; whoever opened the display closes it."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._label = label

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar."""
        self._task = self._progress.add_task(self._label, total=state.max_steps)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=state.global_step)
