"""The legend of figures has room for every name."""

from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the figures need the extra eval")

from matplotlib.figure import Figure

from evaluation.documentation.study_pages import marks
from evaluation.report.plots import Look

SHORT = ("none", "koleo", "isoscore_star", "persistent_entropy")
LONG = ("in-batch negatives + absolute entropy, scale 10", "alignment + uniformity", "alignment + absolute_entropy")


@pytest.mark.parametrize("names", [SHORT[:1], SHORT, LONG, SHORT + LONG, LONG[:1]], ids=len)
def test_no_mark_is_cut(names: tuple[str, ...]) -> None:
    plot = marks({name: Look("#010200", "o") for name in names})
    figure = Figure(figsize=plot.size, layout="constrained")
    axes: Any = figure.subplots()
    plot.paint(axes)
    figure.draw_without_rendering()
    box = axes.get_legend().get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < box.y1 <= figure.bbox.height
