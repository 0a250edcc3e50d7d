"""People and zones on the page, in a browser: boxes stay on people, zones are drawn and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from har_edge.recognition.zones_file import read_zones_file
from tests.support.browser import (
    SAMPLES,
    Open,
    SampleCamera,
    Server,
    expect,
    needs_browser,
    wait_until,
)
from tests.support.people import SSD, teacher

# The box around all that is drawn on the canvas, in fractions of it.
# Where elements are, at one and the same moment: what is above them may grow.
PLACES = """names => names.map(name => {
  const {x, y, width, height} = document.querySelector(name).getBoundingClientRect();
  return [x, y, width, height];
})"""
DRAWN = """() => {
    const canvas = document.querySelector("#screen canvas");
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let i = 3; i < data.length; i += 4) {
        if (!data[i]) continue;
        const [x, y] = [((i - 3) / 4) % width, Math.floor((i - 3) / 4 / width)];
        [left, top] = [Math.min(left, x), Math.min(top, y)];
        [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
    }
    return [left / width, top / height, right / width, bottom / height];
}"""


class StillCamera(SampleCamera):
    """Shows one person who sits, and stays."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = self.pictures[:1] * 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    camera = StillCamera()
    options = ("--people", str(teacher(SSD)), "--zones", "room.json", "--model", "har15")
    server = Server(folder, camera.url, *options)
    yield server
    server.stop()
    camera.stop()


def seen(page: Any) -> dict[str, Any]:
    """Who is in view, by the server's own words."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        live: dict[str, Any] = page.evaluate("fetch('/live').then((answer) => answer.json())")
        if live["people"]:
            return live
        time.sleep(0.2)
    raise AssertionError("nobody was seen")


@needs_browser
def test_boxes_stay_on_people_when_the_page_is_resized(open_page: Open, server: Server) -> None:
    page, watch = open_page(server.url)
    watch.expected.append("willReadFrequently")  # it is this test that reads the canvas
    expect(page.locator("#people li").first).to_contain_text("Person")
    expect(page.locator("#now")).to_contain_text("person")
    left, top, right, bottom = seen(page)["people"][0]["box"]
    for width in (1280, 600, 360):
        page.set_viewport_size({"width": width, "height": 800})
        wait_until(page, "document.querySelector('#screen canvas').clientWidth > 0")
        page.wait_for_timeout(700)
        picture, canvas = page.evaluate(PLACES, ["#picture", "#screen canvas"])
        assert canvas == pytest.approx(picture, abs=1.5)
        drawn = page.evaluate(DRAWN)
        # The label may reach beyond the box.
        assert drawn[0] == pytest.approx(left, abs=0.06)
        assert drawn[3] == pytest.approx(bottom, abs=0.06)
        assert drawn[1] <= top + 0.03
        assert drawn[2] >= right - 0.06
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@needs_browser
def test_a_zone_is_drawn_named_kept_and_removed(
    open_page: Open, server: Server, folder: Path
) -> None:
    page, watch = open_page(server.url)
    watch.expected.append("status of 422")
    expect(page.locator("#people li").first).to_be_visible()
    # Corners are of the picture: before it is there, a click is none.
    wait_until(page, "document.querySelector('#picture').naturalWidth > 0")
    page.get_by_role("button", name="Draw a zone").click()
    canvas = page.locator("#screen canvas")

    def click(x: float, y: float) -> None:
        # Waits until the canvas stands still, is in view and under the mouse.
        box = canvas.bounding_box()
        canvas.click(position={"x": x * box["width"], "y": y * box["height"]})

    # A zone that crosses itself is refused, and may be drawn again.
    for corner in ((0.02, 0.02), (0.98, 0.98), (0.98, 0.02), (0.02, 0.98), (0.02, 0.02)):
        click(*corner)
    page.get_by_label("Name").fill("room")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#zones-error")).to_contain_text("do not cross")
    page.get_by_role("button", name="Cancel").click()

    page.get_by_role("button", name="Draw a zone").click()
    for corner in ((0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)):
        click(*corner)
    page.get_by_label("Name").fill("room")
    page.get_by_label("Counts who has in it").select_option("hips")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#zones-list li")).to_contain_text("room")
    (zone,) = read_zones_file(folder / "room.json").zones.all
    assert (zone.name, zone.point, len(zone.polygon)) == ("room", "hips", 4)
    assert zone.polygon[2] == pytest.approx((0.98, 0.98), abs=0.01)
    expect(page.locator("#people li").first).to_contain_text("in room")

    page.reload()
    expect(page.locator("#zones-list li")).to_contain_text("room")
    page.get_by_role("button", name="Remove zone room").click()
    expect(page.locator("#zones-list li")).to_have_count(0)
    assert len(read_zones_file(folder / "room.json").zones) == 0


@needs_browser
def test_people_of_an_upload_are_drawn_and_listed(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url)
    page.set_input_files("#input", SAMPLES / "seated.jpg")
    card = page.locator(".card")
    expect(card.locator(".people li").first).to_contain_text("Person 1")
    picture, canvas = page.evaluate(PLACES, [".card img", ".card canvas"])
    assert canvas == pytest.approx(picture, abs=1.5)
    page.get_by_role("button", name="Remove seated.jpg").click()
    expect(page.locator(".card canvas")).to_have_count(0)
