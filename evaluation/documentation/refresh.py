"""Refresh what is generated from the committed results."""

from evaluation.documentation.figures import standalone, study_plot
from evaluation.documentation.results import ROOT, SHOWN_FIRST, sections_of_studies
from evaluation.files import write_text

FIGURE = ROOT / "docs" / "assets" / "readme.svg"


def readme_figure() -> str | None:
    """The up-to-date figure; None while no study is committed."""
    plot = study_plot(sections_of_studies(SHOWN_FIRST))
    return None if plot is None else standalone(plot, "readme")


def refresh() -> None:
    """Write the figure of the README."""
    figure = readme_figure()
    if figure is not None:
        write_text(FIGURE, figure + "\n")
