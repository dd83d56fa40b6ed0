"""The grids of one regime as they are searched: extended, where a study allows it, while a choice lies at an end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evaluation.report.grid_ends import End, GridEnd, SettingName, end_of, scale_of
from evaluation.report.wording import weight_text
from evaluation.study.description import Grid, Regime, Study
from evaluation.study.settings import Setting, settings
from evaluation.train.training import Weight

DIGITS = 3  # significant, of a value that is added


@dataclass(frozen=True)
class Search:
    """What is tried in a regime, so far.

    Attributes:
        study: The study, with its weights as they are by now.
        regime: The regime, with its learning rates as they are by now.
        added: How many values were added at an end of the rates or of the weights.
        extension: In which extension each setting was added; 0 for those that the study names.
    """

    study: Study
    regime: Regime
    added: dict[tuple[SettingName, End], int] = field(default_factory=dict)
    extension: dict[Setting, int] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, regime: Regime) -> "Search":
        """The grids that the study names."""
        return cls(study, regime, extension=dict.fromkeys(settings(study, regime), 0))

    def beyond(self, ends: Sequence[GridEnd]) -> "Search | None":
        """The search with one more value for all variants at each end where one of them chose; None at the bound."""
        wanted = [
            key
            for key in dict.fromkeys(end.place for end in ends)
            if self.added.get(key, 0) < self.study.extend and _can_extend(self.study, key[0])
        ]
        if not wanted:
            return None
        study, regime = self.study, self.regime
        for setting, end in wanted:
            if setting == "weight":
                grids = tuple(_with_next_weight(grid, end) if grid.weights else grid for grid in study.regularizers)
                study = replace(study, regularizers=grids)
            else:
                rates = regime.learning_rates
                regime = replace(regime, learning_rates=(*rates, _next(rates, end)))
        added = {**self.added, **{key: self.added.get(key, 0) + 1 for key in wanted}}
        latest = max(self.extension.values()) + 1
        return Search(study, regime, added, dict.fromkeys(settings(study, regime), latest) | self.extension)


def warn_of_ends(study: Study) -> list[str]:
    """A sentence for each grid in which every choice would lie at an end, so that no difference could count.

    Example:
        >>> regime = Regime("cosine", "docstrings", (1e-3, 3e-3), name="pairs")
        >>> [warning] = warn_of_ends(Study("Does it?", ("static",), (regime,), (), ("STS12",), ("STS13",)))
        >>> warning.partition(",")[0]
        "Each learning rate of 'pairs' (0.001 and 0.003) is an end of its grid"
    """
    tried: list[tuple[SettingName, str, Sequence[Weight]]] = [
        *(("learning rate", regime.name, regime.learning_rates) for regime in study.regimes),
        *(("weight", grid.name, grid.weights) for grid in study.regularizers),
        *(("temperature scale", one.name, one.temperature_scales) for one in (*study.regimes, *study.regularizers)),
    ]
    found = []
    for setting, name, values in tried:
        can_extend = _can_extend(study, setting)
        if not _are_all_ends(values) or (study.extend and can_extend):
            continue
        *others, last = map(weight_text, values)
        found.append(
            f"Each {setting} of {name!r} ({', '.join(others)} and {last}) is an end of its grid, and a difference that "
            "rests on a choice at an end counts neither as a gain nor as a loss: give at least three values"
            f"{', or extend = 1' if can_extend else ''}."
        )
    return found


def _are_all_ends(values: Sequence[Weight]) -> bool:
    """Whether no value but a weight of 0 lies inside the values of its kind."""
    scales = [scale_of(value) for value in values]
    ends = [end_of(size, {other for of, other in scales if of == kind}) for kind, size in scales if size]
    return bool(ends) and None not in ends


def _can_extend(study: Study, setting: SettingName) -> bool:
    """Whether a next value follows: of rates; of weights, several of one kind and positive; of no temperature scale.

    Weights beside temperature scales are left, because one more of them would make the budgets unequal.
    """
    if setting != "weight" or any(one.temperature_scales for one in (*study.regimes, *study.regularizers)):
        return setting == "learning rate"
    return all(
        len({kind for kind, _ in scales}) == 1 and len(scales) > 1 and min(size for _, size in scales) > 0
        for scales in ([scale_of(weight) for weight in grid.weights] for grid in study.regularizers if grid.weights)
    )


def _with_next_weight(grid: Grid, end: End) -> Grid:
    scales = [scale_of(weight) for weight in grid.weights]
    kind, found = scales[0][0], _next([size for _, size in scales], end)
    weight: Weight = f"{kind}{found:g}" if kind else found
    return replace(grid, weights=(*grid.weights, weight))


def _next(values: Sequence[float], end: End) -> float:
    """The value beyond an end, as far from it as its neighbor is, by ratio."""
    outermost, neighbor = sorted(values, reverse=end == "highest")[:2]
    return float(f"{outermost**2 / neighbor:.{DIGITS}g}")
