import re

import numpy as np
import pytest
import torch
from chromium import complaints, requests, show

from st_isotropy.cli import main
from st_isotropy.diagnosis.diagnosis import diagnose, format_value

pytest.importorskip("matplotlib", reason="the page needs the extra diagnose")
pytest.importorskip("jinja2", reason="the page needs the extra diagnose")

from st_isotropy.diagnosis.page import PLOTS, count_bins, write_page


def anisotropic_rows():
    return torch.randn(300, 24, generator=torch.Generator().manual_seed(0)) / torch.arange(1, 25).sqrt() + 0.3


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    np.save(folder / "<b>rows & co.npy", anisotropic_rows().numpy())
    page = folder / "page.html"
    assert main(["diagnose", str(folder / "<b>rows & co.npy"), "--html", str(page)]) == 0
    return page


def test_the_page_names_no_foreign_address_and_has_no_script(page_file):
    source = page_file.read_text(encoding="utf-8")
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", source))
    assert addresses <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names of formats, never fetched
    assert "<script" not in source
    assert not re.search(r"(src|href)=\"(?!#|data:)", source)


def test_names_from_the_command_line_are_escaped(page_file):
    source = page_file.read_text(encoding="utf-8")
    assert "&lt;b&gt;rows &amp; co.npy" in source
    assert "<b>rows" not in source


def test_ids_are_unique_on_the_page(page_file):
    ids = re.findall(r'\bid="([^"]+)"', page_file.read_text(encoding="utf-8"))
    assert len(ids) >= len(PLOTS)  # at least a clip path each
    assert len(ids) == len(set(ids))


def test_the_same_diagnosis_gives_the_same_page():
    rows = anisotropic_rows()
    assert write_page(diagnose(rows), rows) == write_page(diagnose(rows), rows)


def test_every_measure_and_defect_is_on_the_page(page_file):
    source = page_file.read_text(encoding="utf-8")
    diagnosis = diagnose(anisotropic_rows())
    assert diagnosis.defects
    for defect in diagnosis.defects:
        assert f"<h3>{defect.name.capitalize()}" in source
    for name, measure in diagnosis.measures.items():
        assert f"{name.replace('_', ' ')}</th>\n<td>{format_value(measure.value)}</td>" in source


def test_the_browser_reports_no_error_and_asks_for_no_other_address(browser, page_file):
    show(browser, page_file, 1280)
    assert complaints(browser) == []
    requested = requests(browser)
    assert page_file.as_uri() in requested
    assert [address for address in requested if not address.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_every_plot_has_a_size_and_nothing_scrolls_sideways(browser, page_file, width):
    show(browser, page_file, width)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(e => [e.clientWidth, e.clientHeight])"
    )
    assert len(sizes) == len(PLOTS)
    assert all(size[0] > 250 and size[1] > 150 for size in sizes)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(e => e.querySelectorAll('path, use').length)"
    )
    assert all(count > 5 for count in drawn)


def test_the_colors_follow_the_theme(browser, page_file):
    colors = {}
    for theme in ("light", "dark"):
        show(browser, page_file, 1280, theme)
        colors[theme] = browser.execute_script(
            "const text = document.querySelector('figure svg text');"
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(text).fill]"
        )
    assert colors["light"][0] != colors["dark"][0]
    assert colors["light"][1] != colors["dark"][1]


@pytest.mark.parametrize("largest", [0, 1, 59, 60, 120, 150, 599, 10_000])
def test_every_count_is_in_a_bin(largest):
    edges = count_bins(largest)
    assert edges[0] < 0 and edges[-2] < largest < edges[-1] and len(edges) < 123
