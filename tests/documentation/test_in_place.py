"""Blocks that are generated inside of a page: replaced where they stand, and nowhere else."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the figures of the documentation need the extra eval")

from evaluation.documentation.figures import drawn, image
from evaluation.documentation.hook import IMAGE, inlined
from evaluation.documentation.in_place import refresh_page
from evaluation.documentation.results import ROOT
from evaluation.errors import UserError
from evaluation.report.plots import Plot

BLOCKS = {
    "table": lambda: "| a |\n|---|\n| ▲ +1.0 [−2.0, +4.0] |\n",
    "figure": lambda: "![A cone](assets/cone.svg) and [a page](results/one.md)",
}


def page(body: str = "", name: str = "table") -> str:
    return f"# Title\n\nBefore.\n\n<!-- generated: {name} -->\n{body}<!-- end of {name} -->\n\nBehind.\n"


@pytest.mark.parametrize("body", ["", "\n| of old |\n|---|\n\n", "no blank line\n"])
def test_a_block_is_replaced_between_its_marks(body: str) -> None:
    found = refresh_page(page(body), "docs/page.md", BLOCKS)
    assert found.text == page("\n| a |\n|---|\n| ▲\xa0+1.0 [−2.0,\xa0+4.0] |\n\n")
    assert found.stale == ["generated: table"]
    again = refresh_page(found.text, "docs/page.md", BLOCKS)
    assert (again.text, again.stale) == (found.text, [])


@pytest.mark.parametrize(("path", "to"), [("README.md", "docs/"), ("docs/page.md", ""), ("docs/api/losses.md", "../")])
def test_the_links_of_a_block_lead_to_the_same_files_from_every_page(path: str, to: str) -> None:
    [_, shown, *_] = refresh_page(page(name="figure"), path, BLOCKS).text.split("-->")
    assert f"![A cone]({to}assets/cone.svg) and [a page]({to}results/one.md)" in shown


def test_two_blocks_of_a_page_stay_apart() -> None:
    both = page("old\n") + page("old\n", "figure") + page("old\n")
    found = refresh_page(both, "docs/page.md", BLOCKS)
    assert found.stale == ["generated: table", "generated: figure", "generated: table"]
    assert found.text.count("| a |") == 2 and "old" not in found.text and found.text.count("Behind.") == 3


def test_a_block_with_an_unknown_name_or_without_an_end_is_an_error_that_names_the_page() -> None:
    with pytest.raises(UserError, match=r"docs/page\.md: <!-- generated: tabel --> is none of table, figure\."):
        refresh_page(page(name="tabel"), "docs/page.md", BLOCKS)
    with pytest.raises(UserError, match=r"docs/page\.md: .*table --> has no <!-- end of table --> below it: add"):
        refresh_page("<!-- generated: table -->\n\nText.\n", "docs/page.md", BLOCKS)


def test_the_site_draws_an_image_where_it_stands_with_its_words_and_the_colors_of_the_page(tmp_path: Path) -> None:
    plot = Plot("A line", "From 0 to 1 of mst_length & *more*.", "rises < 2", lambda axes: axes.plot([0, 1], [0, 1]))
    shown = image(plot, "assets/line.svg")
    [(path, caption)] = IMAGE.findall(f"Text.\n\n{shown}\n\nText.")
    assert path == "assets/line.svg"
    html = inlined(drawn(plot, "line"), caption)
    assert 'aria-label="A line. rises &lt; 2"' in html and "prefers-color-scheme" not in html and "<title>" not in html
    assert "<figcaption>From 0 to 1 of mst_length &amp; *more*.</figcaption>" in html
    assert "\n\n" not in html  # a blank line would end the HTML for Markdown


def test_building_the_site_imports_nothing_that_is_slow() -> None:
    slow = "{'torch', 'matplotlib', 'sentence_transformers', 'evaluation.report'}"
    code = f"import sys, evaluation.documentation.hook; found = {slow} & sys.modules.keys(); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
