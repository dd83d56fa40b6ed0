"""The colors of figures in a light and in a dark theme, read without importing what draws them."""

import re
from pathlib import Path

STYLE = Path(__file__).parents[2] / "st_isotropy" / "diagnosis" / "templates" / "style.css"


def palettes() -> tuple[str, str]:
    """The custom properties of the library's pages, light and dark."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(light.split()), " ".join(dark.split())


def stylesheet() -> str:
    """The colors of the figures on the site, in its light and its dark scheme."""
    light, dark = palettes()
    return f":root {{ {light} }}\n[data-md-color-scheme=slate] {{ {dark} }}\n"
