"""Refresh every page and figure of the documentation from the committed results."""

from collections.abc import Container, Iterator
from pathlib import Path

from evaluation.documentation.figures import drawn
from evaluation.documentation.generated import FIGURES, GENERATED
from evaluation.documentation.in_place import Refreshed, refresh_page
from evaluation.documentation.results import ROOT, studies
from evaluation.documentation.study_pages import study_page, study_plots
from evaluation.files import write_text
from evaluation.report.plots import Plot

DOCS = ROOT / "docs"
STUDY_PAGES = DOCS / "results"
ASSETS = DOCS / "assets"
STUDY_FIGURES = ASSETS / "results"  # nothing else is in this folder


def pages() -> Iterator[Path]:
    """The pages that are written by hand, in which something can be generated."""
    yield ROOT / "README.md"
    whole = {STUDY_PAGES / f"{study.name}.md" for study in studies()}
    yield from (path for path in sorted(DOCS.rglob("*.md")) if path not in whole)


def refreshed(page: Path) -> Refreshed:
    """A page written by hand with everything generated up to date."""
    return refresh_page(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix(), GENERATED)


def study_pages() -> dict[Path, str]:
    """The page of each study, which is generated as a whole."""
    return {STUDY_PAGES / f"{study.name}.md": study_page(study) for study in studies()}


def figures() -> dict[Path, Plot]:
    """Every figure, by its file."""
    made = {ASSETS / f"{name}.svg": plot for name, make in FIGURES.items() if (plot := make())}
    of_studies = {name: plot for study in studies() for name, plot in study_plots(study).items()}
    return made | {STUDY_FIGURES / f"{name}.svg": plot for name, plot in of_studies.items()}


def left_over(made: Container[Path]) -> list[Path]:
    """Files among the figures of studies that are none of those that are made."""
    return [path for path in STUDY_FIGURES.glob("*.svg") if path not in made]


def refresh() -> list[Path]:
    """Write every file that is not up to date, and delete figures that no page has any more.

    Returns:
        The files that changed.

    Raises:
        UserError: The results do not support a claim of a page; nothing was written.
    """
    due = {page: refreshed(page).text for page in pages()} | study_pages()
    due |= {path: drawn(plot, path.stem) for path, plot in figures().items()}
    changed = [path for path, text in due.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in changed:
        write_text(path, due[path])
    gone = left_over(due)
    for path in gone:
        path.unlink()
    return [*changed, *gone]
