"""Refreshes what is generated inside of a page: blocks between two comments, and numbers in front of one.

`<!-- generated: NAME -->` and `<!-- end of NAME -->` stand alone on their lines; what is between them is replaced.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evaluation.documentation.claims import CLAIM, claimed
from evaluation.documentation.markdown import breakable, moved
from evaluation.errors import UserError

OPENING = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)
BLOCK = re.compile(r"^<!-- generated: (\S+) -->\n(.*?)^<!-- end of \1 -->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Refreshed:
    """A page with everything generated up to date.

    Attributes:
        text: The page.
        stale: The marks that showed something else before.
    """

    text: str
    stale: list[str]


def refresh_page(text: str, page: str, blocks: Mapping[str, Callable[[], str]]) -> Refreshed:
    """Bring every number and every block of a page up to date.

    Args:
        text: The page.
        page: Its path from the root of the repository.
        blocks: What each name stands for, as Markdown with links from the folder `docs`.

    Raises:
        UserError: The results do not support a claim, or a block has an unknown name or no end.
    """
    stale: list[str] = []

    def block(found: re.Match[str]) -> str:
        name, shown = found.groups()
        due = f"\n{breakable(moved(blocks[name]().strip(), page.rpartition('/')[0]))}\n\n"
        if shown != due:
            stale.append(f"generated: {name}")
        return f"<!-- generated: {name} -->\n{due}<!-- end of {name} -->"

    def claim(found: re.Match[str]) -> str:
        due = claimed(found)
        if " ".join(found["shown"].split()) == due:  # however its lines are wrapped
            return found[0]
        stale.append(f"{found['shown']}{found['source']}")
        return f"{due}{found['source']}"

    try:
        _check_blocks(text, blocks)
        return Refreshed(CLAIM.sub(claim, BLOCK.sub(block, text)), stale)
    except UserError as error:
        raise UserError(f"{page}: {error}") from error


def _check_blocks(text: str, blocks: Mapping[str, Callable[[], str]]) -> None:
    ended = {found[1] for found in BLOCK.finditer(text)}
    for name in OPENING.findall(text):
        if name not in blocks:
            raise UserError(f"<!-- generated: {name} --> is none of {', '.join(blocks)}.")
        if name not in ended:
            raise UserError(f"<!-- generated: {name} --> has no <!-- end of {name} --> below it: add that line.")
