"""Pages can be read to the end: short paragraphs, code that fits its column, a title and a description each."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MOST_WORDS, MOST_COLUMNS, LONGEST_DESCRIPTION = 80, 80, 160
OF_THE_SITE = {str(page.relative_to(ROOT)): page for page in sorted(DOCS.rglob("*.md"))}
OF_STUDIES = {
    f"docs/results/{study.stem}.md" for study in (ROOT / "evaluation" / "studies").glob("*.toml")
}  # generated
PAGES = {name: page for name, page in OF_THE_SITE.items() if name not in OF_STUDIES} | {
    name: ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
}

FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^```(?!text)\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"^<!-- generated: (\S+) -->\n.*?^<!-- end of \1 -->$", re.DOTALL | re.MULTILINE)
ITEM = re.compile(r"\n(?=\s*(?:[-*]|\d+\.) )")


def written(page: str) -> str:
    return GENERATED.sub("", FRONT_MATTER.sub("", PAGES[page].read_text(encoding="utf-8")))


def paragraphs(text: str) -> Iterator[str]:
    """Blocks of prose, list items and table cells."""
    for block in re.split(r"\n\s*\n", BLOCK.sub("", text)):
        for part in ITEM.split(block):
            yield from re.split(r"(?<!\\)\|", part) if part.lstrip().startswith("|") else [part]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_no_paragraph_is_longer_than_80_words(page: str) -> None:
    counts = {paragraph.strip()[:60]: len(paragraph.split()) for paragraph in paragraphs(written(page))}
    assert {start: count for start, count in counts.items() if count > MOST_WORDS} == {}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_code_fits_80_columns(page: str) -> None:
    """What commands print, in blocks of text, is as wide as it is."""
    lines = [line for block in CODE.findall(written(page)) for line in block.splitlines()]
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []


@pytest.mark.parametrize("page", sorted(OF_THE_SITE))
def test_a_page_has_a_title_and_a_description_in_one_sentence(page: str) -> None:
    found = FRONT_MATTER.match(OF_THE_SITE[page].read_text(encoding="utf-8"))
    assert found, "begin the page with a title and a description between lines of ---"
    described = yaml.safe_load(found[1])
    assert described["title"] and re.fullmatch(r"[^.].{20,}\.", described["description"])
    assert len(described["description"]) <= LONGEST_DESCRIPTION


def test_what_is_too_long_is_found() -> None:
    long = "word " * (MOST_WORDS + 1)
    assert [len(part.split()) for part in paragraphs(f"short\n\n- {long}\n- short\n\n| {long} | short |")] == [
        *(1, MOST_WORDS + 2, 2),
        *(0, MOST_WORDS + 1, 1, 0),
    ]
