"""The page of `har-edge serve` in a real browser, against the real server and a real stream."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, MakeVideo
from tests.support.chaos.mjpeg_server import MjpegServer

DASHBOARD = ROOT / "edge" / "har_edge" / "server" / "dashboard"
SAMPLES = ROOT / "edge" / "har_edge" / "samples"
CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_S = 15
FNV = "http://www.isthe.com/chongo/tech/comp/fnv/"  # in a comment
TOKEN = "correct-horse-battery-staple"
MISSING = [name for name in ("playwright", "fastapi", "uvicorn") if not find_spec(name)]
if not CHROMIUM.exists():
    MISSING.append("chromium")
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")


class SampleCamera(MjpegServer):
    """Shows the two sample pictures in turn, with the noise of a sensor: else it were frozen."""

    def __init__(self) -> None:
        import cv2

        self.pictures = [
            cv2.cvtColor(cv2.imread(str(SAMPLES / name)), cv2.COLOR_BGR2RGB)
            for name in ("seated.jpg", "lying.jpg")
        ]
        super().__init__(rate_hz=10.0)

    def picture(self) -> bytes:
        import simplejpeg

        if self.mode != "normal":
            return super().picture()
        shown = self.pictures[int(time.monotonic() / 3) % 2]
        noisy = np.clip(shown + np.random.default_rng().integers(0, 5, shown.shape), 0, 255)
        data: bytes = simplejpeg.encode_jpeg(noisy.astype(np.uint8), quality=85)
        return data


class Server:
    """`har-edge serve` in a process of its own; `start` after `stop` uses the same port."""

    def __init__(self, folder: Path, *options: str, token: str | None = None) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.options = [*options, "--port", str(self.port)]
        self.environment = {**os.environ, **({"HAR_TOKEN": token} if token else {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Serve, and wait until it answers."""
        log = (self.folder / f"serve-{self.port}.log").open("ab")
        command = [sys.executable, "-m", "har_edge", "serve", *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=log, stderr=log, env=self.environment
        )
        deadline = time.monotonic() + 90  # networks are tried first, each in a process of its own
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=2)
                return
            time.sleep(0.1)
        raise AssertionError(Path(log.name).read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End it as a service manager does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            finally:
                self.process.kill()
            self.process = None

    def predict(self, path: Path, content_type: str) -> dict[str, Any]:
        """Ask the API itself, without the page."""
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        body = f"{head}Content-Type: {content_type}\r\n\r\n".encode() + path.read_bytes()
        request = urllib.request.Request(
            f"{self.url}/predict",
            data=body + b"\r\n--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def camera() -> Iterator[SampleCamera]:
    camera = SampleCamera()
    yield camera
    camera.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


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


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong on a page. `expected` are patterns of errors that a test provokes."""

    origin: str
    expected: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def attach(self, page: Any) -> None:
        """Listen to everything that the page logs and asks for."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._on_console)
        page.on("request", self._on_request)

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.origin + "/", f"blob:{self.origin}/", "data:")):
            self.foreign.append(request.url)

    def check(self) -> None:
        """Nothing but what was provoked was logged, and no request left the origin."""
        unexpected = [e for e in self.errors if not any(re.search(p, e) for p in self.expected)]
        assert not unexpected
        assert not self.foreign


Open = Callable[..., tuple[Any, Watch]]


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


def expect(locator: Any) -> Any:
    """Playwright's assertion that waits."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_S * 1000)
    return expect(locator)


def wait_until(page: Any, expression: str) -> None:
    """Wait for a JavaScript expression; Playwright's own way is barred by the content policy."""
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def spoken(action: str) -> str:
    """Spell an action as the page does."""
    return action.replace("_", " ")


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
def test_an_answer_is_dropped_when_the_window_starts_anew(open_page: Open, folder: Path) -> None:
    camera = MjpegServer()
    server = Server(folder, camera.url, "--model", "clips")
    try:
        page, _ = open_page(server.url)
        now, age = page.locator("#now"), page.locator("#age")
        expect(age).to_have_text(re.compile(r"^[\d.]+ m?s$"))
        camera.size = (640, 480)
        expect(now).to_have_text("…")
        expect(age).to_have_text("…")
        expect(page.locator("#now-bars li")).to_have_count(0)
        expect(now).to_have_text(re.compile(r"\w{4,}"))
        expect(age).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    finally:
        server.stop()
        camera.stop()


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
def test_the_page_asks_for_the_token(open_page: Open, folder: Path) -> None:
    guarded = Server(folder, "--model", "har15", token=TOKEN)
    try:
        page, watch = open_page(guarded.url)
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        watch.expected.append("status of 401")
        page.get_by_label("Token", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).not_to_be_empty()
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("#model-name")).to_have_text("har15")
        assert TOKEN not in page.evaluate("document.cookie + JSON.stringify(localStorage)")
        page.set_input_files("#input", SAMPLES / "seated.jpg")
        expect(page.locator(".card .action")).to_be_visible()
        page.reload()
        expect(page.locator("#model-name")).to_have_text("har15")
        page.get_by_role("button", name="Log out").click()
        expect(dialog).to_be_visible()
        expect(page.locator("#live")).to_be_hidden()
    finally:
        guarded.stop()


@needs_browser
def test_a_server_that_goes_away_and_comes_back(
    open_page: Open, folder: Path, camera: SampleCamera
) -> None:
    server = Server(folder, camera.url, "--model", "har15")
    try:
        page, watch = open_page(server.url)
        expect(page.locator("#fps")).to_have_text(re.compile(r"\d"))
        watch.expected += ["net::ERR_", "status of 503"]
        server.stop()
        notice = page.get_by_role("status").filter(has_text="does not reply")
        expect(notice).to_be_visible()
        expect(page.locator("#lamp")).to_have_text("offline")
        server.start()
        expect(notice).to_be_hidden()  # by itself
        expect(page.locator("#lamp")).to_have_text("connected")
        wait_until(page, "!document.getElementById('live').classList.contains('stale')")
        expect(page.locator("#fps")).to_have_text(re.compile(r"\d"))
        page.set_input_files("#input", SAMPLES / "seated.jpg")
        expect(page.locator(".card .action")).to_be_visible()
    finally:
        server.stop()


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


def test_the_palette_is_for_all_eyes() -> None:
    """All pairs of colours stay apart, also without one kind of cone.

    Sources: OKLab, https://bottosson.github.io/posts/oklab/; Machado, Oliveira and Fernandes,
    "A physiologically-based model for simulation of color vision deficiency" (2009), severity 1.
    """
    css = (DASHBOARD / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--hue-(\d+): #([0-9a-f]{6});", css))
    assert len(colours) == 16
    srgb = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in colours.values()]) / 255
    rgb = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    sights = {
        "normal": np.eye(3),
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                       [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                         [-0.011820, 0.042940, 0.968881]],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                       [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    to_lms = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                       [0.2119034982, 0.6806995451, 0.1073969566],
                       [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    to_lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                       [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    for sight, matrix in sights.items():
        seen = np.clip(rgb @ np.asarray(matrix).T, 0, None)
        lab = np.cbrt(seen @ to_lms.T) @ to_lab.T
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[~np.eye(16, dtype=bool)].min() > 0.06, sight


def test_the_page_holds_no_inline_code_and_no_foreign_address() -> None:
    html = (DASHBOARD / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", html)
    for path in DASHBOARD.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg", FNV}, path
