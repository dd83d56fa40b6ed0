"""An improvement as one self-contained HTML page, in the style of the diagnosis: no script, plots as inline SVG."""

from functools import partial

import jinja2
from matplotlib.axes import Axes

from st_isotropy import __version__
from st_isotropy.diagnosis.diagnosis import format_value
from st_isotropy.diagnosis.page import plot_barcode, plot_cosines, plot_spectrum
from st_isotropy.improve.improvement import Improvement
from st_isotropy.improve.verdict import format_gain, state_seen, state_verdict
from st_isotropy.metrics.cloud import as_cloud
from st_isotropy.svg import LINE, OURS, draw

_SHOWN = 10  # queries that gained most, and that lost most
_PLOTS = (
    ("Spectrum", "Variance along each principal component; even is isotropic.", plot_spectrum),
    ("Cosines", "Cosines of all pairs of sampled texts.", plot_cosines),
    ("Barcode", "Lengths of the bars of the H0 barcode of sampled texts.", plot_barcode),
)


def write_page(improvement: Improvement, source: str, saved: str | None) -> str:
    """Render an improvement and its plots as HTML.

    Args:
        improvement: What was found.
        source: The model, as the user named it.
        saved: Where it was saved; None where it was not.
    """
    before, after = (as_cloud(rows, improvement.similarity) for rows in improvement.sample)
    figures = [
        (title, caption, draw(partial(plot, cloud=after, isotropic=before, labels=("before", "after")), plot.__name__))
        for title, caption, plot in _PLOTS
    ]
    height = 0.9 + 0.28 * len(improvement.candidates)
    dots = draw(partial(plot_gains, improvement=improvement), plot_gains.__name__, size=(8.0, height))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("st_isotropy.improve"), jinja2.PackageLoader("st_isotropy.diagnosis")]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"value": format_value, "gain": format_gain, "seen": state_seen}
    environment.filters["points"] = lambda score: f"{100 * score:.1f}"
    gained = [pair for pair in improvement.item_gains if pair[0] > 0][:_SHOWN]
    lost = [pair for pair in reversed(improvement.item_gains) if pair[0] < 0][:_SHOWN]
    return environment.get_template("improvement.html").render(
        improvement=improvement,
        source=source,
        verdict=state_verdict(improvement, source, saved),
        dots=dots,
        figures=figures,
        queries=(("Gained most", gained), ("Lost most", lost)),
        version=__version__,
    )


def plot_gains(axes: Axes, improvement: Improvement) -> None:
    """Gain of each candidate in points, with its interval where it has one."""
    rows = [row for row in improvement.candidates if row.gains]
    for place, row in enumerate(rows):
        gain = row.gains[0]
        axes.plot(100 * gain.estimate, place, "o", color=OURS)
        if gain.low is not None and gain.high is not None:
            axes.plot([100 * gain.low, 100 * gain.high], [place, place], color=OURS, linewidth=1.8)
    axes.axvline(0, color=LINE, linewidth=1)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set(xlabel=f"gain in {improvement.measures[0]} on held-out items, points, 95 %", ylim=(len(rows) - 0.5, -0.5))
