"""The page of a study: its question, how to rerun it, and the results, nulls and losses as plain as wins."""

from collections.abc import Iterator
from html import escape

from evaluation.documentation.figures import figure
from evaluation.documentation.results import StudyResult
from evaluation.report.compact_writing import DOSES
from evaluation.report.headline import headlines
from evaluation.report.markdown import cost, markdown_table, notes
from evaluation.report.plots import MARKERS, Plot, forest_plots, looks
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import TRANSFER_READING, Table, marks_reading, transfer_table, tuning_table, verdict_table
from evaluation.report.tuning_plots import dose_plots
from st_isotropy.svg import themed

CHOICE_READING = "Each by the mean score on the validation tasks. The report has every setting that was tried."


def study_page(study: StudyResult) -> str:
    """Write the page of a study as Markdown."""
    lines = [f"# {study.name}", "", f"**{plain(study.title)}**", "", *_how_to_run(study)]
    if study.summary is None:
        return "\n".join([*lines, "This study has not been run yet: there is no committed result.", ""])
    lines += answer_lines(study.summary)
    if study.summary.missing:
        lines += ["## Missing", "", *[f"- {plain(sentence)}" for sentence in study.summary.missing], ""]
    for place, section in enumerate(study.summary.sections):
        lines += _section(section, f"{study.name}-{place}")
    lines += ["## Notes", "", *[f"- {plain(note)}" for note in notes(study.summary)], f"- {cost(study.summary)}", ""]
    return "\n".join(lines)


def answer_lines(summary: Summary) -> list[str]:
    """The headlines of a run as a list."""
    return [*[f"- **{headline.title}:** {plain(headline.sentence)}" for headline in headlines(summary)], ""]


def plain(text: str) -> str:
    """Text, escaped so that nothing is read as Markdown or HTML."""
    for sign in "\\`*_[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")


def _how_to_run(study: StudyResult) -> list[str]:
    return [
        "Rerun it with the data in your folders; see [Studies](../studies.md#where-data-come-from):",
        "",
        "```console",
        f"$ {study.command}",
        "```",
        "",
        "The page with every measure, difference, setting and index is made from the committed result:",
        "",
        "```console",
        f"$ python -m evaluation report evaluation/results/{study.name}.json",
        "```",
        "",
    ]


def _section(section: Section, name: str) -> Iterator[str]:
    yield from (f"## {plain(section.title)}", "")
    if section.pairs:
        yield from (*markdown_table(verdict_table(section)), marks_reading([section]), "")
        yield from _gallery(list(forest_plots(section)), f"{name}-forest")
    doses = list(dose_plots(section, DOSES))  # the other measures are in the report
    if section.transfer or doses:
        yield from ("### Do scores rise with isotropy?", "")
    if section.transfer:
        yield from (*markdown_table(transfer_table(section)), TRANSFER_READING, "")
    if doses:
        yield from (_legend(section), "", *_gallery(doses, f"{name}-dose"))
    if section.tuning:
        yield from ("### The settings that were chosen", "", CHOICE_READING, "")
        yield from markdown_table(_chosen(section))


def _chosen(section: Section) -> Table:
    table = tuning_table(section)
    rows = [cells for cells, tried in zip(table.groups[""], section.tuning, strict=True) if tried.chosen]
    return Table(table.headers, {"": rows}, table.words)


def _legend(section: Section) -> str:
    """The mark of each variant that was tuned."""
    tuned = {candidate.variant for candidate in section.tuning}
    marks = [
        f'<span><b style="color: {themed(look.color)}">{MARKERS[look.marker]}</b> {escape(name)}</span>'
        for name, look in looks(section).items()
        if name in tuned
    ]
    return f'<p class="legend">{" ".join(marks)}</p>'


def _gallery(plots: list[Plot], name: str) -> Iterator[str]:
    if plots:
        yield '<div class="plots">'
        for place, plot in enumerate(plots):
            yield figure(plot, f"{name}-{place}")
        yield from ("</div>", "")
