"""A summary for its readers: printed to the terminal, and written to `summary.json`, `report.md` and `report.html`."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table as RichTable

from evaluation.errors import UserError
from evaluation.files import write_json, write_text
from evaluation.report.across_runs import RunComparison, compare_runs
from evaluation.report.compared_pairs import compared_pairs
from evaluation.report.headline import answer
from evaluation.report.markdown import cost, markdown_comparison, markdown_report, notes, verdict_lines
from evaluation.report.summary import Section, Summary
from evaluation.report.tables import (
    MARKS_READING,
    TRANSFER_READING,
    Table,
    is_small,
    measure_table,
    transfer_table,
    verdict_table,
)

MIN_WIDTH = 136  # characters; most tables fit, and a wider one makes the terminal as wide as it is
VALUE_WIDTH = 14
NAME_WIDTH = 44
WIDEST = 1000  # columns that no terminal has
STYLES = {"▲": "green", "▼": "red", "○": "dim", "?": "dim"}


def wide_console() -> Console:
    """The terminal, at least as wide as the table needs."""
    console = Console(highlight=False, emoji=False)
    if console.width < MIN_WIDTH:
        console.width = MIN_WIDTH
    return console


def write_report(summary: Summary, folder: Path) -> None:
    """Write `summary.json`, `report.md` and `report.html`, each whole or not at all.

    Args:
        summary: The result of a run.
        folder: The run directory.
    """
    write_json(folder / "summary.json", summary.to_dict())
    write_pages(summary, folder)


def write_pages(summary: Summary, folder: Path) -> None:
    """Write `report.md` and `report.html`, for a summary that is already in its folder."""
    from evaluation.report.html import html_report  # matplotlib takes a second to import

    write_text(folder / "report.md", markdown_report(summary))
    write_text(folder / "report.html", html_report(summary))


def read_summary(path: Path) -> Summary:
    """Read a summary back.

    Args:
        path: The run directory.

    Returns:
        The summary that was written.

    Raises:
        UserError: There is none, or it is broken, of an older format, or something else.
    """
    file = path / "summary.json"
    if not file.is_file():
        what = f"{path} has no summary.json" if path.is_dir() else f"{path} is not a folder"
        raise UserError(f"{what}: name the directory of a finished run.")
    try:
        return TypeAdapter(Summary).validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        fault = (
            f"is not a summary of this version ({place}: {first['msg']})" if place else f"is broken ({first['msg']})"
        )
        raise UserError(f"{file} {fault}: repeat the run in a new directory.") from error


def print_report(summary: Summary, console: Console) -> None:
    """Print the answer, a table for each section, what is missing, and the cost of the run."""
    console.print(f"\n[bold]{escape(summary.title)}[/bold]")
    for section in summary.sections:
        if len(summary.sections) > 1:
            console.print(f"\n[bold]{escape(section.title)}[/bold]")
        _print_section(section, console)
    for line in answer(summary):
        title, _, said = line.partition(": ")
        console.print(f"[bold]{title}:[/bold] {escape(said)}")
    for each in summary.missing:
        console.print(f"[yellow]Missing:[/yellow] {escape(each)}")
    for note in _terminal_notes(summary):
        console.print(note, style="dim", markup=False)
    console.print(cost(summary))


def write_comparison(comparison: RunComparison, folder: Path) -> None:
    """Write `report-comparison.md` and `report-comparison.html`, each whole or not at all."""
    from evaluation.report.html import html_comparison

    write_text(folder / "report-comparison.md", markdown_comparison(comparison))
    write_text(folder / "report-comparison.html", html_comparison(comparison))


def print_comparison(comparison: RunComparison, console: Console) -> None:
    """Print what verdicts rest on and every contradiction; the files have the rest."""
    table = comparison.table(everything=False)
    if table.groups:
        _print_table(table, console)
    for line in [comparison.answer, *comparison.alone]:
        console.print(line, markup=False)


def report(runs: Sequence[Path], out: Path) -> None:
    """Write the report of one finished run anew, or compare several runs.

    Args:
        runs: Run directories.
        out: Where the comparison of several goes.

    Raises:
        UserError: A run has no summary that can be read, or is named twice.
    """
    console = wide_console()
    if len({path.resolve() for path in runs}) < len(runs):
        raise UserError(f"A run is named twice ({', '.join(map(str, runs))}): name each once.")
    summaries = [read_summary(path) for path in runs]
    if len(runs) == 1:
        write_pages(summaries[0], runs[0])
        print_report(summaries[0], console)
        console.print(f"report.md and report.html are in {runs[0]}.", markup=False)
        return
    short = [path.resolve().name for path in runs]
    names = short if len(set(short)) == len(short) else [str(path) for path in runs]
    comparison = compare_runs(dict(zip(names, summaries, strict=True)))
    write_comparison(comparison, out)
    print_comparison(comparison, console)
    console.print(f"Every difference is in {out}: report-comparison.md and report-comparison.html.", markup=False)


def _print_section(section: Section, console: Console) -> None:
    if is_small(section):
        _print_table(measure_table(section), console)
        if len(compared_pairs(section)) > 1:
            for line in verdict_lines(section):
                console.print(line, markup=False)
            console.print()
    else:
        _print_table(verdict_table(section), console)
    if section.transfer:
        _print_table(transfer_table(section), console)


def _terminal_notes(summary: Summary) -> list[str]:
    few = any(is_small(section) for section in summary.sections)
    marks = [MARKS_READING] if any(not is_small(section) for section in summary.sections) else []
    transfers = [TRANSFER_READING] if any(section.transfer for section in summary.sections) else []
    return [*(notes(summary) if few else summary.notes), *marks, *transfers]


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
