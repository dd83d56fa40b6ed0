"""Figures of the documentation: drawn into a page, or as a file of its own that follows the reader's theme."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

from matplotlib.axes import Axes

from evaluation.documentation.results import ROOT, StudySection
from evaluation.report.plots import Plot
from evaluation.report.summary import Section
from evaluation.report.tables import FLAG
from evaluation.report.wording import difference, shorten
from evaluation.statistics.intervals import Comparison
from st_isotropy.svg import INK, LINE, MUTED, OURS, draw

METHOD = "persistent_entropy"
LONGEST = 34  # characters of a line beside a plot


@dataclass(frozen=True)
class Line:
    """A start model and regime in the figure: the method's difference, and the estimates of all others.

    Attributes:
        section: What the regime gave.
        method: The method's difference.
        others: The estimates of the other variants.
        flagged: Whether any of them rests on a choice at an end of a grid.
    """

    section: Section
    method: Comparison
    others: list[float]
    flagged: bool


def figure(plot: Plot, name: str) -> str:
    """A plot as an HTML figure for a page in Markdown.

    Args:
        plot: The plot.
        name: Unique on its page.
    """
    svg = draw(plot.paint, name, plot.size)
    said = escape(f"{plot.title}. {plot.alternative}", quote=True)
    lines = [line for line in svg.splitlines() if line.strip()]  # a blank line would end the HTML for Markdown
    return (
        f'<figure class="plot"><div role="img" aria-label="{said}">'
        + "\n".join(lines)
        + f"</div><figcaption>{escape(plot.caption)}</figcaption></figure>"
    )


def standalone(plot: Plot, name: str) -> str:
    """A plot as an SVG file that follows the light or dark theme of its reader."""
    light, dark = palettes()
    style = f"<style>:root {{{light}}} @media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}</style>"
    title = f"<title>{escape(plot.title)}</title><desc>{escape(plot.alternative)}</desc>"
    svg = draw(plot.paint, name, plot.size)
    end = svg.index(">") + 1
    return f"{svg[:end]}\n{title}\n{style}{svg[end:]}"


def palettes() -> tuple[str, str]:
    """The custom properties of the library's pages, light and dark."""
    style = (ROOT / "st_isotropy" / "diagnosis" / "templates" / "style.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return " ".join(light.split()), " ".join(dark.split())


def stylesheet() -> str:
    """The colors of the plots on the pages of the site, in its light and its dark scheme."""
    light, dark = palettes()
    return f":root {{ {light} }}\n[data-md-color-scheme=slate] {{ {dark} }}\n"


def study_plot(sections: Sequence[StudySection]) -> Plot | None:
    """The method's difference from the objective alone on STS and retrieval in every regime, among those of all others.

    Args:
        sections: Start models and regimes.

    Returns:
        The plot; None where the method was compared in none of them.
    """
    lines: list[Line] = []
    for of_study in sections:
        found = {finding.pair.new: finding for finding in of_study.findings("similarity")}
        if METHOD in found:
            others = [finding.comparison.estimate for variant, finding in found.items() if variant != METHOD]
            flagged = any(finding.ends for finding in found.values())
            lines.append(Line(of_study.section, found[METHOD].comparison, others, flagged))
    if not lines:
        return None
    return Plot(
        "Persistent entropy and the alternatives: difference from the tuned objective alone",
        "Difference from the objective alone on the STS and retrieval test tasks. Blue: persistent entropy, with 95 % "
        "intervals. Circles: the other regularizers of the study, tried at as many settings, and post-hoc transforms, "
        f"of the start model, too. {FLAG} in a name: a choice lies at an end of its grid, and differences that rest "
        "on it count neither as gains nor as losses.",
        "; ".join(f"{line.section.title}: {difference(line.method)}" for line in lines),
        partial(_paint_study, lines=lines),
        (5.6, 0.9 + 0.48 * len(lines)),
    )


def _paint_study(axes: Axes, lines: Sequence[Line]) -> None:
    axes.axvline(0, color=LINE, linewidth=1.4)
    for place, line in enumerate(lines):
        comparison = line.method
        axes.plot(
            line.others, [place] * len(line.others), "o", color=MUTED, markersize=6, fillstyle="none", linewidth=0
        )
        if comparison.low is not None and comparison.high is not None:
            axes.plot([comparison.low, comparison.high], [place, place], color=OURS, linewidth=2.4)
        axes.plot(comparison.estimate, place, "o", color=OURS, markersize=8)
    axes.set_yticks(range(len(lines)), [_label(line) for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in points (better →)")


def _label(line: Line) -> str:
    """The start model and the regime, in lines."""
    section = line.section
    parts = [f"{FLAG} {section.model}" if line.flagged else section.model, *section.regime.split(", ", 1)]
    return "\n".join(shorten(part, LONGEST).replace("$", r"\$") for part in parts)
