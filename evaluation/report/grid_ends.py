"""Settings that were tried on the validation tasks, and which choices lie at an end of the grid they were chosen from.

A choice at an end says where the search stopped, not what is best: the next value might be better. A difference between
variants of which one was chosen so is therefore counted neither as a gain nor as a loss.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluation.report.wording import weight_text
from evaluation.statistics.verdict import Outcome

SettingName = Literal["learning rate", "weight", "temperature scale"]
End = Literal["lowest", "highest"]
AT_AN_END = "at an end of a grid"
Counted = Outcome | Literal["at an end of a grid"]


@dataclass(frozen=True)
class Candidate:
    """One setting of a regularizer that was tried on the validation tasks.

    Attributes:
        variant: Name of the regularizer, or `evaluation.report.summary.NONE`.
        weight: Its weight; 0 for an objective alone.
        learning_rate: Peak learning rate.
        scores: Mean validation score in points, per tuning seed.
        isotropy: Per isotropy measure, its value per tuning seed.
        chosen: Whether the test tasks were run with this setting.
        extension: The extension of the grid that added it; 0 for the grid that the study names.
        objective: The variant's own objective; empty for that of the section.
        temperature_scale: What cosines were multiplied by; None for the default, and without in-batch negatives.
    """

    variant: str
    weight: float | str
    learning_rate: float
    scores: list[float]
    isotropy: dict[str, list[float]]
    chosen: bool
    extension: int = 0
    objective: str = ""
    temperature_scale: float | None = None

    @property
    def conditions(self) -> tuple[str, float | None, float]:
        """What was set besides the regularizer and its weight: own objective, temperature scale and learning rate."""
        return self.objective, self.temperature_scale, self.learning_rate


def rate_text(candidate: Candidate) -> str:
    """The learning rate of a setting, with the temperature scale where one was set."""
    scale = "" if candidate.temperature_scale is None else f", scale {candidate.temperature_scale:g}"
    return f"{candidate.learning_rate:g}{scale}"


@dataclass(frozen=True)
class GridEnd:
    """A chosen value at an end of its grid.

    Attributes:
        variant: Whose choice it is.
        setting: What was searched.
        value: The choice.
        end: At which end it lies.
    """

    variant: str
    setting: SettingName
    value: float | str
    end: End

    @property
    def place(self) -> tuple[SettingName, End]:
        """Where a grid would have to go on."""
        return self.setting, self.end

    @property
    def sentence(self) -> str:
        """Who chose what.

        Example:
            >>> GridEnd("koleo", "learning rate", 0.004, "highest").sentence
            'koleo chose the highest learning rate that was tried, 0.004'
        """
        return f"{self.variant} chose the {self.end} {self.setting} that was tried, {weight_text(self.value)}"


def grid_ends(tuning: Sequence[Candidate]) -> list[GridEnd]:
    """Every choice that lies at an end of what was tried for its variant.

    Args:
        tuning: Every setting that was tried.

    Returns:
        The ends, in the order of the variants. A grid of one value has none: a fixed value is no choice, and nothing
        suggests on which side of it a better one lies. Neither has the weight 0, which is the objective alone.
    """
    return [end for chosen in tuning if chosen.chosen for end in _ends_of(chosen, tuning)]


def discount_ends(outcome: Outcome, ends: Collection[GridEnd]) -> Counted:
    """An outcome as it counts: a gain or loss of a choice at an end of a grid counts as neither."""
    return AT_AN_END if ends and outcome in ("better", "worse") else outcome


def scale_of(weight: float | str) -> tuple[str, float]:
    """The kind of a weight, whose values lie on one scale, and its place on it.

    Example:
        >>> scale_of(30), scale_of("auto:0.3"), scale_of("decay:10")
        (('', 30.0), ('auto:', 0.3), ('decay:', 10.0))
    """
    if not isinstance(weight, str):
        return "", float(weight)
    kind, _, number = weight.partition(":")
    if number:
        return f"{kind}:", float(number)
    from st_isotropy.weights import BalancedWeight  # torch takes seconds to import

    return f"{kind}:", BalancedWeight.fraction


def _ends_of(chosen: Candidate, tuning: Sequence[Candidate]) -> Iterator[GridEnd]:
    tried = [candidate for candidate in tuning if candidate.variant == chosen.variant]
    if end := end_of(chosen.learning_rate, {candidate.learning_rate for candidate in tried}):
        yield GridEnd(chosen.variant, "learning rate", chosen.learning_rate, end)
    scales = {scale for candidate in tried if (scale := candidate.temperature_scale) is not None}
    if (scale := chosen.temperature_scale) is not None and (end := end_of(scale, scales)):
        yield GridEnd(chosen.variant, "temperature scale", scale, end)
    kind, weight = scale_of(chosen.weight)
    weights = [scale_of(candidate.weight) for candidate in tried]
    if weight and (end := end_of(weight, {size for other, size in weights if other == kind})):
        yield GridEnd(chosen.variant, "weight", chosen.weight, end)


def end_of(value: float, tried: Collection[float]) -> End | None:
    """At which end of what was tried a value lies; None inside, and where it was the only one."""
    if len(tried) < 2:
        return None
    return "lowest" if value == min(tried) else "highest" if value == max(tried) else None
