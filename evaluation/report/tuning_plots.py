"""The plots of the settings that were tried on the validation tasks: scores over weights, and over isotropy."""

from collections.abc import Container, Iterator
from functools import partial
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes

from evaluation.report.grid_ends import Candidate, rate_text
from evaluation.report.measures import LOWER_IS_MORE_ISOTROPIC
from evaluation.report.plots import SMALL, Look, Plot, label_text, looks
from evaluation.report.summary import NONE, Section
from evaluation.report.wording import measure_name, significant, weight_text
from st_isotropy.svg import INK, LINE, MUTED, SERIES


def dose_plots(section: Section, metrics: Container[str] | None = None) -> Iterator[Plot]:
    """Change of the validation score against change of isotropy, over everything that was tried.

    Args:
        section: The section.
        metrics: The isotropy measures that have a plot; None for all.
    """
    base = {one.conditions: one for one in section.tuning if one.variant == NONE}
    tried = [one for one in section.tuning if one.variant != NONE and one.conditions in base]
    for measure in dict.fromkeys(measure for one in tried for measure in one.isotropy):
        if metrics is not None and measure not in metrics:
            continue
        points = [
            (
                one,
                fmean(one.isotropy[measure]) - fmean(base[one.conditions].isotropy[measure]),
                fmean(one.scores) - fmean(base[one.conditions].scores),
            )
            for one in tried
            if measure in one.isotropy and measure in base[one.conditions].isotropy
        ]
        shown = measure_name(measure)
        towards = "← more isotropic" if measure in LOWER_IS_MORE_ISOTROPIC else "more isotropic →"
        axis = f"change of {label_text(shown)} ({towards})"
        yield Plot(
            f"{shown} and the validation score",
            "One mark for each weight and learning rate that was tried: the change from no regularizer at the same "
            "learning rate. Rings are the chosen settings.",
            "; ".join(
                f"{e.variant} {weight_text(e.weight)} at {rate_text(e)}: {significant(x, sign=True)} in {shown}, "
                f"{significant(y, sign=True)} points"
                for e, x, y in points
            ),
            partial(_paint_dose, points=points, looks=looks(section), axis=axis),
            (4.8, 3.6),
        )


def _paint_dose(axes: Axes, points: list[tuple[Candidate, float, float]], looks: dict[str, Look], axis: str) -> None:
    axes.axhline(0, color=LINE, linewidth=1.2)
    axes.axvline(0, color=LINE, linewidth=1.2)
    for variant in dict.fromkeys(candidate.variant for candidate, _, _ in points):  # one line each: small and quick
        look = looks.get(variant, Look(MUTED, "o"))
        x, y = zip(*[(x, y) for candidate, x, y in points if candidate.variant == variant], strict=True)
        axes.plot(x, y, look.marker, color=look.color, markersize=5, alpha=0.85, linewidth=0)
    chosen = [(x, y) for candidate, x, y in points if candidate.chosen]
    axes.plot(*np.transpose(chosen), "o", color=INK, markersize=11, fillstyle="none", linewidth=0)
    axes.set(xlabel=axis, ylabel="change of the score (points)")


def tuning_plots(section: Section) -> Iterator[Plot]:
    """The validation score over the weights, a line for each learning rate, a plot for each regularizer."""
    scores = [score for one in section.tuning for score in one.scores]
    limits = (min(scores), max(scores)) if scores else (0.0, 1.0)
    base = next((fmean(one.scores) for one in section.tuning if one.variant == NONE and one.chosen), None)
    for variant in dict.fromkeys(one.variant for one in section.tuning):
        tried = [one for one in section.tuning if one.variant == variant]
        if len({one.weight for one in tried}) < 2:
            continue
        chosen = [one for one in tried if one.chosen]
        yield Plot(
            variant,
            "Validation score over the weight. "
            + "".join(f"Chosen: weight {weight_text(e.weight)} at {rate_text(e)}." for e in chosen),
            "; ".join(
                f"weight {weight_text(e.weight)} at {rate_text(e)}: {significant(fmean(e.scores), 4)}" for e in tried
            ),
            partial(_paint_tuning, tried=tried, base=base, limits=limits),
            SMALL,
        )


def _paint_tuning(axes: Axes, tried: list[Candidate], base: float | None, limits: tuple[float, float]) -> None:
    weights = list(dict.fromkeys(one.weight for one in tried))
    if base is not None:
        axes.axhline(base, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=NONE)
    for place, conditions in enumerate(dict.fromkeys(one.conditions for one in tried)):
        color = SERIES[place % len(SERIES)]
        line = [one for one in tried if one.conditions == conditions]
        x = [weights.index(one.weight) for one in line]
        axes.plot(x, [fmean(one.scores) for one in line], "o-", color=color, markersize=4, label=rate_text(line[0]))
        for one in line:
            axes.plot([weights.index(one.weight)] * len(one.scores), one.scores, "_", color=color, alpha=0.6)
            if one.chosen:
                axes.plot(weights.index(one.weight), fmean(one.scores), "o", color=INK, markersize=11, fillstyle="none")
    margin = 0.06 * (limits[1] - limits[0])
    axes.set_ylim(limits[0] - margin, limits[1] + margin)  # the same for all regularizers
    axes.set_xticks(range(len(weights)), [label_text(weight_text(weight)) for weight in weights])
    axes.set(xlabel="weight", ylabel="score")
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8.5, handlelength=1.3, columnspacing=1)
