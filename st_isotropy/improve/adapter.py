"""A linear adapter: one matrix and bias, trained on the frozen embeddings of pairs in seconds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sentence_transformers.sentence_transformer.losses import CoSENTLoss
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from st_isotropy.improve.maps import AffineMap
from st_isotropy.improve.tasks import ScoredTask, SearchTask, Task
from st_isotropy.losses import AlignmentLoss
from st_isotropy.regularizers import PersistentEntropy

AS_IT_IS = "as it is"
ADAPTER = "adapter"
FEWEST_QUERIES = 50
STEPS = 200
BATCH = 64
RATES = (1e-3, 1e-4, 3e-4, 3e-3, 1e-2)  # of equally good ones the first is taken
PULL = 10.0

_alignment = AlignmentLoss(None)  # pyright: ignore[reportArgumentType]  # it only encodes with it
_spread = PersistentEntropy(scale="absolute", order=0.5)


@dataclass(frozen=True)
class AdapterSettings:
    """How an adapter is trained.

    Attributes:
        loss: "in-batch negatives", "alignment + absolute entropy" or "CoSENT".
        strength: The scale of cosines in the first and the last, the weight of the entropy in the second.
        rate: Learning rate of Adam, which falls to 0 linearly.
        start: Name of the candidate it starts from.
        pull: Share of the way back to its start that a step of rate 1 would go; 0 pulls nowhere.
    """

    loss: str
    strength: float
    rate: float
    start: str
    pull: float = 0.0

    @property
    def title(self) -> str:
        """What is done to the embeddings, in short."""
        return ADAPTER if self.start == AS_IT_IS else f"{self.start} + {ADAPTER}"

    def __str__(self) -> str:
        kind = "weight" if "entropy" in self.loss else "scale"
        pulled = f", pull {self.pull:g}" if self.pull else ""
        return f"{self.loss}, {kind} {self.strength:g}, rate {self.rate:g}{pulled}, from {self.start}"


def losses_for(task: Task) -> tuple[tuple[str, float], ...]:
    """List the losses that are tried on a task, each with its scale or weight."""
    if isinstance(task, ScoredTask):
        return (("CoSENT", 20.0),)
    return (("in-batch negatives", 5.0), ("in-batch negatives", 20.0), ("alignment + absolute entropy", 1.0))


def train_adapter(task: Task, settings: AdapterSettings, start: AffineMap, seed: int = 0) -> AffineMap:
    """Train an adapter on all items of a task.

    Args:
        task: Queries with what answers them, or scored pairs.
        settings: How.
        start: The map it starts from; whether it acts on queries alone stays.
        seed: Seed of the batches.

    Returns:
        The map.
    """
    matrix, offset = (part.clone().requires_grad_() for part in (start.matrix, start.offset))
    parameters = [matrix, offset]
    trained = AffineMap(matrix, offset, start.queries_only)
    loss_of_batch = _batches(task, settings, np.random.default_rng(seed))
    optimizer = torch.optim.Adam(parameters, lr=settings.rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of_batch(trained).backward()
        optimizer.step()
        if settings.pull:
            with torch.no_grad():
                for part, origin in zip(parameters, (start.matrix, start.offset), strict=True):
                    part.lerp_(origin, min(1.0, schedule.get_last_lr()[0] * settings.pull))
        schedule.step()
    return AffineMap(matrix.detach(), offset.detach(), start.queries_only, task.unit_rows)


def _batches(task: Task, settings: AdapterSettings, rng: np.random.Generator) -> Callable[[AffineMap], Tensor]:
    """Give a function that draws a batch and computes its loss."""
    if isinstance(task, ScoredTask):
        return _scored_batches(task, settings, rng)
    assert isinstance(task, SearchTask)
    return _search_batches(task, settings, rng)


def _search_batches(
    task: SearchTask, settings: AdapterSettings, rng: np.random.Generator
) -> Callable[[AffineMap], Tensor]:
    """Batches of distinct queries, each with one of its documents."""
    answers = [np.array(list(judgment.grades), dtype=np.int64) for judgment in task.judgments]
    asked = np.array([number for number, rows in enumerate(answers) if len(rows)])
    no_negatives = np.sort(
        [
            number * len(task.documents) + row
            for number, judgment in enumerate(task.judgments)
            for row in (*judgment.grades, judgment.own)
            if row is not None
        ]
    )

    def loss(map_: AffineMap) -> Tensor:
        batch = rng.permutation(asked)[:BATCH]
        chosen = np.array([answers[number][rng.integers(len(answers[number]))] for number in batch])
        queries = normalize(map_.of_queries(task.queries[torch.from_numpy(batch)]), dim=1)
        positives = normalize(map_.of_documents(task.documents[torch.from_numpy(chosen)]), dim=1)
        if settings.loss == "in-batch negatives":
            crossed = batch[:, None] * len(task.documents) + chosen
            places = np.searchsorted(no_negatives, crossed).clip(max=len(no_negatives) - 1)
            spared = torch.from_numpy(no_negatives[places] == crossed)
            return _in_batch_negatives(queries, positives, spared, settings.strength)
        aligned = _alignment.compute_loss_from_embeddings((queries, positives))
        spread = _spread(queries) if map_.queries_only else (_spread(queries) + _spread(positives)) / 2
        return aligned + settings.strength * spread

    return loss


def _in_batch_negatives(queries: Tensor, positives: Tensor, spared: Tensor, scale: float) -> Tensor:
    """Cross-entropy of each query's own document among those of the batch, without what answers it, too, or is it."""
    own = torch.eye(len(queries), dtype=torch.bool)
    logits = (scale * queries @ positives.T).masked_fill(spared & ~own, -torch.inf)
    return cross_entropy(logits, torch.arange(len(queries)))


def _scored_batches(
    task: ScoredTask, settings: AdapterSettings, rng: np.random.Generator
) -> Callable[[AffineMap], Tensor]:
    """Batches of pairs, whose cosines are ranked as the gold scores."""
    cosent = CoSENTLoss(None, scale=settings.strength)  # pyright: ignore[reportArgumentType]  # it only encodes with it
    gold = torch.from_numpy(task.gold).float()

    def loss(map_: AffineMap) -> Tensor:
        batch = rng.permutation(len(gold))[:BATCH]
        sides = [map_.of_queries(task.sentences[torch.from_numpy(side)]) for side in task.pairs[batch].T]
        return cosent.compute_loss_from_embeddings(sides, gold[torch.from_numpy(batch)])

    return loss
