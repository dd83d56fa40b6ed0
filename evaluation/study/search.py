"""The grids of one regime as they are searched: extended, where a study allows it, while a choice lies at an end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evaluation.report.grid_ends import End, GridEnd, SettingName, scale_of
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
