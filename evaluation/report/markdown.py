"""A summary as `report.md`."""

import re
from collections.abc import Iterable

from evaluation.report.across_runs import RunComparison
from evaluation.report.headline import GROUP_TITLES, headlines
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import (
    FLAG_READING,
    READING,
    TRANSFER_READING,
    Table,
    difference_table,
    index_table,
    is_small,
    marks_reading,
    measure_table,
    tasks_of,
    transfer_table,
    tuning_table,
    verdict_table,
)
from evaluation.report.wording import duration

COMPARISON_READING = (
    "Brackets are 95 % intervals, all for the same estimand in a line. Intervals that lie apart are a strong sign that "
    f"two runs differ; overlapping ones are no sign that they agree. {FLAG_READING}"
)


def markdown_report(summary: Summary) -> str:
    """Write a whole summary as Markdown: headlines, verdicts, tables, chosen settings, notes and cost."""
    lines = [f"# {_text(summary.title)}", ""]
    lines += [*[f"- {one.title}: {_text(one.sentence)}" for one in headlines(summary)], ""]
    if summary.missing:
        lines += ["**Missing:**", "", *[f"- {_text(sentence)}" for sentence in summary.missing], ""]
    for section in summary.sections:
        lines += _section(section, titled=len(summary.sections) > 1)
    lines += [*[f"{_text(note)}\n" for note in notes(summary)], cost(summary), ""]
    return "\n".join(lines)


def markdown_comparison(comparison: RunComparison) -> str:
    """Write runs side by side as Markdown."""
    lines = [f"# {_text(' and '.join(comparison.runs))}", "", _text(comparison.answer), ""]
    lines += markdown_table(comparison.table()) if comparison.shared else []
    return "\n".join([*lines, *[f"{_text(line)}\n" for line in comparison.alone], COMPARISON_READING, ""])


def notes(summary: Summary) -> list[str]:
    """How to read the tables, and the notes of the run."""
    compared = any(section.pairs for section in summary.sections)
    return [*([READING] if compared else []), *corpus_notes(summary), *summary.notes]


def corpus_notes(summary: Summary) -> list[str]:
    """A sentence for each corpus of which several tasks are parts."""
    corpora = dict.fromkeys(tuple(names) for section in summary.sections for names in section.corpora)
    return [
        f"{', '.join(names[:-1])} and {names[-1]} are parts of one corpus: in the mean over tasks they count as one."
        for names in corpora
    ]


def cost(summary: Summary) -> str:
    """Time and memory in a sentence."""
    return f"Took {duration(summary.timing.seconds)}; peak memory {summary.timing.peak_memory_gib:.2f} GiB."


def verdict_lines(section: Section) -> list[str]:
    """Every verdict of a section as a sentence."""
    findings = section.findings()
    several = len({finding.pair for finding in findings}) > 1
    return [
        f"{f'{one.pair.name}, ' if several else ''}{GROUP_TITLES[one.measure.group]}: {one.sentence}"
        for one in findings
    ]


def markdown_table(table: Table) -> list[str]:
    """A table as lines of Markdown."""
    columns = range(len(table.headers))
    lines = [_line(table.headers), "|" + "".join("---|" if column in table.words else "---:|" for column in columns)]
    for title, rows in table.groups.items():
        if title:
            lines.append(f"| **{title}** |" + " |" * (len(table.headers) - 1))
        lines += [_line(cells) for cells in rows]
    return [*lines, ""]


def _section(section: Section, titled: bool) -> list[str]:
    lines = [f"## {_text(section.title)}", ""] if titled else []
    several = len(section.pairs) > 1
    if several:
        lines += [*markdown_table(verdict_table(section)), marks_reading([section]), ""]
    if not is_small(section):
        lines += ["### Every measure", ""]
    lines += markdown_table(measure_table(section))
    if several or not is_small(section):
        lines += ["### Every difference", "", *markdown_table(difference_table(section))]
    verdicts = verdict_lines(section)
    if verdicts:
        lines += ["### Verdicts", "", *[f"- {_text(line)}" for line in verdicts], ""]
    if section.transfer:
        lines += [
            "### Do scores rise with isotropy?",
            "",
            *markdown_table(transfer_table(section)),
            TRANSFER_READING,
            "",
        ]
        lines += [f"- {_text(f'{t.variant} by {t.measure}: {t.sentence}')}" for t in section.transfer]
        lines.append("")
    if section.tuning:
        lines += ["### Tuning on the validation tasks", "", *markdown_table(tuning_table(section))]
    for task in tasks_of(section.indexes):
        lines += [f"### Indexes on {_text(task)}", "", *markdown_table(index_table(section, task))]
    return lines


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    """One line, escaped so that no name starts HTML; quotes and stars are harmless."""
    return re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;")
