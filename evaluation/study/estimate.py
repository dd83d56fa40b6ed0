"""How long a training will take, from two short ones."""

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import Dataset
from sentence_transformers import SentenceTransformer

from evaluation.errors import UserError
from evaluation.processes import one_thread
from evaluation.train.training import Recipe, Term, train

SHORT, LONG = 2, 12  # steps
HARMLESS = 1e-9  # learning rate; time does not depend on it


def training_seconds(start: SentenceTransformer, pairs: Dataset, recipe: Recipe, term: Term | None) -> float:
    """Time the steps of a training, and what comes before and after them.

    Args:
        start: The start model.
        pairs: Columns that fit the objective.
        recipe: How to train.
        term: The regularizer.
    """
    _timed(start, pairs, recipe, term, 1)  # the first training of a process imports and compiles
    short, long = (_timed(start, pairs, recipe, term, steps) for steps in (SHORT, LONG))
    a_step = max(0.0, (long - short) / (LONG - SHORT))
    return short + a_step * (recipe.steps - SHORT)


def _timed(start: SentenceTransformer, pairs: Dataset, recipe: Recipe, term: Term | None, steps: int) -> float:
    began = time.perf_counter()
    # A training that fails is told by the cell that it belongs to.
    with one_thread(), TemporaryDirectory() as folder, suppress(UserError):
        few = replace(recipe, steps=steps, learning_rate=HARMLESS)
        train(start, pairs, few, term, 0, Path(folder) / "model", show_progress=False)
    return time.perf_counter() - began


def duration(seconds: float) -> str:
    """Write a duration as roughly as it is known.

    Example:
        >>> duration(40), duration(500), duration(9000)
        ('1 min', '8 min', '2.5 h')
    """
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"
