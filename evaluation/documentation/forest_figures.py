"""Figures of differences by name: every variant of a regime, or one variant under every regime."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from evaluation.documentation.results import sections_of_studies
from evaluation.report.plots import Plot
from evaluation.report.summary import Finding
from evaluation.report.wording import estimate
from st_isotropy.svg import INK, LINE, MUTED, OURS

OURS_IN_STUDIES = ("persistent_entropy", "absolute_entropy")
ROW, AROUND = 0.2, 0.62  # inches of a line, and of what is around the lines of a panel
READING = "Hollow: no difference found, or a choice at an end of its grid."


@dataclass(frozen=True)
class Line:
    """A mark with its interval.

    Attributes:
        name: What is written beside it.
        finding: The difference in the mean of the similarity tasks.
    """

    name: str
    finding: Finding


@dataclass(frozen=True)
class Panel:
    """Lines under one title, the largest difference first."""

    title: str
    lines: Sequence[Line]


def variants_figure(studies: str, title: str) -> Plot | None:
    """Draw the differences of every variant by name, a panel for each start model and regime.

    Args:
        studies: How the names of the studies begin.
        title: Title of the figure.

    Returns:
        The figure; None while there is no result.
    """
    panels = [
        Panel(of_study.section.title, _sorted(Line(found.pair.new, found) for found in of_study.findings("similarity")))
        for of_study in sections_of_studies(studies)
    ]
    caption = (
        "Difference from the objective alone on STS and retrieval tasks, with 95 % intervals. Blue: persistent "
        f"entropy. “start + …”: no training. {READING}"
    )
    return _forest(panels, title, caption)


def regimes_figure(studies: Mapping[str, str], variant: str, title: str) -> Plot | None:
    """Draw the differences of one variant by start model and regime, a panel for each kind of study.

    Args:
        studies: By the title of a panel, how the names of its studies begin.
        variant: Name of the variant.
        title: Title of the figure.

    Returns:
        The figure; None while there is no result.
    """
    sections = {heading: sections_of_studies(names) for heading, names in studies.items()}
    models = {of_study.section.model for found in sections.values() for of_study in found}
    panels = [
        Panel(
            heading,
            _sorted(
                Line(of_study.section.title if len(models) > 1 else of_study.section.regime, difference)
                for of_study in found
                for difference in of_study.findings("similarity")
                if difference.pair.new == variant
            ),
        )
        for heading, found in sections.items()
    ]
    caption = (
        f"{variant}{f', {models.pop()}' if len(models) == 1 else ''}: difference from in-batch negatives on STS and "
        f"retrieval tasks, with 95 % intervals. {READING}"
    )
    return _forest(panels, title, caption, named_at_the_axis=True)


def _sorted(lines: Iterator[Line]) -> Sequence[Line]:
    return sorted(lines, key=lambda line: -line.finding.comparison.estimate)


def _forest(panels: Sequence[Panel], title: str, caption: str, named_at_the_axis: bool = False) -> Plot | None:
    filled = [panel for panel in panels if panel.lines]
    if not filled:
        return None
    return Plot(
        title,
        caption,
        " ".join(f"{panel.title}: {'; '.join(map(_in_words, panel.lines))}." for panel in filled),
        partial(_paint, panels=filled, named_at_the_axis=named_at_the_axis),
        # Panels are equally high.
        (5.6, len(filled) * (AROUND + ROW * max(len(panel.lines) for panel in filled))),
        len(filled),
    )


def _in_words(line: Line) -> str:
    hollow = "" if _counts(line.finding) else " (hollow)"
    return f"{line.name} {estimate(line.finding.comparison)}{hollow}"


def _is_ours(variant: str) -> bool:
    """Whether the variant has persistent entropy as a part; a study may write its name in words."""
    return any(name in variant.replace(" ", "_") for name in OURS_IN_STUDIES)


def _counts(finding: Finding) -> bool:
    return finding.outcome in ("better", "worse")


def _paint(*stacked: Axes, panels: Sequence[Panel], named_at_the_axis: bool) -> None:
    for axes, panel in zip(stacked, panels, strict=True):
        axes.axvline(0, color=LINE, linewidth=1.4)
        estimates = [line.finding.comparison.estimate for line in panel.lines]
        middle = (min(estimates) + max(estimates)) / 2
        for place, line in enumerate(panel.lines):
            is_right = line.finding.comparison.estimate > middle
            _paint_line(axes, place, line.finding, is_right, "" if named_at_the_axis else f"{line.name} ")
        # Beside names the axes are narrow: a title begins over the names, so that nothing cuts it.
        axes.set_title(panel.title, loc="right" if named_at_the_axis else "left", fontsize=10.5, color=INK)
        axes.set(ylim=(len(panel.lines) - 0.4, -0.6), yticks=[])
        if named_at_the_axis:
            axes.set_yticks(range(len(panel.lines)), [line.name for line in panel.lines], color=INK)
            axes.tick_params(axis="y", length=0)
            axes.margins(x=0.3)  # room for the numbers
        axes.spines["left"].set_visible(False)
    stacked[-1].set_xlabel("difference in points (better →)")


def _paint_line(axes: Axes, place: int, finding: Finding, is_right: bool, name: str) -> None:
    """A mark with its interval, and its name and number on the side where there is room."""
    comparison = finding.comparison
    color = OURS if _is_ours(finding.pair.new) else MUTED
    low, high = (comparison.estimate if end is None else end for end in (comparison.low, comparison.high))
    axes.plot([low, high], [place, place], color=color, linewidth=2.4)
    style = "full" if _counts(finding) else "none"
    axes.plot(comparison.estimate, place, "o", color=color, markersize=6.5, fillstyle=style)
    axes.annotate(
        f"{name}{estimate(comparison)}",
        (low if is_right else high, place),
        xytext=(-8 if is_right else 8, 0),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="center",
        color=OURS if color == OURS else INK,
    )
