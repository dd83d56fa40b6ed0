"""The command `report`: rewrite the report of a finished run, or compare several runs."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.errors import UserError
from evaluation.report.across_runs import compare_runs
from evaluation.report.compact_reading import read_compact
from evaluation.report.files import read_summary, write_comparison, write_pages
from evaluation.report.terminal import print_comparison, print_report, wide_console


def report(runs: Sequence[Path], out: Path) -> None:
    """Rewrite the report of one finished run, or compare several runs.

    Args:
        runs: Run directories, or committed files of results.
        out: Folder for the comparison of several runs, or for the report of a committed file.

    Raises:
        UserError: A run has no readable summary, or is given twice.
    """
    console = wide_console()
    if len({path.resolve() for path in runs}) < len(runs):
        raise UserError(f"A run is given twice ({', '.join(map(str, runs))}): give each once.")
    summaries = [read_compact(path) if path.is_file() else read_summary(path) for path in runs]
    if len(runs) == 1:
        folder = out if runs[0].is_file() else runs[0]
        write_pages(summaries[0], folder)
        print_report(summaries[0], console)
        console.print(f"report.md and report.html are in {folder}.", markup=False)
        return
    short = [path.resolve().stem if path.is_file() else path.resolve().name for path in runs]
    names = short if len(set(short)) == len(short) else [str(path) for path in runs]
    comparison = compare_runs(dict(zip(names, summaries, strict=True)))
    write_comparison(comparison, out)
    print_comparison(comparison, console)
    console.print(f"Every difference is in {out}: report-comparison.md and report-comparison.html.", markup=False)
