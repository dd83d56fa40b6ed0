"""A study: one start model, trained with and without the term over paired seeds, and every variant measured alike."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import track
from sentence_transformers import SentenceTransformer

from evaluation.data import Corpus
from evaluation.embeddings import RetrievalEmbeddings
from evaluation.errors import UserError
from evaluation.files import read_json, write_json
from evaluation.retrieval import ChosenIndex, choose_indexes, faiss_check
from evaluation.scores import evaluate
from evaluation.tasks import docstring_tasks
from evaluation.timing import Timing
from evaluation.training import Regime, Term, train, training_pairs, usual_learning_rate
from st_isotropy.metrics import isotropy

START, PLAIN, REGULARIZED = "start", "plain", "regularized"
MEASURES = (
    "isoscore",
    "average_cosine",
    "effective_rank",
    "persistent_entropy",
    "mean_mst_length",
    "hubness_skewness",
)


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        model: Name of the start model.
        objective: Training objective, with and without the term.
        weight: Weight of the persistent-entropy term; a negative one minimizes entropy, as a control.
        seeds: Number of paired training runs.
        steps: Optimizer steps of each.

    Raises:
        UserError: For an unknown objective, a weight that is not finite, or fewer than one run or step.
    """

    model: str = "static"
    objective: str = "cosine"
    weight: float = 30.0
    seeds: int = 3
    steps: int = 150

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UserError(f"--seeds is {self.seeds}, and at least 1 paired training run is needed.")
        if not math.isfinite(self.weight):
            raise UserError(f"--weight is {self.weight}; give a finite number, such as 30.")
        _ = self.regime  # checks the objective and the steps

    @property
    def regime(self) -> Regime:
        """How every variant is trained, but for the learning rate, which the start model decides."""
        return Regime(objective=self.objective, steps=self.steps)


@dataclass(frozen=True)
class Cell:
    """One model to be measured: the start model, or a training run of a variant with a seed."""

    variant: str
    seed: int | None = None

    @property
    def name(self) -> str:
        """Name of the cell's folder."""
        return self.variant if self.seed is None else f"{self.variant}-{self.seed}"


def cells(study: Study) -> Iterator[Cell]:
    """The cells in the order in which they are run: pairs are finished together."""
    yield Cell(START)
    for seed in range(study.seeds):
        yield Cell(PLAIN, seed)
        yield Cell(REGULARIZED, seed)


def run_cells(
    study: Study, corpus: Corpus, start: SentenceTransformer, folder: Path, timing: Timing
) -> dict[str, dict[str, Any]]:
    """Train and measure every cell that is not finished yet.

    Args:
        study: What is compared.
        corpus: Training pairs and held-out text.
        start: The start model.
        folder: The run directory.
        timing: Its clock, read when a cell is finished.

    Returns:
        What was measured, by the name of the cell.
    """
    pairs = training_pairs(corpus, study.objective)
    regime = replace(study.regime, learning_rate=usual_learning_rate(start))
    results = {}
    for cell in track(list(cells(study)), "Training and measuring", transient=True):
        path = folder / "cells" / cell.name / "measured.json"  # a cell that has this file is finished
        if not path.exists():
            model = start
            if cell.seed is not None:
                term = Term("persistent_entropy", study.weight) if cell.variant == REGULARIZED else None
                model = train(start, pairs, regime, term, cell.seed, folder / "cells" / cell.name / "training")
            write_json(path, _measure(model, cell, corpus, folder))
            timing.record()
        results[cell.name] = read_json(path)
    return results


def _measure(model: SentenceTransformer, cell: Cell, corpus: Corpus, folder: Path) -> dict[str, Any]:
    """Isotropy of the documents, mteb task scores, and every index."""
    here = folder / "cells" / cell.name
    embeddings = _embed(model, corpus)
    embeddings.save(here / "embeddings.npz")
    qrels = {query: {document: 1} for query, document in zip(embeddings.query_ids, embeddings.corpus_ids, strict=True)}
    chosen = _chosen_indexes(embeddings, qrels, folder / "indexes.json")
    return {
        "isotropy": {
            name: {"value": measure.value, "isotropic": measure.isotropic}
            for name, measure in isotropy(embeddings.corpus, names=MEASURES).items()
        },
        "tasks": [asdict(scores) for scores in evaluate(model, cell.name, docstring_tasks(corpus), here / "tasks")],
        "retrieval": [asdict(score) for score in faiss_check(embeddings, qrels, chosen)],
    }


def _chosen_indexes(start: RetrievalEmbeddings, qrels: dict[str, dict[str, int]], path: Path) -> list[ChosenIndex]:
    """Index parameters, chosen on the first cell, which is the start model, and the same for all that follow."""
    if not path.exists():
        write_json(path, [asdict(index) for index in choose_indexes(start, qrels)])
    return [ChosenIndex(**index) for index in read_json(path)]


def _embed(model: SentenceTransformer, corpus: Corpus) -> RetrievalEmbeddings:
    numbers = range(len(corpus.test))
    return RetrievalEmbeddings(
        queries=model.encode_query([pair.first for pair in corpus.test], show_progress_bar=False),
        corpus=model.encode_document([pair.rest for pair in corpus.test], show_progress_bar=False),
        query_ids=tuple(map(str, numbers)),
        corpus_ids=tuple(map(str, numbers)),
    )
