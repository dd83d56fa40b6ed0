"""The quickstart: a study of the smallest kind, on docstrings, that needs no hub."""

import math
from pathlib import Path

from evaluation.data.places import Sources
from evaluation.errors import UserError, check_name
from evaluation.models.load import load_model
from evaluation.report.summary import Summary
from evaluation.retrieval.indexes import QUICK_INDEXES
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.run import run_study
from evaluation.study.runner import Backend
from evaluation.tasks.resolve import DOCSTRINGS
from evaluation.train.catalog import OBJECTIVES
from evaluation.train.training import usual_learning_rate
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

INDEX_SEEDS = 3


def quickstart(
    model: str,
    objective: str,
    weight: float,
    seeds: int,
    steps: int,
    folder: Path,
    loading: Loading = AS_SAVED,
) -> Summary:
    """Train with and without the persistent-entropy term, measure, and say what changed.

    Args:
        model: Name of the start model.
        objective: Training objective, with and without the term.
        weight: Weight of the term; a negative one minimizes entropy, as a control.
        seeds: Number of paired training runs.
        steps: Optimizer steps of each.
        folder: The run directory; an interrupted run in it is continued.
        loading: How the start model is loaded.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model or objective, one that does not train on pairs, numbers that cannot be, or a
            directory that holds something else.
    """
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, and at least 1 paired training run is needed.")
    if steps < 1:
        raise UserError(f"--steps is {steps}, and at least 1 optimizer step is needed.")
    if not math.isfinite(weight):
        raise UserError(f"--weight is {weight}; give a finite number, such as 30.")
    # Before the start model, which can take a minute to make.
    check_name("objective", objective, OBJECTIVES)
    fitting = [name for name, one in OBJECTIVES.items() if one.columns in ("scored", "positive")]
    if objective not in fitting:
        raise UserError(
            f"The quickstart trains on pairs, and the objective {objective} does not: choose {', '.join(fitting)}, or "
            "write a study."
        )
    regime = Regime(objective, DOCSTRINGS, (usual_learning_rate(load_model(model, loading)),), steps)
    study = Study(
        title=f"{model}, {objective} objective: {seeds} paired run{'s' * (seeds > 1)} "
        f"with persistent entropy (weight {weight:g}) and without",
        models=(model,),
        regimes=(regime,),
        regularizers=(Grid("persistent_entropy", (weight,)),),
        test=(DOCSTRINGS,),
        seeds=seeds,
        indexes=QUICK_INDEXES,
        index_seeds=INDEX_SEEDS,
    )
    return run_study(study, Sources(), folder, Backend(), loading)
