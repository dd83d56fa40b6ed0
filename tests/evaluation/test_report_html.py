"""The page of a report in a real browser: whole, self-contained, readable on a desk and on a phone."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import complaints, requests, show
from example_summary import example_summary, renamed, small_summary

pytest.importorskip("matplotlib", reason="the page needs the extra eval")

from evaluation.report.files import write_report
from evaluation.report.html import html_report
from evaluation.report.summary import Cost, Summary

HOSTILE = "<img src=x onerror=alert(1)>\"'|../../$x_1$ & `" + "w" * 300


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections, one of them with a variant that has the worst of names."""
    folder = tmp_path_factory.mktemp("report")
    summary = example_summary(sections=2, variants=3)
    sections = [summary.sections[0], renamed(summary.sections[1], "KoLeo", HOSTILE)]
    write_report(replace(summary, sections=sections), folder)
    return folder / "report.html"


def test_the_console_is_silent_and_nothing_foreign_is_asked_for(browser: Any, page: Path) -> None:
    show(browser, page, 1280)
    assert complaints(browser) == []
    requested = requests(browser)
    assert page.as_uri() in requested
    assert [address for address in requested if not address.startswith(("file:", "data:"))] == []
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", page.read_text(encoding="utf-8")))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names of formats


@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_has_a_size_and_words_and_nothing_scrolls_sideways(browser: Any, page: Path, width: int) -> None:
    show(browser, page, width)
    plots = browser.execute_script(
        "return [...document.querySelectorAll('figure')].map(e => {const svg = e.querySelector('svg'), "
        "box = e.querySelector('[role=img]'); return [svg.clientWidth, svg.clientHeight, "
        "svg.querySelectorAll('path, use').length, box.getAttribute('aria-label').length]})"
    )
    assert len(plots) > 40
    assert all(wide > 200 and high > 60 and drawn > 4 and words > 30 for wide, high, drawn, words in plots)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_answer_is_on_the_first_screen(browser: Any, page: Path, width: int, height: int) -> None:
    show(browser, page, width, height=height)
    lines, bottom = browser.execute_script(
        "const list = document.querySelector('.answer');"
        "return [list.querySelectorAll('li').length, list.getBoundingClientRect().bottom]"
    )
    assert lines == 5
    assert bottom < height


def test_colors_follow_the_theme(browser: Any, page: Path) -> None:
    colors = {}
    for theme in ("light", "dark"):
        show(browser, page, 1280, theme)
        colors[theme] = browser.execute_script(
            "return [document.body, document.querySelector('figure svg text')]"
            ".map(e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fill].join())"
        )
    assert all(light != dark for light, dark in zip(colors["light"], colors["dark"], strict=True))


def test_a_header_sorts_its_column_from_the_keyboard(browser: Any, page: Path) -> None:
    show(browser, page, 1280)
    read = (
        "const table = document.querySelector('table');"
        "return [table.tHead.rows[0].cells[1].getAttribute('aria-sort'), "
        "[...table.tBodies[0].rows].map(row => row.cells[1].textContent)]"
    )
    browser.execute_script("document.querySelectorAll('table th button')[1].focus()")
    for direction, sign in (("ascending", 1), ("descending", -1)):
        browser.switch_to.active_element.send_keys("\ue007")
        found, cells = browser.execute_script(read)
        values = [sign * float(cell.split()[1].replace("−", "-")) for cell in cells]
        assert found == direction and values == sorted(values) and len(values) == 3


def test_a_hostile_name_is_only_text(browser: Any, page: Path) -> None:
    show(browser, page, 1280)
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert HOSTILE in browser.execute_script("return document.querySelector('#section-2').textContent")
    markdown = (page.parent / "report.md").read_text(encoding="utf-8")
    assert "<img" not in markdown
    for lines in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}) == 1


def test_ids_are_unique_and_every_part_is_there(page: Path) -> None:
    source = page.read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', source)
    assert len(ids) == len(set(ids)) > 40
    for heading in ("Differences", "Do scores rise with isotropy?", "Tuning on", "Search effort on", "Indexes on"):
        assert source.count(f"<h3>{heading}") == 2
    for heading in ("Cosines, before", "Barcodes, before", "Training", "Every measure", "Every difference"):
        assert source.count(f"<h3>{heading}") == 2


def test_the_same_summary_gives_the_same_page_and_what_is_absent_is_not_drawn() -> None:
    source = html_report(small_summary())
    assert source == html_report(small_summary())
    assert re.findall(r"<h3>(.*)</h3>", source) == ["Differences", "Every measure", "Every difference"]


def test_one_model_alone_has_measures_and_no_answer() -> None:
    one = small_summary()
    rows = [replace(row, differences=[]) for row in one.sections[0].rows]
    source = html_report(replace(one, sections=[replace(one.sections[0], rows=rows)]))
    assert re.findall(r"<h3>(.*)</h3>", source) == ["Every measure"]
    assert 'class="answer"' not in source


def test_a_summary_of_nothing_is_a_page() -> None:
    nothing = Summary("Nothing came of it", [], [], Cost(1.0, 0.5), ["All of it: no data."])
    assert "All of it: no data." in html_report(nothing)
