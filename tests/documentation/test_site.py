"""The documentation as it is built, in a real browser: whole, self-contained, readable on a desk and on a phone."""

import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import complaints, open_address, requests

pytest.importorskip("mkdocs", reason="the site needs the dependency group docs")
pytest.importorskip("matplotlib", reason="the figures need the extra eval")

from mkdocs.commands.build import build
from mkdocs.config import load_config

import st_isotropy
from evaluation.documentation import results
from st_isotropy import barcodes, metrics, regularizers

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WIDTHS = (1280, 390)
NAMED = "static-cosine"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The site with the committed results, built strictly, and the address it is served at."""
    folder = Path(os.environ.get("ST_ISOTROPY_SITE") or tmp_path_factory.mktemp("site"))
    if not (folder / "index.html").is_file():
        build(load_config(str(results.ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def addresses(folder: Path) -> list[str]:
    return sorted(
        f"{page.parent.relative_to(folder).as_posix()}/".removeprefix("./") for page in folder.rglob("index.html")
    )


def test_the_site_has_the_pages_that_were_planned(site: tuple[Path, str]) -> None:
    found = set(addresses(site[0]))
    assert {"", "getting-started/", "results/", f"results/{NAMED}/", "api/losses/", "faq/", "citing/"} <= found
    assert len(found) > 20
    as_images = [page for page in site[0].rglob("*.html") if re.search(r'<img[^>]+\.svg"', page.read_text("utf-8"))]
    assert as_images == []  # all are drawn into their pages


def test_the_api_pages_describe_every_public_name(site: tuple[Path, str]) -> None:
    described = "".join(page.read_text(encoding="utf-8") for page in (site[0] / "api").rglob("*.html"))
    for package in (st_isotropy, barcodes, metrics, regularizers):
        callables = [getattr(package, name) for name in package.__all__ if callable(getattr(package, name))]
        missing = [each.__name__ for each in callables if f'.{each.__name__}" class="doc' not in described]
        assert callables and missing == [], package.__name__


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_whole_and_asks_no_other_host(browser: Any, site: tuple[Path, str], width: int) -> None:
    folder, host = site
    requests(browser)
    for address in addresses(folder):
        open_address(browser, f"{host}/{address}", width)
        assert complaints(browser) == [], address
        assert [each for each in requests(browser) if not each.startswith((host, "data:", "blob:"))] == [], address
        wide, empty, garbled = browser.execute_script(
            "const shown = [...document.querySelectorAll('article img, article svg')].filter(e => e.checkVisibility());"
            "return [document.documentElement.scrollWidth, shown.map(e => e.getBoundingClientRect())"
            ".filter(box => !box.width || !box.height).length, document.body.textContent.includes('\\u0002')]"
        )
        assert not garbled, address  # what Markdown puts in place of an escape, left in a formula
        assert wide <= width, address
        assert empty == 0, address
        beyond = browser.execute_script(
            "const right = document.querySelector('article')?.getBoundingClientRect().right;"
            "return [...document.querySelectorAll('article table')].filter(table => "
            "(table.closest('.md-typeset__scrollwrap') || table).getBoundingClientRect().right > right + 20).length"
        )
        assert beyond == 0, address  # a table that is too wide scrolls in a box of its own


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("address", ["", "how-it-works/", f"results/{NAMED}/"])
def test_figures_fill_their_column(browser: Any, site: tuple[Path, str], address: str, width: int) -> None:
    open_address(browser, f"{site[1]}/{address}", width)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('figure.plot')].map(e => [e.querySelector('svg').clientWidth, "
        "e.querySelector('svg').clientHeight, e.querySelectorAll('path, use').length, "
        "e.querySelector('[role=img]').getAttribute('aria-label').length, e.querySelector('figcaption').clientHeight])"
    )
    assert sizes
    least = (250, 40, 4, 30, 0)
    assert [size for size in sizes if any(found <= limit for found, limit in zip(size, least, strict=True))] == []


def test_figures_follow_the_theme_of_the_page(browser: Any, site: tuple[Path, str]) -> None:
    colors = {}
    for theme in ("light", "dark"):
        open_address(browser, f"{site[1]}/how-it-works/", 1280, theme)
        colors[theme] = browser.execute_script(
            "return [document.body, document.querySelector('figure svg text')]"
            ".map(e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fill].join())"
        )
    assert all(light != dark for light, dark in zip(colors["light"], colors["dark"], strict=True))
