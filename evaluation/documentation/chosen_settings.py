"""Which weights and learning rates the studies chose on validation tasks, and what each weight gained there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.documentation.results import StudySection
from evaluation.report.summary import NONE, Candidate, Section
from evaluation.report.tables import rate_text, weight_text


@dataclass(frozen=True)
class WeightChoice:
    """A weight that was chosen on validation tasks.

    Attributes:
        regime: Start model, regime and study.
        weight: The choice.
        tried: All weights that were tried and are numbers, the smallest first.
        learning_rate: Peak learning rate that was chosen with it.
    """

    regime: str
    weight: float
    tried: Sequence[float]
    learning_rate: float


def weight_choices(sections: Sequence[StudySection], variant: str) -> list[WeightChoice]:
    """Which weights that are numbers were chosen for a regularizer on the validation tasks, for each regime."""
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
    """Per regularizer and weight that is a number and was tried: in how many regimes it was chosen.

    Distillation is left out, as in `weight_gains`.
    """
    tried: dict[str, dict[float, int]] = {}
    for section in _without_distillation(sections):
        for candidate in section.tuning:
            if candidate.variant != NONE and not isinstance(candidate.weight, str):
                chosen = tried.setdefault(candidate.variant, {})
                chosen[candidate.weight] = chosen.get(candidate.weight, 0) + candidate.chosen
    return {variant: dict(sorted(chosen.items())) for variant, chosen in sorted(tried.items())}


def weight_gains(sections: Sequence[StudySection], variant: str) -> dict[float, list[float]]:
    """Per weight that is a number: what it gained over the objective alone on the validation tasks, in every regime.

    Regimes in which one weight alone was tried are left out, so that weights are seen side by side. Both are taken at
    their best learning rate and averaged over tuning seeds, in points. Distillation is left out: its objective is a
    mean squared error over coordinates, of another scale.
    """
    gains: dict[float, list[float]] = {}
    for section in _without_distillation(sections):
        alone = [validation_score(candidate) for candidate in section.tuning if candidate.variant == NONE]
        if not alone:
            continue
        best: dict[float, float] = {}
        for candidate in section.tuning:
            if candidate.variant == variant and not isinstance(candidate.weight, str):
                best[candidate.weight] = max(best.get(candidate.weight, -math.inf), validation_score(candidate))
        if len(best) < 2:
            continue
        for weight, score in best.items():
            gains.setdefault(weight, []).append(score - max(alone))
    return dict(sorted(gains.items()))


def _without_distillation(sections: Sequence[StudySection]) -> list[Section]:
    return [of_study.section for of_study in sections if of_study.section.objective != "distillation"]


def validation_score(candidate: Candidate) -> float:
    """Mean validation score over the tuning seeds, in points."""
    return float(np.mean(candidate.scores))


def chosen_setting(section: Section, variant: str) -> str:
    """Weight and learning rate chosen for a variant; empty for a transform, and where only one setting was tried."""
    chosen = [candidate for candidate in section.tuning if candidate.chosen and candidate.variant == variant]
    return "".join(f"{weight_text(candidate.weight)}, {rate_text(candidate)}" for candidate in chosen)
