"""The page of a study: its question, how to rerun it, and the results, nulls and losses as plain as wins."""

from collections.abc import Iterator, Mapping
from functools import partial

from matplotlib.axes import Axes

from evaluation.documentation.figures import image
from evaluation.documentation.markdown import breakable, plain
from evaluation.documentation.results import StudyResult
from evaluation.report.compact_writing import DOSES
from evaluation.report.headline import headlines
from evaluation.report.markdown import cost, markdown_table, notes
from evaluation.report.plots import Look, Plot, forest_plots, label_text, looks
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import TRANSFER_READING, Table, marks_reading, transfer_table, tuning_table, verdict_table
from evaluation.report.tuning_plots import dose_plots

CHOICE_READING = "Each by the mean score on the validation tasks. The report has every setting that was tried."
IMAGES = "../assets/results"  # as seen from the pages
BESIDE = 3  # short names in a line of a legend, and one fewer of long ones
SHORT = 18  # characters


def study_page(study: StudyResult) -> str:
    """Write the page of a study as Markdown."""
    lines = [
        "---",
        f"title: {study.name}",
        f"description: What the study {study.name} found, by task and variant.",
        "---",
    ]
    lines += ["", f"# {study.name}", "", f"**{plain(study.title)}**", "", *_how_to_run(study)]
    if study.summary is None:
        return "\n".join([*lines, "This study has not been run yet: there is no committed result.", ""])
    lines += answer_lines(study.summary)
    if study.summary.missing:
        lines += ["## Missing", "", *[f"- {plain(sentence)}" for sentence in study.summary.missing], ""]
    for place, section in enumerate(study.summary.sections):
        lines += _section(section, f"{study.name}-{place}")
    lines += ["## Notes", "", *[f"- {plain(note)}" for note in notes(study.summary)], f"- {cost(study.summary)}", ""]
    return breakable("\n".join(lines))


def study_plots(study: StudyResult) -> dict[str, Plot]:
    """The figures of the page of a study, by name."""
    plots: dict[str, Plot] = {}
    for place, section in enumerate(study.summary.sections if study.summary else []):
        name = f"{study.name}-{place}"
        plots |= _forests(section, name) | _legend(section, name) | _doses(section, name)
    return plots


def answer_lines(summary: Summary) -> list[str]:
    """The headlines of a run as a list."""
    return [*[f"- **{headline.title}:** {plain(headline.sentence)}" for headline in headlines(summary)], ""]


def command_lines(study: StudyResult) -> list[str]:
    """The command that runs a study, as a block that says what it needs."""
    return ["<!-- needs: hours -->", "```console", f"$ {study.command}", "```", ""]


def _how_to_run(study: StudyResult) -> list[str]:
    return [
        "Rerun it with the data in your folders; see [Studies](../studies.md#where-data-come-from):",
        "",
        *command_lines(study),
        "The page with every measure, difference, setting and index is made from the committed result:",
        "",
        "<!-- needs: result -->",
        "```console",
        f"$ python -m evaluation report evaluation/results/{study.name}.json",
        "```",
        "",
    ]


def _section(section: Section, name: str) -> Iterator[str]:
    yield from (f"## {plain(section.title)}", "")
    if section.pairs:
        yield from (*markdown_table(verdict_table(section)), marks_reading([section]), "")
        yield from _gallery(_forests(section, name))
    doses = _doses(section, name)
    if section.transfer or doses:
        yield from ("### Do scores rise with isotropy?", "")
    if section.transfer:
        yield from (*markdown_table(transfer_table(section)), TRANSFER_READING, "")
    yield from (line for legend, plot in _legend(section, name).items() for line in _image(plot, legend))
    yield from _gallery(doses)
    if section.tuning:
        yield from ("### The settings that were chosen", "", CHOICE_READING, "")
        yield from markdown_table(_chosen(section))


def _chosen(section: Section) -> Table:
    table = tuning_table(section)
    rows = [cells for cells, tried in zip(table.groups[""], section.tuning, strict=True) if tried.chosen]
    return Table(table.headers, {"": rows}, table.words)


def _forests(section: Section, name: str) -> dict[str, Plot]:
    plots = forest_plots(section) if section.pairs else ()
    return {f"{name}-forest-{place}": plot for place, plot in enumerate(plots)}


def _doses(section: Section, name: str) -> dict[str, Plot]:
    """Validation scores over isotropy; measures without a plot are in the report."""
    return {f"{name}-dose-{place}": plot for place, plot in enumerate(dose_plots(section, DOSES))}


def _legend(section: Section, name: str) -> dict[str, Plot]:
    """The mark of each variant that was tuned, where validation scores are plotted."""
    if not _doses(section, name):
        return {}
    tuned = {candidate.variant for candidate in section.tuning}
    shown = {variant: look for variant, look in looks(section).items() if variant in tuned}
    return {f"{name}-legend": marks(shown)}


def marks(shown: Mapping[str, Look]) -> Plot:
    """The legend of figures, as high as its names need."""
    names = [label_text(variant).split("\n") for variant in shown]
    columns = BESIDE if max(len(line) for name in names for line in name) <= SHORT else BESIDE - 1
    entries = -(-len(shown) // columns)
    lines = sum(sorted(map(len, names))[-entries:])  # of the tallest column there can be
    return Plot(
        "The marks",
        "The marks of the figures that follow.",
        ", ".join(shown),
        partial(_paint_legend, shown=shown, columns=columns),
        (5.6, 0.1 + 0.07 * entries + 0.17 * lines),
    )


def _paint_legend(axes: Axes, shown: Mapping[str, Look], columns: int) -> None:
    for name, look in shown.items():
        axes.plot([], [], look.marker, color=look.color, markersize=6, linewidth=0, label=label_text(name))
    axes.legend(loc="center left", ncols=columns, handletextpad=0.2, columnspacing=1.2)
    axes.axis("off")


def _gallery(plots: Mapping[str, Plot]) -> Iterator[str]:
    if plots:
        yield from ('<div class="plots">', "")
        for name, plot in plots.items():
            yield from _image(plot, name)
        yield from ("</div>", "")


def _image(plot: Plot, name: str) -> tuple[str, str]:
    return image(plot, f"{IMAGES}/{name}.svg"), ""
