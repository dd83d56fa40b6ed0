"""A summary as a table: printed to the terminal and written to `report.md`."""

from rich import box
from rich.console import Console
from rich.table import Table

from evaluation.statistics import NEW_RUNS, Comparison
from evaluation.summary import GROUPS, Row, Summary

OVER_RUNS = "95 %: new training runs"
OVER_ITEMS = "95 %: new queries or texts"
READING = (
    "Intervals: “new training runs” is Student's t over paired seeds; “new queries or texts” holds these runs fixed: "
    "Student's t over queries or texts, a bootstrap over sentence pairs. ↑ or ↓ is the direction of improvement, for "
    "isotropy towards the isotropic cloud."
)
MIN_WIDTH = 128  # characters; narrower, the intervals would break over lines
INTERVAL_WIDTH = 17
VALUE_WIDTH = 14

GROUP_TITLES = {"isotropy": "Isotropy", "tasks": "MTEB tasks", "retrieval": "FAISS retrieval"}


def wide_console() -> Console:
    """The terminal, at least as wide as the table needs."""
    console = Console(highlight=False)
    return console if console.width >= MIN_WIDTH else Console(width=MIN_WIDTH, highlight=False)


def print_report(summary: Summary, console: Console) -> None:
    """Print the table, the verdicts and the cost of the run."""
    console.print(f"\n[bold]{summary.title}[/bold]")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    headers = _headers(summary)
    table.add_column(headers[0], no_wrap=True)
    for header in headers[1:]:
        width = INTERVAL_WIDTH if header in (OVER_RUNS, OVER_ITEMS) else None
        table.add_column(header, justify="right", width=width, max_width=VALUE_WIDTH)
    for group in _groups(summary):
        table.add_row(f"[bold]{GROUP_TITLES[group]}[/bold]")
        for row in summary.rows:
            if row.group == group:
                table.add_row(*_cells(summary, row))
    console.print(table)
    for line in _verdict_lines(summary):
        console.print(line)
    for note in _notes(summary):
        console.print(note, style="dim")
    console.print(_cost(summary))


def markdown_report(summary: Summary) -> str:
    """Write the same table, verdicts and cost as Markdown."""
    headers = _headers(summary)
    lines = [f"# {summary.title}", ""]
    lines += [f"- {line}" for line in _verdict_lines(summary)] + [""]
    lines += ["| " + " | ".join(headers) + " |", "|---|" + "---:|" * (len(headers) - 1)]
    for group in _groups(summary):
        lines.append(f"| **{GROUP_TITLES[group]}** |" + " |" * (len(headers) - 1))
        lines += [
            "| " + " | ".join(_escape(cell) for cell in _cells(summary, row)) + " |"
            for row in summary.rows
            if row.group == group
        ]
    lines += ["", *[f"{note}\n" for note in _notes(summary)], _cost(summary), ""]
    return "\n".join(lines)


def _groups(summary: Summary) -> list[str]:
    return [group for group in GROUPS if any(row.group == group for row in summary.rows)]


def _columns(summary: Summary) -> list[tuple[str, str, bool]]:
    """The columns of differences: each compared pair with its estimate, then the kinds of interval that occur."""
    columns = []
    for pair in dict.fromkeys(pair for row in summary.rows for pair in row.comparisons):
        columns.append((pair, pair, False))
        found = [c for row in summary.rows for c in row.comparisons.get(pair, []) if c.low is not None]
        if any(c.estimand == NEW_RUNS for c in found):
            columns.append((pair, OVER_RUNS, True))
        if any(c.estimand != NEW_RUNS for c in found):
            columns.append((pair, OVER_ITEMS, True))
    return columns


def _headers(summary: Summary) -> list[str]:
    headers = ["measure", *summary.variants, *[header for _, header, _ in _columns(summary)]]
    return [*headers[:1], "isotropic", *headers[1:]] if _has_isotropic(summary) else headers


def _cells(summary: Summary, row: Row) -> list[str]:
    digits = _decimals(row)
    values = ["" if row.isotropic is None else _number(row.isotropic, digits)] if _has_isotropic(summary) else []
    values += [_number(row.mean(variant), digits) for variant in summary.variants]
    digits += row.group != "isotropy"  # differences of points are small beside the points
    for pair, header, is_interval in _columns(summary):
        comparisons = row.comparisons[pair]
        if is_interval:
            kind = [c for c in comparisons if (c.estimand == NEW_RUNS) == (header == OVER_RUNS)]
            values.append(_interval(kind[0], digits) if kind else "")
        else:
            values.append(_number(comparisons[0].estimate, digits, sign=True))
    return [f"{row.name} {'↑' if row.greater_is_better else '↓'}", *values]


def _has_isotropic(summary: Summary) -> bool:
    return any(row.isotropic is not None for row in summary.rows)


def _interval(comparison: Comparison, digits: int) -> str:
    if comparison.low is None or comparison.high is None:
        return ""
    return f"{_number(comparison.low, digits, sign=True)} … {_number(comparison.high, digits, sign=True)}"


def _decimals(row: Row) -> int:
    """Decimals for the values of a row: one for scores in points, about four digits for isotropy measures."""
    if row.group != "isotropy":
        return 1
    largest = max(abs(value) for values in row.values.values() for value in values)
    return 4 if largest <= 1 else 3 if largest < 10 else 1


def _number(value: float, digits: int, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def _verdict_lines(summary: Summary) -> list[str]:
    findings = summary.findings()
    several = len({finding.pair for finding in findings}) > 1
    return [
        f"{f'{finding.pair}, ' if several else ''}{GROUP_TITLES[finding.group]}: {finding.sentence}"
        for finding in findings
    ]


def _notes(summary: Summary) -> list[str]:
    return [*([READING] if _columns(summary) else []), *summary.notes]


def _cost(summary: Summary) -> str:
    minutes, seconds = divmod(round(summary.timing["seconds"]), 60)
    return f"Took {minutes} min {seconds:02d} s; peak memory {summary.timing['peak_memory_gib']:.2f} GiB."


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")
