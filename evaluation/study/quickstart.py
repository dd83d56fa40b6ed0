"""The quickstart: a study of the smallest kind, on docstrings, that needs no hub."""

from pathlib import Path

from evaluation.data.places import Sources
from evaluation.errors import UserError
from evaluation.models.load import load_model
from evaluation.report.summary import NONE, Summary
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.run import run_study
from evaluation.study.runner import Backend
from evaluation.tasks.resolve import DOCSTRINGS
from evaluation.train.training import usual_learning_rate
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

INDEXES = ("pq", "one-bit")  # where isotropy can pay
# Never tuned on docstrings: the scale is what the validation tasks of evaluation/studies/positives-only-snli.toml chose
# at this batch size, the weight what those of positives-only-medquad.toml did.
BATCH_SIZE = 32
TEMPERATURE_SCALE = 10.0
ABSOLUTE_WEIGHT = 3.0
RELATIVE_WEIGHT = 3.0  # the default of `PersistentEntropyLoss`


def quickstart(model: str, seeds: int, steps: int, folder: Path, loading: Loading = AS_SAVED) -> Summary:
    """Train on positive pairs in four ways, measure, and say what changed.

    In-batch negatives at the library's temperature are the reference; beside them are a lower temperature scale, the
    paper's term, alignment with entropy on the absolute scale in place of negatives, and the start model, as it is and
    whitened.

    Args:
        model: Name of the start model.
        seeds: Number of paired training runs.
        steps: Optimizer steps of each.
        folder: The run directory; an interrupted run in it is continued.
        loading: How the start model is loaded.

    Returns:
        The summary.

    Raises:
        UserError: For an unknown model, numbers that cannot be, or a directory that holds something else.
    """
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, and at least 1 paired training run is needed.")
    if steps < 1:
        raise UserError(f"--steps is {steps}, and at least 1 optimizer step is needed.")
    rate = usual_learning_rate(load_model(model, loading))
    name = f"docstrings, batches of {BATCH_SIZE}"
    regime = Regime("contrastive", DOCSTRINGS, (rate,), steps, BATCH_SIZE, name=name)
    study = Study(
        title=f"{model}: {seeds} paired run{'s' * (seeds > 1)} of training with and without negatives",
        models=(model,),
        regimes=(regime,),
        regularizers=(
            Grid(
                NONE,
                name=f"temperature scale {TEMPERATURE_SCALE:g}",
                objective="contrastive",
                temperature_scales=(TEMPERATURE_SCALE,),
            ),
            Grid("persistent_entropy", (RELATIVE_WEIGHT,)),
            Grid("absolute_entropy", (ABSOLUTE_WEIGHT,), objective="alignment"),
        ),
        test=(DOCSTRINGS,),
        posthoc=("whitening",),
        posthoc_of=(),
        seeds=seeds,
        indexes=INDEXES,
        index_seeds=1,
    )
    # One process: two more would save a quarter of the time and double the memory, to more than two gigabytes.
    return run_study(study, Sources(), folder, Backend(), loading)
