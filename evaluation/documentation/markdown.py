"""Text and links in Markdown."""

import re
from os.path import relpath

# What would start emphasis, code, a link or an escape; an underscore inside of a word and brackets alone do not.
SIGNS = re.compile(r"[\\`*]|(?<!\w)_|_(?!\w)|\](?=[(\[:])")
# In a line of a table, the spaces inside of "▲ +0.4 [+0.2, +0.6]", but for the one at which a narrow cell may break.
TOGETHER = re.compile(r"(?<=[▲▼○?⚑‡]) (?=[+−\d])|(?<=\d,) (?=[+−\d][\d.]*\])")
LINK = re.compile(r"(?<=\]\()(?![\w.+-]+:|#)[^)\s]+")


def plain(text: str) -> str:
    r"""Text, escaped so that nothing is read as Markdown, HTML or a formula.

    Example:
        >>> plain("mst_length *rose* by 2 [1, 3] < 4")
        'mst_length \\*rose\\* by 2 [1, 3] &lt; 4'
    """
    return SIGNS.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;"))


def moved(markdown: str, folder: str) -> str:
    """Markdown whose links lead to the same files from another folder.

    Example:
        >>> moved("![a cone](assets/cone.svg), [a page](https://here)", "docs/api")
        '![a cone](../assets/cone.svg), [a page](https://here)'

    Args:
        markdown: With links from the folder `docs`.
        folder: The folder of the page, from the root of the repository.
    """
    return LINK.sub(lambda found: relpath(f"docs/{found[0]}", folder or "."), markdown)


def breakable(markdown: str) -> str:
    r"""Markdown in whose tables a difference stands in one line, or over its interval where there is no room.

    Example:
        >>> breakable("| koleo | ▲ +0.4 [+0.2, +0.6] |")
        '| koleo | ▲\xa0+0.4 [+0.2,\xa0+0.6] |'
    """
    lines = markdown.split("\n")
    return "\n".join(TOGETHER.sub("\xa0", line) if line.startswith("|") else line for line in lines)
