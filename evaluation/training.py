"""One cell of the study: a start model, a regime, a term and a seed, to a trained model on disk."""

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from datasets import Dataset
from rich.progress import Progress
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from torch import nn
from transformers import PrinterCallback, ProgressCallback

from evaluation.data import Corpus, positive_pairs, scored_pairs
from evaluation.errors import UserError
from evaluation.files import new_folder, read_json, write_json
from evaluation.models import fingerprint
from evaluation.progress import TrainingBar
from st_isotropy import RegularizedLoss
from st_isotropy.regularizers import (
    Covariance,
    GlobalOrthogonal,
    IsoScoreStar,
    KoLeo,
    MeanCosine,
    MSTLength,
    PersistentEntropy,
    Regularizer,
    SIGReg,
    Uniformity,
)

TRANSFORMER_LEARNING_RATE = 2e-5
OBJECTIVES: dict[str, type[nn.Module]] = {
    "cosine": CosineSimilarityLoss,
    "contrastive": MultipleNegativesRankingLoss,
}
REGULARIZERS: dict[str, Callable[[], Regularizer]] = {
    make().name: make
    for make in (
        *(PersistentEntropy, MSTLength, KoLeo, GlobalOrthogonal, Uniformity),
        *(MeanCosine, IsoScoreStar, Covariance, SIGReg),
    )
}


@dataclass(frozen=True)
class Regime:
    """How a model is trained, regularizer and seed aside.

    Attributes:
        objective: "cosine" (regression of the cosine to 1 for a pair and 0 for a mismatch) or "contrastive"
            (in-batch negatives).
        steps: Optimizer steps.
        batch_size: Pairs per step.
        learning_rate: Peak learning rate of AdamW; it falls linearly to 0. The default is for static embeddings.
    """

    objective: str = "cosine"
    steps: int = 150
    batch_size: int = 64
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        _known("objective", self.objective, OBJECTIVES)
        for name in ("steps", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"The regime's {name} is {value} and must be a positive number.")


@dataclass(frozen=True)
class Term:
    """A regularizer with its weight, added to the objective; a negative weight maximizes the penalty, as a control."""

    regularizer: str
    weight: float | Literal["auto"]

    def __post_init__(self) -> None:
        _known("regularizer", self.regularizer, REGULARIZERS)
        if self.weight != "auto" and not math.isfinite(self.weight):
            raise UserError(f'The weight of {self.regularizer} is {self.weight} and must be a finite number or "auto".')


def usual_learning_rate(start: SentenceTransformer) -> float:
    """The peak learning rate for a kind of model: what moves a table of vectors makes a transformer collapse."""
    return Regime.learning_rate if isinstance(start[0], StaticEmbedding) else TRANSFORMER_LEARNING_RATE


def training_pairs(corpus: Corpus, objective: str) -> Dataset:
    """The columns that an objective trains on."""
    return scored_pairs(corpus) if objective == "cosine" else positive_pairs(corpus)


def train(
    start: SentenceTransformer, pairs: Dataset, regime: Regime, term: Term | None, seed: int, folder: Path
) -> SentenceTransformer:
    """Train a copy of `start` and save it in `folder`, or load it from there when it was trained before.

    Runs that differ in nothing but the term see the same batches in the same order.

    Args:
        start: The start model; left as it is.
        pairs: Columns that fit the regime's objective.
        regime: How to train.
        term: The regularizer, or None for the objective alone.
        seed: Seed of batch order and dropout.
        folder: The cell's folder; it appears whole, with `model/`, `cell.json` (what was asked) and `log.json`
            (loss and its terms over the steps, seconds), or not at all.

    Returns:
        The trained model.

    Raises:
        UserError: If `folder` holds a cell of another configuration.
    """
    cell = _describe(start, pairs, regime, term, seed)
    if folder.exists():
        _check_same(folder, cell)
        return SentenceTransformer(str(folder / "model"), device=str(start.device))
    with new_folder(folder) as temporary:
        began = time.perf_counter()
        model, log = _fit(copy.deepcopy(start), pairs, regime, term, seed)
        seconds = time.perf_counter() - began
        model.save_pretrained(str(temporary / "model"), create_model_card=False)
        write_json(temporary / "cell.json", cell)
        write_json(temporary / "log.json", {"seconds": seconds, "steps": log})
    return model


def _fit(
    model: SentenceTransformer, pairs: Dataset, regime: Regime, term: Term | None, seed: int
) -> tuple[SentenceTransformer, list[dict[str, float]]]:
    model.model_card_data.widget = [{"text": "No card is written."}]  # else the trainer looks for some
    loss = OBJECTIVES[regime.objective](model)
    if term is not None:
        loss = RegularizedLoss(model, loss, REGULARIZERS[term.regularizer](), term.weight)
    with TemporaryDirectory() as scratch, Progress(transient=True) as progress:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            max_steps=regime.steps,
            per_device_train_batch_size=regime.batch_size,
            learning_rate=regime.learning_rate,
            seed=seed,
            data_seed=seed,
            full_determinism=False,
            dataloader_drop_last=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=max(1, regime.steps // 30),
            use_cpu=model.device.type == "cpu",
        )
        bar = TrainingBar(progress, f"training ({term.regularizer if term else 'plain'}, seed {seed})")
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=pairs, loss=loss, callbacks=[bar]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        try:
            trainer.train()
        except ValueError as error:  # of the loss or the trainer: a sentence that names the column, and often the step
            raise UserError(f"Training stopped: {error}") from error
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise UserError(f"Training gave NaN or infinite weights at learning rate {regime.learning_rate}; lower it.")
    return model, [entry for entry in trainer.state.log_history if "loss" in entry]


def _describe(
    start: SentenceTransformer, pairs: Dataset, regime: Regime, term: Term | None, seed: int
) -> dict[str, Any]:
    """Everything that determines the trained model."""
    return {
        "start": fingerprint(start),
        "pairs": hashlib.sha256(json.dumps(pairs.to_dict()).encode()).hexdigest()[:16],
        "regime": asdict(regime),
        "term": asdict(term) if term else None,
        "seed": seed,
    }


def _check_same(folder: Path, cell: dict[str, Any]) -> None:
    found = read_json(folder / "cell.json")
    differing = [
        f"{key} {found.get(key)!r} instead of {value!r}" for key, value in cell.items() if found.get(key) != value
    ]
    if differing:
        raise UserError(f"The cell {folder} was trained with {', '.join(differing)}; choose another run directory.")


def _known(kind: str, name: str, names: dict[str, Any]) -> None:
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.4) or list(names)
        raise UserError(f"There is no {kind} {name!r}; near names are {', '.join(near)}.")
