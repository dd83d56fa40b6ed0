"""The settings that a study tries: for every variant, weights, temperature scales and learning rates."""

from dataclasses import dataclass

from evaluation.report.summary import NONE
from evaluation.study.description import Regime, Study
from evaluation.train.training import Weight


@dataclass(frozen=True)
class Setting:
    """One setting of a variant: what is tuned.

    Attributes:
        variant: `NONE` or the name of a grid.
        regularizer: Name of the regularizer; empty for an objective alone.
        weight: Its weight; 0 for an objective alone.
        learning_rate: Peak learning rate.
        objective: The variant's own objective; empty for the regime's.
        temperature_scale: What cosines are multiplied by; None for the default, and without in-batch negatives.
    """

    variant: str
    regularizer: str
    weight: Weight
    learning_rate: float
    objective: str = ""
    temperature_scale: float | None = None


def settings(study: Study, regime: Regime) -> list[Setting]:
    """All settings of a regime, those of `NONE` first; every variant is tried at the same learning rates.

    Example:
        >>> from evaluation.study.description import Grid
        >>> regime = Regime("cosine", "docstrings", (1e-3, 3e-3))
        >>> study = Study("Does it?", ("static",), (regime,), (Grid("koleo", (1.0, 2.0)),), ("STS12",), ("STS13",))
        >>> [(one.variant, one.weight, one.learning_rate) for one in settings(study, regime)][:3]
        [('none', 0.0, 0.001), ('none', 0.0, 0.003), ('koleo', 1.0, 0.001)]
    """
    return [
        Setting(NONE, "", 0.0, rate, "", scale)
        for rate in regime.learning_rates
        for scale in regime.temperature_scales or (None,)
    ] + [
        Setting(grid.name, "" if grid.regularizer == NONE else grid.regularizer, weight, rate, grid.objective, scale)
        for grid in study.regularizers
        for rate in regime.learning_rates
        for scale in grid.temperature_scales or (None,)
        for weight in grid.weights or (0.0,)
    ]


def seeds_each(study: Study, regime: Regime, setting: Setting) -> int:
    """With how many tuning seeds a setting is tried: more where the variant has fewer settings."""
    sizes = {NONE: max(len(regime.temperature_scales), 1), **{grid.name: grid.size for grid in study.regularizers}}
    return study.tuning_seeds * study.settings_each // sizes[setting.variant]
