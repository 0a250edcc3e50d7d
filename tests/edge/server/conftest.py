"""A browser, and pages that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import CHROMIUM, PATIENCE_S, Open, SampleCamera, Watch


@pytest.fixture(scope="module")
def camera() -> Iterator[SampleCamera]:
    camera = SampleCamera()
    yield camera
    camera.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open the page of a server in a fresh profile: url, width, other settings of the context."""
    opened: list[tuple[Any, Watch]] = []

    def open_page(url: str, width: int = 1280, **settings: Any) -> tuple[Any, Watch]:
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        context.set_default_timeout(PATIENCE_S * 1000)
        page, watch = context.new_page(), Watch(url)
        watch.attach(page)
        opened.append((context, watch))
        page.goto(url)
        return page, watch

    yield open_page
    for context, watch in opened:
        context.close()
        watch.check()
