"""A figure of studies: every variant by name, beside the tuned objective alone."""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Panel:
    """One start model and regime.

    Attributes:
        title: Both of them.
        findings: The difference of each variant in the mean of the similarity tasks, the largest first.
    """

    title: str
    findings: Sequence[Finding]


def variants_figure(studies: str, title: str) -> Plot | None:
    """Draw the differences of every variant by name, a panel for each start model and regime.

    Args:
        studies: How the names of the studies begin.
        title: Title of the figure.

    Returns:
        The figure; None while there is no result.
    """
    panels = [
        Panel(of_study.section.title, sorted(found, key=lambda finding: -finding.comparison.estimate))
        for of_study in sections_of_studies(studies)
        if (found := of_study.findings("similarity"))
    ]
    if not panels:
        return None
    return Plot(
        title,
        "Difference from the objective alone on STS and retrieval tasks, with 95 % intervals. Blue: persistent "
        "entropy. “start + …”: no training. Hollow: no difference found, or a choice at an end of its grid.",
        " ".join(f"{panel.title}: {'; '.join(map(_in_words, panel.findings))}." for panel in panels),
        partial(_paint, panels=panels),
        (5.6, sum(AROUND + ROW * len(panel.findings) for panel in panels)),
        len(panels),
    )


def _in_words(finding: Finding) -> str:
    return f"{finding.pair.new} {estimate(finding.comparison)}{'' if _counts(finding) else ' (hollow)'}"


def _is_ours(variant: str) -> bool:
    """Whether the variant has persistent entropy as a part; a study may write its name in words."""
    return any(name in variant.replace(" ", "_") for name in OURS_IN_STUDIES)


def _counts(finding: Finding) -> bool:
    return finding.outcome in ("better", "worse")


def _paint(*stacked: Axes, panels: Sequence[Panel]) -> None:
    for axes, panel in zip(stacked, panels, strict=True):
        axes.axvline(0, color=LINE, linewidth=1.4)
        estimates = [finding.comparison.estimate for finding in panel.findings]
        middle = (min(estimates) + max(estimates)) / 2
        for place, finding in enumerate(panel.findings):
            _paint_line(axes, place, finding, finding.comparison.estimate > middle)
        axes.set_title(panel.title, loc="left", fontsize=10.5, color=INK)
        axes.set(ylim=(len(panel.findings) - 0.4, -0.6), yticks=[])
        axes.spines["left"].set_visible(False)
    stacked[-1].set_xlabel("difference in points (better →)")


def _paint_line(axes: Axes, place: int, finding: Finding, is_right: bool) -> None:
    """A mark with its interval, and its name on the side where there is room."""
    comparison = finding.comparison
    color = OURS if _is_ours(finding.pair.new) else MUTED
    low, high = (comparison.estimate if end is None else end for end in (comparison.low, comparison.high))
    axes.plot([low, high], [place, place], color=color, linewidth=2.4)
    style = "full" if _counts(finding) else "none"
    axes.plot(comparison.estimate, place, "o", color=color, markersize=6.5, fillstyle=style)
    axes.annotate(
        f"{finding.pair.new} {estimate(comparison)}",
        (low if is_right else high, place),
        xytext=(-8 if is_right else 8, 0),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="center",
        color=OURS if color == OURS else INK,
    )
