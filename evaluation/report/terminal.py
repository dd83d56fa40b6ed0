"""Prints a summary at the terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table as RichTable

from evaluation.report.across_runs import RunComparison
from evaluation.report.headline import headlines
from evaluation.report.markdown import corpus_notes, cost, notes, verdict_lines
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import (
    TRANSFER_READING,
    Table,
    is_small,
    marks_reading,
    measure_table,
    transfer_table,
    verdict_table,
)

MIN_WIDTH = 136  # characters; most tables fit, and a wider one makes the terminal as wide as it is
VALUE_WIDTH = 14
NAME_WIDTH = 44
WIDEST = 1000  # columns that no terminal has
STYLES = {"▲": "green", "▼": "red", "○": "dim", "?": "dim", "⚑": "yellow"}


def wide_console() -> Console:
    """The terminal, at least as wide as the table needs."""
    console = Console(highlight=False, emoji=False)
    if console.width < MIN_WIDTH:
        console.width = MIN_WIDTH
    return console


def print_report(summary: Summary, console: Console) -> None:
    """Print the headlines, a table for each section, missing parts, and the cost of the run."""
    console.print(f"\n[bold]{escape(summary.title)}[/bold]")
    for section in summary.sections:
        if len(summary.sections) > 1:
            console.print(f"\n[bold]{escape(section.title)}[/bold]")
        _print_section(section, console)
    for headline in headlines(summary):
        console.print(f"[bold]{headline.title}:[/bold] {escape(headline.sentence)}")
    for sentence in summary.missing:
        console.print(f"[yellow]Missing:[/yellow] {escape(sentence)}")
    for note in _terminal_notes(summary):
        console.print(note, style="dim", markup=False)
    console.print(cost(summary))


def print_comparison(comparison: RunComparison, console: Console) -> None:
    """Print the deciding measures and every contradiction; the files have the rest."""
    table = comparison.table(everything=False)
    if table.groups:
        _print_table(table, console)
    for line in [comparison.answer, *comparison.alone]:
        console.print(line, markup=False)


def _print_section(section: Section, console: Console) -> None:
    if is_small(section):
        _print_table(measure_table(section), console)
        if len(section.pairs) > 1:
            for line in verdict_lines(section):
                console.print(line, markup=False)
            console.print()
    else:
        _print_table(verdict_table(section), console)
    if section.transfer:
        _print_table(transfer_table(section), console)


def _terminal_notes(summary: Summary) -> list[str]:
    few = any(is_small(section) for section in summary.sections)
    large = [section for section in summary.sections if not is_small(section)]
    marks = [marks_reading(large)] if large else []
    transfers = [TRANSFER_READING] if any(section.transfer for section in summary.sections) else []
    return [*(notes(summary) if few else [*corpus_notes(summary), *summary.notes]), *marks, *transfers]


def _print_table(table: Table, console: Console) -> None:
    printed = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    rows = [cells for rows in table.groups.values() for cells in rows]
    if not rows:  # nothing could be compared
        return
    columns = list(zip(*rows, strict=True))
    printed.add_column(escape(table.headers[0]), max_width=NAME_WIDTH)
    for place, (header, cells) in enumerate(zip(table.headers[1:], columns[1:], strict=True), start=1):
        justify = "left" if place in table.words else "right"
        intervals = any(cell.endswith("]") or " … " in cell for cell in cells)
        # An interval stays on one line; its header may take several.
        width, limit = (max(map(len, cells)), None) if intervals else (None, VALUE_WIDTH)
        printed.add_column(escape(header), justify=justify, width=width, max_width=limit)
    for title, rows in table.groups.items():
        if title:
            printed.add_row(f"[bold]{escape(title)}[/bold]")
        for cells in rows:
            printed.add_row(*[_styled(cell) for cell in cells])
    usual = console.width
    console.width = max(usual, Measurement.get(console, console.options.update_width(WIDEST), printed).maximum)
    console.print(printed)
    console.width = usual


def _styled(cell: str) -> str:
    style = STYLES.get(cell[:1])
    return f"[{style}]{escape(cell)}[/{style}]" if style else escape(cell)
