"""The weights and learning rates that studies chose on validation tasks, and the gain of each weight there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.documentation.results import StudySection
from evaluation.report.grid_ends import Candidate, rate_text
from evaluation.report.summary import NONE, Section
from evaluation.report.wording import weight_text


@dataclass(frozen=True)
class WeightChoice:
    """A weight that was chosen on validation tasks.

    Attributes:
        regime: Start model, regime and study.
        weight: The choice.
        tried: All numeric weights that were tried, in ascending order.
        learning_rate: Peak learning rate that was chosen with it.
    """

    regime: str
    weight: float
    tried: Sequence[float]
    learning_rate: float


def weight_choices(sections: Sequence[StudySection], variant: str) -> list[WeightChoice]:
    """The numeric weights that validation tasks chose for a regularizer, one for each regime."""
    choices = []
    for of_study in sections:
        tried = [candidate for candidate in of_study.section.tuning if candidate.variant == variant]
        weights = sorted({candidate.weight for candidate in tried if not isinstance(candidate.weight, str)})
        choices += [
            WeightChoice(of_study.name, candidate.weight, weights, candidate.learning_rate)
            for candidate in tried
            if candidate.chosen and not isinstance(candidate.weight, str)
        ]
    return choices


def tried_weights(sections: Sequence[StudySection]) -> dict[str, dict[float, int]]:
    """Per regularizer and numeric weight that was tried: the number of regimes that chose it.

    Variants without a term are left out, and distillation, as in `weight_gains`.
    """
    tried: dict[str, dict[float, int]] = {}
    for section in _without_distillation(sections):
        for candidate in section.tuning:
            if candidate.weight and not isinstance(candidate.weight, str):
                chosen = tried.setdefault(candidate.variant, {})
                chosen[candidate.weight] = chosen.get(candidate.weight, 0) + candidate.chosen
    return {variant: dict(sorted(chosen.items())) for variant, chosen in sorted(tried.items())}


def weight_gains(sections: Sequence[StudySection], variant: str) -> dict[float, list[float]]:
    """Per numeric weight: its gain over the objective alone on the validation tasks, in every regime.

    In points, each at its best learning rate, averaged over tuning seeds. Regimes that tried a single weight are left
    out, so that weights can be compared. So is distillation: its objective is a mean squared error over coordinates,
    on another scale.
    """
    gains: dict[float, list[float]] = {}
    for section in _without_distillation(sections):
        alone = [validation_score(candidate) for candidate in section.tuning if candidate.variant == NONE]
        if not alone:
            continue
        best = weight_scores(section, variant)
        if len(best) < 2:
            continue
        for weight, score in best.items():
            gains.setdefault(weight, []).append(score - max(alone))
    return dict(sorted(gains.items()))


def weight_scores(section: Section, variant: str) -> dict[float, float]:
    """Per numeric weight of a variant: its validation score at its best learning rate, in points."""
    best: dict[float, float] = {}
    for candidate in section.tuning:
        if candidate.variant == variant and not isinstance(candidate.weight, str):
            best[candidate.weight] = max(best.get(candidate.weight, -math.inf), validation_score(candidate))
    return best


def _without_distillation(sections: Sequence[StudySection]) -> list[Section]:
    return [of_study.section for of_study in sections if of_study.section.objective != "distillation"]


def validation_score(candidate: Candidate) -> float:
    """Mean validation score over the tuning seeds, in points."""
    return float(np.mean(candidate.scores))


def chosen_setting(section: Section, variant: str) -> str:
    """Weight and learning rate chosen for a variant; empty for a transform, and where only one setting was tried."""
    chosen = [candidate for candidate in section.tuning if candidate.chosen and candidate.variant == variant]
    return "".join(f"{weight_text(candidate.weight)}, {rate_text(candidate)}" for candidate in chosen)
