"""Which cells a study has: what is measured in each phase, and what every setting and seed trains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.errors import counted
from evaluation.report.summary import START, Transformed
from evaluation.study.cell import TEST, VALIDATION, Cell, Fitted, Measuring, Training
from evaluation.study.description import Regime, Study
from evaluation.study.prepare import Prepared
from evaluation.study.settings import Setting, seeds_each, settings
from evaluation.tasks.mteb import identity
from evaluation.tasks.source import TaskSource
from evaluation.train.training import Recipe, Term
from st_isotropy.diagnosis.loading import AS_SAVED, Loading

FIRST_TUNING_SEED = 1000  # so that no training run serves both to choose and to report


@dataclass(frozen=True)
class Plan:
    """A study with all that determines its cells.

    Attributes:
        study: The study.
        measurings: What is measured, per phase.
        folder: The run directory.
        loading: How start models are loaded.
    """

    study: Study
    measurings: dict[str, Measuring]
    folder: Path
    loading: Loading = AS_SAVED

    def start(self, prepared: Prepared, phase: str) -> Cell:
        """The start model, measured."""
        measuring = self._measuring(prepared, phase)
        start = prepared.model, prepared.fingerprint
        return Cell("start", *start, None, None, measuring, self.folder, loading=self.loading)

    def transformed_start(self, prepared: Prepared, transform: str) -> Cell:
        """The start model with a transform appended, measured on the test tasks."""
        start = self.start(prepared, TEST)
        return replace(
            start,
            label=f"{prepared.title}, {Transformed(START, transform).name}",
            posthoc=Fitted(transform, prepared.pairs, prepared.pairs_hash),
            reference=start,
        )

    def cell(self, prepared: Prepared, phase: str, setting: Setting, seed: int, posthoc: str = "") -> Cell:
        """A model trained with a setting, measured."""
        regime = prepared.regime
        recipe = Recipe(
            setting.objective or regime.objective,
            regime.steps,
            regime.batch_size,
            setting.learning_rate,
            regime.warmup,
            setting.temperature_scale,
            regime.distinct_classes or None,
        )
        term = Term(setting.regularizer, setting.weight) if setting.regularizer else None
        variant = Transformed(setting.variant, posthoc).name if posthoc else setting.variant
        scale = "" if setting.temperature_scale is None else f", temperature scale {setting.temperature_scale:g}"
        return Cell(
            f"{prepared.title}, {variant}, weight {setting.weight}, rate {setting.learning_rate}{scale}, seed {seed}",
            prepared.model,
            prepared.fingerprint,
            Training(prepared.pairs, prepared.pairs_hash, recipe, term, seed),
            Fitted(posthoc, prepared.pairs, prepared.pairs_hash) if posthoc else None,
            self._measuring(prepared, phase),
            self.folder,
            self.start(prepared, phase),
            loading=self.loading,
        )

    def tuning_seeds(self, regime: Regime, setting: Setting) -> range:
        """The seeds with which a setting is tried; an objective alone, which has no weights, has more of them."""
        return range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + seeds_each(self.study, regime, setting))

    def sentence(self, prepared: Sequence[Prepared]) -> str:
        """Say how many models are trained and measured."""
        study = self.study
        trained = len(study.variants) * study.seeds
        tried = sum(
            len(self.tuning_seeds(one.regime, setting)) for one in prepared for setting in settings(study, one.regime)
        )
        tried *= study.is_tuned
        runs = [1 if one.variant == START else study.seeds for one in study.transformed]
        tested = len(prepared) * (trained + sum(runs))
        further = (
            f" Where a choice lies at an end of its grid, up to {study.extend} more values are tried there."
            if study.extend
            else ""
        )
        return (
            f"{counted(len(prepared), 'combination')} of a start model and a regime: "
            f"{counted(tried, 'training run')} to choose settings, {len(prepared) * trained:,} to report, "
            f"{counted(len(study.models) + tried + tested, 'model')} to measure.{further}"
        )

    def isotropy_note(self) -> str:
        """Say on which texts isotropy is measured."""
        note = f"Isotropy is measured on the texts of {self.measurings[TEST].isotropy_of}"
        if VALIDATION in self.measurings:
            note += f", and where settings are chosen on those of {self.measurings[VALIDATION].isotropy_of}"
        return f"{note}."

    def _measuring(self, prepared: Prepared, phase: str) -> Measuring:
        """What is measured; the indexes search by cosine, so only where the model does."""
        measuring = self.measurings[phase]
        return measuring if prepared.by_cosine else replace(measuring, indexes=())


def plan_measuring(phase: str, study: Study, tasks: Sequence[TaskSource], isotropy_of: str) -> Measuring:
    """Say what is measured of every model of a phase.

    Args:
        phase: "validation" or "test".
        study: The study.
        tasks: Its tasks in this phase.
        isotropy_of: Name of the task whose texts the isotropy is measured on, where the phase has it; else it is
            measured on the first retrieval task, or the first task.
    """
    known = [task.name for task in tasks]
    retrieval = [task.name for task in tasks if task.type == "Retrieval"]
    return Measuring(
        phase=phase,
        tasks=tuple(tasks),
        identities=tuple(map(identity, tasks)),
        isotropy_of=isotropy_of if isotropy_of in known else (retrieval or known)[0],
        indexes=study.indexes if phase == TEST else (),
        index_seeds=study.index_seeds,
    )
