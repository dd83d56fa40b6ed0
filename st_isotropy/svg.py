"""Plots as inline SVG whose colors follow the light or dark theme of the page around them."""

import io
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Stand-ins that are replaced by the custom properties of `diagnosis/templates/style.css`.
INK, MUTED, LINE, OURS, REFERENCE, FINE, STRONG = (f"#0102{number:02x}" for number in range(7))
SERIES = tuple(f"#0103{number:02x}" for number in range(8))
_PROPERTIES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    OURS: "--ours",
    REFERENCE: "--reference",
    FINE: "--fine",
    STRONG: "--strong",
    **{color: f"--series-{number}" for number, color in enumerate(SERIES)},
}
_STYLE: Any = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 10.5,
    "legend.borderaxespad": 0.2,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}


MOST_TICKS = 8
SLANT = 40  # degrees
GAP = 6  # pixels between two labels, at the least


def draw(plot: Callable[..., None], name: str, size: tuple[float, float] = (4.8, 3.2), panels: int = 1) -> str:
    """Draw a plot as an inline SVG element that scales to its column.

    Args:
        plot: Draws on the axes it is given, one for each panel.
        name: Unique on its page: ids are derived from it, and equal ids would mix up the clip paths of two plots.
        size: Width and height in inches.
        panels: How many axes there are, one below the other.

    Returns:
        The `<svg>` element.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size)
        stacked = figure.subplots(panels, squeeze=False)[:, 0]
        plot(*stacked)
        for axes in stacked:
            _part_tick_labels(figure, axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'<g id="[\w.]+"', "<g", svg)  # the same in every figure, and nothing refers to them
    for color in _PROPERTIES:
        svg = svg.replace(color, themed(color))
    return svg


def _part_tick_labels(figure: Figure, axes: Axes) -> None:
    """Where labels of the horizontal axis would overlap, show fewer of them, or slant them where all must be shown."""
    for bins in range(MOST_TICKS, 1, -1):
        if not _overlap(figure, axes):
            return
        if not isinstance(axes.xaxis.get_major_locator(), MaxNLocator):
            axes.tick_params(axis="x", labelrotation=SLANT)
            return
        axes.xaxis.set_major_locator(MaxNLocator(bins))


def _overlap(figure: Figure, axes: Axes) -> bool:
    """Whether two labels of the horizontal axis come too near to each other."""
    figure.draw_without_rendering()  # the layout decides how wide the axis is
    low, high = sorted(axes.get_xlim())
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    boxes = [label.get_window_extent() for place, label in ticks if low <= place <= high and label.get_text()]
    ordered = sorted((box.x0, box.x1) for box in boxes)
    return any(right[0] - left[1] < GAP for left, right in pairwise(ordered))


def themed(color: str) -> str:
    """Write a stand-in as CSS."""
    return f"var({_PROPERTIES[color]})"
