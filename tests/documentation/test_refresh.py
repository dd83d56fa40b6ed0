"""What the repository shows is what the committed results say: no page, number or figure is stale."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the figures need the extra eval")

from evaluation.documentation import refresh
from evaluation.documentation.figures import drawn, said
from evaluation.documentation.generated import GENERATED

COMMAND = "run: python -m evaluation documentation"
KNOWN = {"generated", "needs", "gain", "loss", "null"}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def name(path: Path) -> str:
    return path.relative_to(refresh.ROOT).as_posix()


@pytest.mark.parametrize("page", list(refresh.pages()), ids=name)
def test_a_page_shows_what_the_results_say(page: Path) -> None:
    stale = refresh.refreshed(page).stale
    assert not stale, f"{name(page)} is stale at {'; '.join(stale)}; {COMMAND}"


def test_the_page_of_each_study_shows_what_its_result_says() -> None:
    due = refresh.study_pages()
    stale = [name(path) for path, text in due.items() if not path.is_file() or path.read_text("utf-8") != text]
    assert not stale, f"{', '.join(stale)}: stale; {COMMAND}"


def test_every_figure_says_what_the_results_say() -> None:
    due = refresh.figures()
    stale = [
        name(path) for path, plot in due.items() if not path.is_file() or said(plot) not in path.read_text("utf-8")
    ]
    assert not stale, f"{', '.join(stale)}: stale; {COMMAND}"


def alike(one: str, other: str) -> bool:
    """Whether two drawings differ in nothing but the last digits of places, which depend on the processor."""
    numbers, others = (np.array(NUMBER.findall(svg), dtype=float) for svg in (one, other))
    return NUMBER.sub("", one) == NUMBER.sub("", other) and bool(np.allclose(numbers, others, rtol=0, atol=0.05))


@pytest.mark.slow
def test_every_figure_is_drawn_from_the_results() -> None:
    due = {path: drawn(plot, path.stem) for path, plot in refresh.figures().items()}
    stale = [name(path) for path, svg in due.items() if not alike(path.read_text("utf-8"), svg)]
    assert not stale, f"{', '.join(stale)}: stale; {COMMAND}"


def test_no_figure_is_left_over_from_a_study_that_has_it_no_more() -> None:
    assert refresh.left_over(refresh.figures()) == [], COMMAND


def test_everything_generated_is_shown_and_no_mark_is_misspelled() -> None:
    texts = [page.read_text(encoding="utf-8") for page in refresh.pages()]
    assert {found for text in texts for found in re.findall(r"^<!-- generated: (\S+) -->$", text, re.M)} == set(
        GENERATED
    )
    assert {found for text in texts for found in re.findall(r"<!--\s*(\w+):", text)} <= KNOWN
    assert not any("{{" in text for text in texts)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a number changed by hand, a page beside those of studies, and a figure of old."""
    docs = tmp_path / "docs"
    (docs / "results").mkdir(parents=True)
    (docs / "results" / "by-hand.md").write_text("# By hand\n", encoding="utf-8")
    (docs / "assets" / "results").mkdir(parents=True)
    (docs / "assets" / "results" / "old.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "README.md").write_text("# Readme\n\n<!-- generated: drawing-cone -->\n<!-- end of drawing-cone -->\n")
    (docs / "page.md").write_text("9.9<!-- gain: static-cosine, static, koleo -->\n", encoding="utf-8")
    for place, path in (
        ("ROOT", tmp_path),
        ("DOCS", docs),
        ("STUDY_PAGES", docs / "results"),
        ("ASSETS", docs / "assets"),
    ):
        monkeypatch.setattr(refresh, place, path)
    monkeypatch.setattr(refresh, "STUDY_FIGURES", docs / "assets" / "results")
    monkeypatch.setattr(refresh, "FIGURES", {"drawing-cone": refresh.FIGURES["drawing-cone"]})
    monkeypatch.setattr(refresh, "study_plots", lambda study: {})
    return tmp_path


def test_refreshing_writes_what_is_stale_and_a_second_time_nothing(copy: Path) -> None:
    page = copy / "docs" / "page.md"
    assert refresh.refreshed(page).stale == ["9.9<!-- gain: static-cosine, static, koleo -->"]
    changed = {path.relative_to(copy).as_posix() for path in refresh.refresh()}
    assert {"README.md", "docs/page.md", "docs/assets/drawing-cone.svg", "docs/assets/results/old.svg"} <= changed
    assert "](docs/assets/drawing-cone.svg)" in (copy / "README.md").read_text(encoding="utf-8")
    assert not page.read_text(encoding="utf-8").startswith("9.9")
    assert not (copy / "docs" / "assets" / "results" / "old.svg").exists()
    assert (copy / "docs" / "results" / "by-hand.md").read_text(encoding="utf-8") == "# By hand\n"
    assert refresh.refresh() == []
