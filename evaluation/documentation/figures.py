"""Figures of the documentation: an SVG file that follows the reader's theme, and the image in a page that shows it."""

import re
from html import escape

from evaluation.documentation.colors import palettes
from evaluation.documentation.markdown import plain
from evaluation.report.plots import Plot
from st_isotropy.svg import draw

WIDTH = 560  # pixels at the most: letters are then as large as those of the text around
LONGEST = 800  # characters of an image's text
PLACED = re.compile(r' (?:d|x|y|transform)="[^"]*"')
DECIMALS = re.compile(r"(\.\d\d)\d+")


def drawn(plot: Plot, name: str) -> str:
    """A plot as an SVG file that follows the light or dark theme of its reader.

    Args:
        plot: The plot.
        name: Unique among all figures: the site draws several into one page.
    """
    light, dark = palettes()
    style = f"<style>:root {{{light}}} @media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}</style>"
    svg = draw(plot.paint, name, plot.size, plot.panels)
    svg = PLACED.sub(lambda found: DECIMALS.sub(r"\1", found[0]), svg)  # hundredths of a pixel are not seen
    svg = re.sub(r"font-family: [^;\"]*sans-serif", "font-family: sans-serif", svg)
    start, _, rest = svg.partition(">")
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    return "\n".join([f'{start} width="{WIDTH}">', said(plot), style, *lines, ""])


def said(plot: Plot) -> str:
    """What an SVG file says of itself: its title, and what it shows in words and numbers."""
    return f"<title>{escape(plot.title)}</title>\n<desc>{escape(plot.alternative)}</desc>"


def image(plot: Plot, path: str) -> str:
    """The image of a figure's file in a page, over its caption.

    Args:
        plot: The plot.
        path: The file, as seen from the page.
    """
    text = f"{plot.title}. {plot.alternative}"
    return f"![{plain(text if len(text) <= LONGEST else plot.title)}]({path})\n\n*{plain(plot.caption)}*"
