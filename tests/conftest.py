"""Fixtures of more than one file of tests: a hub that does not answer, and a browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from chromium import chromium
from huggingface_hub import constants

from evaluation.models import hub


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the browser, so that `-m browser` is complete."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub at an address where nothing listens."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.hub_reachable.cache_clear()
    yield
    hub.hub_reachable.cache_clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium for the tests of a page."""
    with chromium() as started:
        yield started
