"""Plots of a report: labels that do not run into each other, and names that are whole."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from example_summary import example_summary, renamed

pytest.importorskip("matplotlib", reason="plots need the extra eval")

from evaluation.documentation.results import committed
from evaluation.report.html import html_report
from evaluation.report.plots import forest_plots
from st_isotropy.svg import draw

LETTER = 0.5 * 10.5  # points; a digit of a sans-serif font is wider


def horizontal_labels(svg: str) -> list[tuple[float, float, str]]:
    """Place, angle and text of the labels below the axis, from left to right."""
    found = re.findall(r'text-anchor: middle[^>]*transform="rotate\((\S+) (\S+) \S+\)">([−\d.,]+)<', svg)
    return sorted((float(x), abs(float(angle)), text) for angle, x, text in found)


@pytest.mark.parametrize("low", [0.99850123, 0.0, -1234567.0])
def test_labels_of_numbers_never_run_into_each_other(low):
    def paint(axes):
        axes.plot([low, low + 0.00137], [0, 1])
        axes.ticklabel_format(useOffset=False)

    labels = horizontal_labels(draw(paint, "numbers", (3.6, 2.5)))
    assert len(labels) > 1
    for (x, _, text), (other_x, _, other) in pairwise(labels):
        assert other_x - x > LETTER * (len(text) + len(other)) / 2


def test_labels_that_must_all_be_shown_are_slanted_where_they_would_run_into_each_other():
    weights = [f"{10.0**-place:.6f}" for place in range(7)]
    for count, slanted in ((2, False), (7, True)):
        svg = draw(lambda axes, n=count: axes.set_xticks(range(n), weights[:n]), f"weights-{count}", (3.6, 2.5))
        assert all(weight in svg for weight in weights[:count])
        assert bool(re.search(r"rotate\(-40[ )]", svg)) == slanted


def test_names_of_plots_are_whole_and_names_beside_an_axis_take_several_lines():
    name = "paraphrase-multilingual-mpnet-base-v2 tuned on the tickets of last year"
    summary = example_summary(sections=1, variants=2)
    section = renamed(summary.sections[0], "MST length", name)
    page = html_report(replace(summary, sections=[section]))
    assert f"<h4>{name}</h4>" in page and "…" not in page.replace(" … ", "")
    plot = next(iter(forest_plots(section)))
    lines = re.findall(r">([^<>]+)</text>", draw(plot.paint, "forest", plot.size))
    assert name.split() == " ".join(line for line in lines if line in name and len(line) > 6).replace("- ", "-").split()


def test_a_caption_has_no_gap_where_there_is_no_single_reference():
    summary = committed("quickstart")
    assert summary is not None
    [section] = summary.sections
    captions = [plot.caption for plot in forest_plots(section)]
    assert section.reference is None and captions
    assert all(": difference, with" in caption for caption in captions)
