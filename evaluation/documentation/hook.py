"""The mkdocs hook that puts drawings in place of images, in the colors of the site's theme."""

import posixpath
import re
from html import escape, unescape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from evaluation.documentation.colors import stylesheet

IMAGE = re.compile(r"^!\[.*\]\((\S+\.svg)\)\n\n\*(.*)\*$", re.MULTILINE)
SAID = re.compile(r"<title>(.*?)</title>\n<desc>(.*?)</desc>\n<style>.*?</style>\n", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the stylesheet of the figures."""
    files.append(File.generated(config, "assets/plots.css", content=stylesheet()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **kwargs: object) -> str:
    """Replace every image of a figure by its drawing."""
    folder = Path(config.docs_dir) / posixpath.dirname(page.file.src_uri)
    return IMAGE.sub(lambda found: inlined((folder / found[1]).read_text(encoding="utf-8"), found[2]), markdown)


def inlined(svg: str, caption: str) -> str:
    """The HTML figure of a drawing, which takes its colors from the page: an image would not know the reader's choice.

    Args:
        svg: The file's text.
        caption: In Markdown, without emphasis.
    """
    said = SAID.search(svg)
    assert said is not None
    words = escape(f"{unescape(said[1])}. {unescape(said[2])}", quote=True)
    shown = re.sub(r"\\(.)", r"\1", caption)
    return (
        f'<figure class="plot"><div role="img" aria-label="{words}">{SAID.sub("", svg).strip()}</div>'
        f"<figcaption>{shown}</figcaption></figure>"
    )
