"""The files of a report: `summary.json`, `report.md` and `report.html`, each written whole or not at all."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evaluation.errors import UserError
from evaluation.files import first_fault, write_json, write_text
from evaluation.report.across_runs import RunComparison
from evaluation.report.markdown import markdown_comparison, markdown_report
from evaluation.report.summary import Summary


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
        UserError: It is missing, broken, or not a summary of this version.
    """
    file = path / "summary.json"
    if not file.is_file():
        what = f"{path} has no summary.json" if path.is_dir() else f"{path} is not a folder"
        raise UserError(f"{what}: name the directory of a finished run.")
    try:
        return TypeAdapter(Summary).validate_json(file.read_bytes())
    except ValidationError as error:
        what = "is not a summary of this version" if error.errors()[0]["loc"] else "is broken"
        raise UserError(f"{file} {what} ({first_fault(error)}): rerun it in a new directory.") from error


def write_comparison(comparison: RunComparison, folder: Path) -> None:
    """Write `report-comparison.md` and `report-comparison.html`, each whole or not at all."""
    from evaluation.report.html import html_comparison

    write_text(folder / "report-comparison.md", markdown_comparison(comparison))
    write_text(folder / "report-comparison.html", html_comparison(comparison))
