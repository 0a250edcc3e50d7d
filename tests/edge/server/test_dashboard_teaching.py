"""Teaching on the page, in a browser: a name, a button, a bar, and the camera's action is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.model.loaded import load_model
from har_edge.recognition.taught import Taught
from har_edge.recognition.taught_file import (
    model_checksum,
    packaged_background,
    read_taught,
    write_taught,
)
from tests.edge.server.test_dashboard_people import StillCamera
from tests.support.browser import Open, Server, expect, needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teaching")


@pytest.fixture(scope="module")
def taught_file(folder: Path) -> Path:
    """A file of the test's own, with the background that the model brings along."""
    model = load_model("har15")
    background = packaged_background(model)
    assert background is not None
    path = folder / "taught.npz"
    write_taught(model, Taught(model_checksum(model), background), path)
    return path


@pytest.fixture(scope="module")
def server(folder: Path, taught_file: Path) -> Iterator[Server]:
    camera = StillCamera()
    server = Server(folder, camera.url, "--model", "har15", "--taught", str(taught_file))
    yield server
    server.stop()
    camera.stop()


@needs_browser
def test_an_action_is_taught_with_the_keyboard(
    open_page: Open, server: Server, taught_file: Path
) -> None:
    page, watch = open_page(server.url, 360)
    watch.expected.append("status of 422")
    expect(page.locator("#now")).not_to_have_text("–")
    page.get_by_label("Action", exact=True).fill("sitting")
    page.keyboard.press("Enter")
    expect(page.locator("#teach-error")).to_contain_text("already knows an action 'sitting'")

    page.get_by_label("Action", exact=True).fill("at_the_desk")
    page.get_by_label("Seconds").fill("60")
    page.keyboard.press("Enter")
    bar = page.get_by_role("progressbar", name="Recorded")
    expect(bar).to_be_visible()
    expect(page.locator("#teach-count")).to_contain_text("1 of 60 s")
    assert float(bar.evaluate("bar => bar.value / bar.max")) > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(bar).to_be_hidden()
    expect(page.get_by_label("Action", exact=True)).to_be_focused()

    page.get_by_label("Seconds").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator("#teach-note")).to_contain_text("Recording “at_the_desk”")
    expect(page.locator("#teach-note")).to_contain_text("Learned 'at_the_desk' from")
    expect(page.locator("#now")).to_have_text("at the desk")
    assert read_taught(load_model("har15"), taught_file).names == ("at_the_desk",)
