"""Runs the tutorial from its first block to its last, and writes what its commands print into the page."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation.documentation.results import ROOT
from evaluation.errors import UserError
from evaluation.files import write_text

TUTORIAL = ROOT / "docs" / "tutorial.md"
WIDTH = 80  # columns of code on a page
BLOCK = re.compile(r"^(<!-- printed (paragraph|lines): ([^\n]+) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class TutorialRun:
    """One run of the tutorial in a folder.

    Attributes:
        folder: Where the reader works.
        printed: What the commands of the last block printed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""

    def run_block(self, block: re.Match[str]) -> str:
        """Run a block; return it as the page is to show it.

        A Python block is saved under the name in its first line, and run by a command of the page. Of what the last
        commands printed, a block after `<!-- printed paragraph: WORDS -->` shows the first paragraph with these words,
        and one after `<!-- printed lines: WORDS -->` all lines with them.
        """
        marker, part, words, language, code = block.groups()
        if language == "python":
            name = code.partition("\n")[0].removeprefix("# ")
            (self.folder / name).write_text(code, encoding="utf-8")
        elif language == "console":
            commands = code.replace("\\\n", "").splitlines()
            self.printed = "".join(self._run_command(line.removeprefix("$ ")) for line in commands)
        elif words:
            return f"{marker}```{language}\n{find_part(self.printed, part, words)}\n```"
        return block[0]

    def _run_command(self, command: str) -> str:
        own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # this interpreter and its commands
        arguments = shlex.split(command)
        environment = {**os.environ, "PATH": own, "COLUMNS": "500"}  # so wide that each sentence is one line
        done = subprocess.run(
            arguments, cwd=self.folder, env=environment, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return done.stdout


def write_tutorial() -> None:
    """Run the tutorial and write what it printed into its page."""
    with TemporaryDirectory() as folder:
        page = run_tutorial(TUTORIAL.read_text(encoding="utf-8"), Path(folder))
    write_text(TUTORIAL, page)


def run_tutorial(page: str, folder: Path) -> str:
    """Run every block of a page in order; return the page with what was printed.

    Args:
        page: The page in Markdown.
        folder: An empty folder to work in.

    Raises:
        UserError: Nothing was printed that the page wants to show.
        CalledProcessError: A command failed.
    """
    return BLOCK.sub(TutorialRun(folder).run_block, page)


def find_part(printed: str, part: str, words: str) -> str:
    """Find the first paragraph, or all lines, with these words, with long lines broken as a terminal would."""
    parts = re.split(r"\n[ \t]*\n", printed.strip("\n")) if part == "paragraph" else printed.splitlines()
    found = [one for one in parts if words in one]
    if not found:
        raise UserError(f"No command of the tutorial printed {words!r}; correct the marker in {TUTORIAL.name}.")
    shown = found[0].splitlines() if part == "paragraph" else found
    return "\n".join(_broken(line.rstrip()) for line in shown)


def _broken(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(line, WIDTH, subsequent_indent=indent) if len(line) > WIDTH else line
