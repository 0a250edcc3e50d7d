"""The page of `har-edge serve` in a real browser, against the real server and a real stream."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeVideo
from tests.support.browser import (
    SAMPLES,
    Open,
    SampleCamera,
    Server,
    expect,
    needs_browser,
    spoken,
    wait_until,
)


@pytest.fixture(scope="module")
def server(folder: Path, camera: SampleCamera) -> Iterator[Server]:
    """A server with a camera and the model that knows single pictures."""
    server = Server(folder, camera.url, "--model", "har15")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """A video as `--save-video` writes it, of the sample."""
    command = [sys.executable, "-m", "har_edge", "run", SAMPLES / "falling.mp4"]
    command += ["--save-video", folder / "falling.mp4"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "falling.mp4"


@needs_browser
def test_files_are_uploaded_by_the_button(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    names = ["seated.jpg", "lying.jpg", "falling.mp4"]
    chooser.value.set_files([SAMPLES / name for name in names])
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    expect(cards.locator("h3")).to_have_text(names)
    for name, card in zip(names, cards.all(), strict=True):
        kind = "image/jpeg" if name.endswith("jpg") else "video/mp4"
        answer = server.predict(SAMPLES / name, kind)
        expect(card.locator(".action")).to_have_text(spoken(answer["action"]))
        top = [spoken(row["action"]) for row in answer["all_predictions"][:5]]
        expect(card.locator(".bars .name")).to_have_text(top)
    expect(cards.nth(2).locator("video")).to_be_visible()
    expect(cards.nth(2).get_by_role("slider")).to_be_visible()
    page.get_by_role("button", name="Remove lying.jpg").click()
    expect(cards).to_have_count(2)


@needs_browser
def test_a_clip_that_no_browser_plays_has_its_timeline(
    open_page: Open, server: Server, make_video: MakeVideo
) -> None:
    page, _ = open_page(server.url)
    page.set_input_files("#input", make_video(count=50))  # MPEG-4 part 2
    card = page.locator(".card").first
    expect(card.locator(".preview")).to_contain_text("cannot play the clip")
    expect(card.get_by_role("slider")).to_be_visible()


@needs_browser
def test_files_are_dropped_anywhere(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url)
    expect(page.locator("#sheet dl").first).to_be_visible()
    data = base64.b64encode((SAMPLES / "seated.jpg").read_bytes()).decode()
    transfer = page.evaluate_handle(
        """data => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            for (const name of ["one.jpg", "two.jpg"]) {
                transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            }
            return transfer;
        }""",
        data,
    )
    page.dispatch_event("footer", "dragenter", {"dataTransfer": transfer})
    assert page.evaluate("document.body.classList.contains('dragging')")
    page.dispatch_event("footer", "drop", {"dataTransfer": transfer})
    assert not page.evaluate("document.body.classList.contains('dragging')")
    expect(page.locator(".card h3")).to_have_text(["one.jpg", "two.jpg"])
    expect(page.locator(".card .action")).to_have_count(2)


@needs_browser
def test_a_removed_file_makes_room_for_the_next(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url)
    page.route("**/predict", lambda route: None)  # never goes on, never comes back
    page.set_input_files("#input", [SAMPLES / name for name in ("seated.jpg", "lying.jpg")])
    expect(page.locator(".card .status")).to_have_text(["Uploading"] * 2)
    page.set_input_files("#input", SAMPLES / "falling.mp4")
    expect(page.locator(".card .status").first).to_have_text("Waiting")
    page.unroute("**/predict")
    page.get_by_role("button", name="Remove seated.jpg").click()
    expect(page.locator(".card").first.get_by_role("slider")).to_be_visible()


@needs_browser
def test_a_busy_server_is_asked_again(open_page: Open, server: Server) -> None:
    page, watch = open_page(server.url)
    watch.expected.append("status of 429")
    busy = {"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}
    page.route("**/predict", lambda route: route.fulfill(**busy), times=1)
    page.set_input_files("#input", SAMPLES / "seated.jpg")
    expect(page.locator(".card .status")).to_contain_text("busy")
    expect(page.locator(".card .action")).to_be_visible()


@needs_browser
def test_a_refused_file_says_why(open_page: Open, server: Server, tmp_path: Path) -> None:
    page, watch = open_page(server.url)
    watch.expected.append(r"status of 4\d\d")
    text = tmp_path / "notes.jpg"
    text.write_text("no picture at all")
    page.set_input_files("#input", text)
    alert = page.locator(".card").get_by_role("alert")
    expect(alert).to_be_visible()
    assert len(alert.inner_text()) > 30
    assert "{" not in alert.inner_text()
    assert "Unsupported" not in alert.inner_text()
    # The same file would be refused again, and there is nothing to see.
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.locator(".card .preview")).to_be_hidden()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with urllib.request.urlopen(f"{server.url}/health") as answer:
        limit_bytes = json.load(answer)["max_upload_bytes"]
    page.evaluate(
        """size => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(size)], "huge.mp4", { type: "video/mp4" }));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
        }""",
        limit_bytes + 1,
    )
    expect(page.locator(".card").first.get_by_role("alert")).to_contain_text("too large")
    assert not [url for url in asked if url.endswith("/predict")]


@needs_browser
def test_the_timeline_shows_the_frame_under_the_cursor(
    open_page: Open, server: Server, clip: Path
) -> None:
    answer = server.predict(clip, "video/mp4")
    page, _ = open_page(server.url)
    page.set_input_files("#input", clip)
    slider = page.get_by_role("slider", name="Position in the clip")
    expect(slider).to_be_visible()
    expect(page.locator(".card .ribbon path").first).to_be_attached()
    actions = list(dict.fromkeys(spoken(w["action"]) for w in answer["timeline"]))
    expect(page.locator(".card .legend li")).to_have_text(actions)

    def position_s() -> float:
        return float(str(slider.get_attribute("aria-valuenow")))

    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    at_s = answer["duration_s"] * 0.75
    wait_until(
        page,
        f"Math.abs(document.querySelector('video').currentTime - {at_s}) < 0.06"
        " && !document.querySelector('video').seeking",
    )
    near = next(part for part in answer["timeline"] if at_s < part["end_s"])
    assert spoken(near["action"]) in str(slider.get_attribute("aria-valuetext"))
    page.mouse.move(0, 0)
    expect(page.locator(".card .eyebrow")).to_have_text("Whole clip")

    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert position_s() == pytest.approx(at_s - 0.1, abs=0.06)
    page.keyboard.press("Home")
    assert position_s() == 0
    wait_until(page, "document.querySelector('video').currentTime < 0.05")
    page.keyboard.press("PageUp")
    wait_until(page, "Math.abs(document.querySelector('video').currentTime - 1) < 0.06")
    page.get_by_role("button", name="Play").click()
    wait_until(page, "document.querySelector('video').currentTime > 1.2")
    page.get_by_role("button", name="Pause").click()
    assert position_s() > 1.1


@needs_browser
def test_the_live_view_follows_the_camera(
    open_page: Open, server: Server, camera: SampleCamera
) -> None:
    page, _ = open_page(server.url)
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    wait_until(page, "document.getElementById('picture').naturalWidth > 0")
    expect(page.locator("#now")).to_have_text(re.compile(r"\w{4,}"))
    expect(page.locator("#fps")).to_have_text(re.compile(r"^\d+\.\d$"))
    expect(page.locator("#latency")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    expect(page.locator("#age")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    expect(page.locator("#now-bars li")).to_have_count(5)
    expect(page.locator("#history path").first).to_be_attached()
    expect(page.locator("#log time").first).to_be_attached()
    expect(page.locator("#today li").first).to_be_visible()
    camera.mode = "black"
    try:
        expect(page.locator("#screen-note")).to_contain_text("black")
        expect(page.locator("#now")).to_have_text("–")
    finally:
        camera.mode = "normal"
    expect(page.locator("#screen-note")).to_have_text("")
    expect(page.locator("#now")).to_have_text(re.compile(r"\w{4,}"))
    camera.stop()
    try:
        expect(page.locator("#screen-note")).to_contain_text("lost")
    finally:
        camera.start()
    expect(page.locator("#screen-note")).to_have_text("")


@needs_browser
def test_dark_follows_the_system_and_the_switch_is_remembered(
    open_page: Open, server: Server
) -> None:
    def lightness(page: Any) -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 / 255

    page, _ = open_page(server.url, color_scheme="dark")
    assert lightness(page) < 0.2
    switch = page.get_by_role("button", name="Dark colours")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    assert lightness(page) > 0.9
    page.reload()
    assert lightness(page) > 0.9
    expect(switch).to_have_attribute("aria-pressed", "false")


@needs_browser
def test_a_phone_scrolls_in_one_direction_only(open_page: Open, server: Server, clip: Path) -> None:
    page, _ = open_page(server.url, width=360)
    page.set_input_files("#input", [SAMPLES / "seated.jpg", clip])
    expect(page.get_by_role("slider")).to_be_visible()
    expect(page.locator("#now-bars li")).to_have_count(5)
    page.locator("details summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for control in page.locator("button:visible").all():
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360


@needs_browser
def test_a_refused_event_stream_is_said_and_tried_again(open_page: Open, server: Server) -> None:
    page, watch = open_page("about:blank")
    watch.origin = server.url
    watch.expected.append("status of 429")
    page.route("**/events/stream", lambda route: route.fulfill(status=429), times=1)
    page.goto(server.url)
    expect(page.locator("#away")).to_contain_text("too many viewers")
    expect(page.locator("#away")).to_be_hidden()
    expect(page.locator("#now-bars li")).to_have_count(5)


@needs_browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_serious(
    open_page: Open, server: Server, clip: Path, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")
    page, _ = open_page(server.url, width=width, color_scheme=scheme, reduced_motion="reduce")
    page.set_input_files("#input", [SAMPLES / "seated.jpg", clip])
    expect(page.get_by_role("slider")).to_be_visible()
    expect(page.locator("#now-bars li")).to_have_count(5)
    page.locator("details summary").click()
    found = serious(axe.Axe().run(page))
    page.evaluate("document.getElementById('login').showModal()")
    assert found + serious(axe.Axe().run(page)) == []


def serious(results: Any) -> list[str]:
    """Violations that keep somebody out: rule and first element."""
    return [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in results.response["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]


@needs_browser
def test_the_keyboard_reaches_all_controls(open_page: Open, server: Server, clip: Path) -> None:
    page, _ = open_page(server.url)
    page.set_input_files("#input", clip)
    expect(page.get_by_role("slider")).to_be_visible()
    expect(page.locator("#log time").first).to_be_attached()
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("body").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                    const at = document.activeElement;
                    const ring = getComputedStyle(at).outlineStyle !== "none";
                    return [at.id || at.getAttribute("role") || at.textContent.trim(), ring];
                }"""
            )
        )
        if reached[-1][0] == "Metrics":
            break
    names = [name for name, _ in reached]
    wanted = ["Skip to the content", "theme", "log", "choose", "slider", "API", "Metrics"]
    assert [name for name in names if name in wanted] == wanted
    assert all(ring for _, ring in reached)


@needs_browser
def test_motion_is_reduced_where_asked_for(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url, reduced_motion="reduce")
    expect(page.locator("#now-bars li")).to_have_count(5)
    duration = "getComputedStyle(document.querySelector('#now-bars b')).transitionDuration"
    assert page.evaluate(duration) == "0s"


@needs_browser
def test_an_action_keeps_its_colour(open_page: Open, server: Server) -> None:
    page, _ = open_page(server.url)
    slots = page.evaluate(
        """async () => {
            const { assignColours, slotOf } = await import("/dashboard/colours.js");
            const labels = Array.from({ length: 16 }, (_, i) => `action_${i}`);
            assignColours(labels);
            const first = labels.map(slotOf);
            assignColours(labels);
            return [first, labels.map(slotOf), slotOf("unknown")];
        }"""
    )
    first, again, unknown = slots
    assert first == again
    assert sorted(map(int, first)) == list(range(16))
    assert unknown == "none"
