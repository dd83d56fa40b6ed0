"""A summary as one self-contained HTML page: no foreign request, plots as inline SVG, tables that sort."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

import jinja2

from evaluation.report.across_runs import RunComparison
from evaluation.report.headline import headlines
from evaluation.report.index_plots import effort_plots, size_plots
from evaluation.report.markdown import COMPARISON_READING, cost, notes, verdict_lines
from evaluation.report.plots import (
    MARKERS,
    Look,
    Plot,
    barcode_plots,
    cosine_plots,
    forest_plots,
    looks,
    training_plots,
)
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import (
    TRANSFER_READING,
    Table,
    difference_table,
    index_table,
    marks_reading,
    measure_table,
    tasks_of,
    transfer_table,
    tuning_table,
    verdict_table,
)
from evaluation.report.tuning_plots import dose_plots, tuning_plots
from st_isotropy import __version__
from st_isotropy.svg import draw, themed

TONES = {"▲": "level0", "▼": "level2", "○": "plain", "?": "plain", "⚑": "level1"}


@dataclass(frozen=True)
class Part:
    """A part of a section under its own heading.

    Attributes:
        heading: A few words.
        tables: Tables with their captions.
        plots: Plots, drawn.
        note: How to read the part.
        lines: Sentences, collapsed.
        small: Whether the plots are small multiples.
        legend: Whether variants have their colors in the plots.
    """

    heading: str
    tables: list[tuple[str, Table]] = field(default_factory=list)
    plots: list[tuple[Plot, str]] = field(default_factory=list)
    note: str = ""
    lines: list[str] = field(default_factory=list)
    small: bool = False
    legend: bool = False


def html_report(summary: Summary) -> str:
    """Render a summary as a page; parts without data are left out."""
    numbers = count()

    def drawn(plots: Iterable[Plot]) -> list[tuple[Plot, str]]:
        return [(plot, draw(plot.paint, f"plot-{next(numbers)}", plot.size)) for plot in plots]

    sections = [
        (section, [part for part in _parts(section, drawn) if part.tables or part.plots], _legend(looks(section)))
        for section in summary.sections
    ]
    return (
        environment()
        .get_template("report.html")
        .render(
            title=summary.title,
            missing=summary.missing,
            headlines=headlines(summary),
            sections=sections,
            notes=notes(summary),
            cost=cost(summary),
            version=__version__,
        )
    )


def html_comparison(comparison: RunComparison) -> str:
    """Render runs side by side as a page."""
    return (
        environment()
        .get_template("comparison.html")
        .render(
            title=" and ".join(comparison.runs), comparison=comparison, reading=COMPARISON_READING, version=__version__
        )
    )


def environment() -> jinja2.Environment:
    """Templates of the evaluation, which include the library's style; everything is escaped."""
    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("evaluation.report"), jinja2.PackageLoader("st_isotropy.diagnosis")]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["tone"] = lambda cell: TONES.get(cell[:1], "")
    return found


def _parts(section: Section, drawn: Callable[[Iterable[Plot]], list[tuple[Plot, str]]]) -> Iterable[Part]:
    yield Part(
        "Differences",
        [("Verdicts", verdict_table(section))] if section.pairs else [],
        drawn(forest_plots(section)),
        marks_reading([section]),
        verdict_lines(section),
    )
    yield Part(
        "Do scores rise with isotropy?",
        [("Rank correlations", transfer_table(section))] if section.transfer else [],
        drawn(dose_plots(section)),
        TRANSFER_READING if section.transfer else "",
        [f"{one.variant} by {one.measure}: {one.sentence}" for one in section.transfer],
        legend=True,
    )
    yield Part("Tuning on the validation tasks", plots=drawn(tuning_plots(section)), small=True)
    yield Part(
        "Every setting that was tried",
        [("Settings and validation scores", tuning_table(section))] if section.tuning else [],
    )
    for task in tasks_of(section.curves):
        yield Part(f"Search effort on {task}", plots=drawn(effort_plots(section, task)), legend=True)
    for task in tasks_of(section.indexes):
        yield Part(
            f"Indexes on {task}",
            [(f"Indexes on {task}", index_table(section, task))],
            drawn(size_plots(section, task)),
            legend=True,
        )
    yield Part("Cosines, before and after", plots=drawn(cosine_plots(section)), small=True)
    yield Part("Barcodes, before and after", plots=drawn(barcode_plots(section)), small=True)
    yield Part("Training", plots=drawn(training_plots(section)), legend=True)
    yield Part("Every measure", [("Every measure", measure_table(section))])
    if section.pairs:
        yield Part("Every difference", [("Every difference", difference_table(section))])


def _legend(found: dict[str, Look]) -> list[tuple[str, str, str]]:
    """For each variant: its name, the mark it is drawn with, and its color."""
    return [(name, "┄" if look.dashed else MARKERS[look.marker], themed(look.color)) for name, look in found.items()]
