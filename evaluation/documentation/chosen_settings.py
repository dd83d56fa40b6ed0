"""The weights and learning rates that studies chose on validation tasks, and the gain of each weight there.

What two studies tried under one regime of one start model is one case here, and each of its settings counts once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    return [
        WeightChoice(of_study.name, candidate.weight, sorted(tried), candidate.learning_rate)
        for of_study in merge_repeats(sections, variant)
        for tried in [weight_scores(of_study.section, variant)]
        for candidate in of_study.section.tuning
        if candidate.variant == variant and candidate.chosen and not isinstance(candidate.weight, str)
    ]


def tried_weights(sections: Sequence[StudySection]) -> dict[str, dict[float, int]]:
    """Per regularizer and numeric weight that was tried: the number of regimes that chose it.

    Regimes that tried a single weight are left out, for they did not choose it, and distillation, as in `weight_gains`.
    """
    compared = _without_distillation(sections)
    tried: dict[str, dict[float, int]] = {}
    for variant in sorted({candidate.variant for one in compared for candidate in one.section.tuning}):
        regimes = [one for one in merge_repeats(compared, variant) if len(weight_scores(one.section, variant)) > 1]
        chosen = [choice.weight for choice in weight_choices(regimes, variant)]
        weights = {weight for one in regimes for weight in weight_scores(one.section, variant)}
        if weights:
            tried[variant] = {weight: chosen.count(weight) for weight in sorted(weights)}
    return tried


def weight_gains(sections: Sequence[StudySection], variant: str) -> dict[float, list[float]]:
    """Per numeric weight: its gain over the objective alone on the validation tasks, in every regime.

    In points, each at its best learning rate, averaged over tuning seeds. Regimes that tried a single weight are left
    out, so that weights can be compared. So is distillation: its objective is a mean squared error over coordinates,
    on another scale.
    """
    gains: dict[float, list[float]] = {}
    for of_study in merge_repeats(_without_distillation(sections), variant):
        alone = weight_scores(of_study.section, NONE)
        best = weight_scores(of_study.section, variant)
        if not alone or len(best) < 2:
            continue
        for weight, score in best.items():
            gains.setdefault(weight, []).append(score - max(alone.values()))
    return dict(sorted(gains.items()))


def merge_repeats(sections: Sequence[StudySection], variant: str) -> list[StudySection]:
    """The regimes that tried a variant; where several studies have the same one, with the settings of all, each once.

    Their choice is the one of the studies' choices that did best.
    """
    regimes: dict[tuple[str, str], list[StudySection]] = {}
    for one in sections:
        if any(candidate.variant == variant for candidate in one.section.tuning):
            regimes.setdefault((one.section.title, one.section.objective), []).append(one)
    return [same[0] if len(same) == 1 else _merge(same, variant) for same in regimes.values()]


def _merge(same: Sequence[StudySection], variant: str) -> StudySection:
    every = [candidate for one in same for candidate in one.section.tuning]
    chosen = max((one for one in every if one.variant == variant and one.chosen), key=validation_score)
    settings = {_setting(candidate): candidate for candidate in reversed(every)}  # the first of each stays
    tuning = [replace(one, chosen=setting == _setting(chosen)) for setting, one in reversed(settings.items())]
    return StudySection(", ".join(one.study for one in same), replace(same[0].section, tuning=tuning))


def _setting(candidate: Candidate) -> tuple[object, ...]:
    return candidate.variant, candidate.weight, candidate.conditions


def weight_scores(section: Section, variant: str) -> dict[float, float]:
    """Per numeric weight of a variant: its validation score at its best learning rate, in points."""
    best: dict[float, float] = {}
    for candidate in section.tuning:
        if candidate.variant == variant and not isinstance(candidate.weight, str):
            best[candidate.weight] = max(best.get(candidate.weight, -math.inf), validation_score(candidate))
    return best


def _without_distillation(sections: Sequence[StudySection]) -> list[StudySection]:
    return [of_study for of_study in sections if of_study.section.objective != "distillation"]


def validation_score(candidate: Candidate) -> float:
    """Mean validation score over the tuning seeds, in points."""
    return float(np.mean(candidate.scores))


def chosen_setting(section: Section, variant: str) -> str:
    """Weight and learning rate chosen for a variant; empty for a transform, and where only one setting was tried."""
    chosen = [candidate for candidate in section.tuning if candidate.chosen and candidate.variant == variant]
    return "".join(f"{weight_text(candidate.weight)}, {rate_text(candidate)}" for candidate in chosen)
