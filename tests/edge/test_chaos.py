"""Cameras that fail in every way, over real connections: no crash, no hang, nothing made up.

The servers draw the time into each picture (`chaos.pattern`), so that what reaches the recogniser
can be checked from its pixels: it was really drawn, and not long ago. All scenarios run at once;
each test looks at the outcome of one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from har_edge.config import LiveOptions
from har_edge.errors import SourceRefusedError
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import load_model
from har_edge.sources.captures.open import open_http
from har_edge.sources.captures.pyav import AvStream
from har_edge.sources.live.source import LiveSource
from tests.conftest import ASSETS, ROOT
from tests.support.chaos.mjpeg_server import MjpegServer
from tests.support.chaos.proxy import Proxy
from tests.support.chaos.watch import RtspServer, Watch, missing_for_rtsp

pytest.importorskip("simplejpeg")

SOAK = ROOT / "tests" / "support" / "chaos" / "soak.py"
STALL_S, FROZEN_S = 2.0, 2.0
# What a picture's age may be on a busy machine; far below any time-out.
FRESH_S = 1.5
RECOVERED_S = 5.0
TIMEOUT_S = 2.0


class Rig:
    """A camera server, whatever stands before it, and a watched source."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        if kind == "mjpeg":
            self.mjpeg = MjpegServer()
            open_capture = partial(open_http, self.mjpeg.url, TIMEOUT_S)
        else:
            self.rtsp = RtspServer()
            self.proxy = Proxy(self.rtsp.port)
            url = f"rtsp://127.0.0.1:{self.proxy.port}/cam"
            open_capture = partial(AvStream, url, TIMEOUT_S)  # type: ignore[assignment]
        options = LiveOptions(stall_timeout_s=STALL_S, frozen_after_s=FROZEN_S)
        model = load_model(ASSETS / "tiny-int8.tflite")
        self.watch = Watch(
            lambda notify: LiveSource(kind, open_capture, options, notify=notify), model
        )
        self.watch.wait_frames(8)

    def show(self, mode: str) -> None:
        """Let the camera show `normal`, `black` or `frozen` pictures."""
        if self.kind == "mjpeg":
            self.mjpeg.mode = mode  # type: ignore[assignment]
        else:
            self.rtsp.order(mode)

    def kill(self) -> None:
        """Take the server away."""
        (self.mjpeg if self.kind == "mjpeg" else self.rtsp).stop()

    def revive(self) -> None:
        """Bring the server back, on the same port."""
        (self.mjpeg if self.kind == "mjpeg" else self.rtsp).start()

    def close(self) -> None:
        """End everything."""
        self.watch.stop()
        if self.kind == "rtsp":
            self.proxy.close()
        self.kill()


def killed(rig: Rig) -> None:
    """The server is killed and comes back three seconds later."""
    rig.kill()
    rig.watch.wait_state("lost")
    time.sleep(3.0)
    count = len(rig.watch.seen)
    rig.revive()
    assert rig.watch.wait_frames() < RECOVERED_S
    assert rig.watch.seen[count].after_gap
    assert rig.watch.states() == ["live", "lost", "live"]
    assert rig.watch.source.stats.reconnects == 1


def stalled(rig: Rig) -> None:
    """The server stops in the middle of a picture; the connection stays open."""
    if rig.kind == "mjpeg":
        rig.show("stalled")
    else:
        rig.proxy.stalled = True
    assert rig.watch.wait_state("lost") < STALL_S + 2.0
    time.sleep(1.0)
    count = len(rig.watch.seen)
    if rig.kind == "mjpeg":
        rig.show("normal")
    else:
        rig.proxy.stalled = False
    # The connection that is being made at this moment may still have hung.
    assert rig.watch.wait_frames() < RECOVERED_S + TIMEOUT_S
    assert rig.watch.seen[count].after_gap
    assert rig.watch.source.stats.reconnects == 1


def hiccup(rig: Rig) -> None:
    """The network holds everything back for a moment, then delivers it at once."""
    if rig.kind == "mjpeg":
        rig.show("stalled")
    else:
        rig.proxy.stalled = True
    time.sleep(1.6)
    count = len(rig.watch.seen)
    if rig.kind == "mjpeg":
        rig.show("normal")
    else:
        rig.proxy.stalled = False
    rig.watch.wait_frames()
    assert rig.watch.seen[count].after_gap
    assert rig.watch.states() == ["live"]


def corrupted(rig: Rig) -> None:
    """Pictures are damaged; with motion JPEG all of them, with RTSP some packets."""
    if rig.kind == "mjpeg":
        for mode in ("cut off", "zeroed"):
            rig.show(mode)
            time.sleep(1.2)
        rig.show("normal")
    else:
        rig.proxy.damage = 0.05
        time.sleep(4.0)
        rig.proxy.calm()
    assert rig.watch.source.stats.corrupt > 5
    assert rig.watch.wait_frames() < RECOVERED_S


def resized(rig: Rig) -> None:
    """The camera switches to another resolution."""
    if rig.kind == "mjpeg":
        rig.mjpeg.size = (640, 480)
    else:
        rig.rtsp.order("size 640x480")
    rig.watch.wait(lambda: rig.watch.seen[-1].size == (640, 480))
    rig.watch.wait_frames()
    first = next(s for s in rig.watch.seen if s.size == (640, 480))
    assert first.after_gap
    assert "320x240 to 640x480" in rig.watch.statuses[-1][1].detail


def black(rig: Rig) -> None:
    """The picture goes black."""
    rig.show("black")
    rig.watch.wait_state("black")
    count = len(rig.watch.seen)
    time.sleep(1.0)
    assert len(rig.watch.seen) == count
    rig.show("normal")
    assert rig.watch.wait_frames() < RECOVERED_S
    assert rig.watch.seen[count].after_gap
    assert rig.watch.states() == ["live", "black", "live"]
    assert rig.watch.source.stats.black >= 5


def frozen(rig: Rig) -> None:
    """The picture stands still."""
    rig.show("frozen")
    rig.watch.wait_state("frozen")
    count = len(rig.watch.seen)
    time.sleep(1.0)
    assert len(rig.watch.seen) == count
    rig.show("normal")
    assert rig.watch.wait_frames() < RECOVERED_S
    assert rig.watch.seen[count].after_gap
    assert rig.watch.states() == ["live", "frozen", "live"]
    assert rig.watch.source.stats.frozen >= 3


def half_dropped(rig: Rig) -> None:
    """Half of all pictures (motion JPEG) or packets (RTSP) never arrive."""
    if rig.kind == "mjpeg":
        rig.show("half dropped")
        rig.watch.wait_frames()
        rig.show("normal")
    else:
        rig.proxy.drop = 0.5
        time.sleep(5.0)
        rig.proxy.calm()
        assert rig.watch.source.stats.corrupt > 5
    assert rig.watch.wait_frames() < RECOVERED_S + TIMEOUT_S


def keys_dropped(rig: Rig) -> None:
    """Key frames never arrive (RTSP), and the frames that build on them do."""
    if rig.kind == "mjpeg":
        pytest.skip("each of its pictures stands for itself")
    for _ in range(3):
        rig.proxy.drop_key_frames = True
        time.sleep(1.6)
        rig.proxy.calm()
        assert rig.watch.wait_frames() < RECOVERED_S
    assert rig.watch.source.stats.corrupt > 0


def refused(rig: Rig) -> None:
    """The camera starts anew and, for three seconds, does not know our user yet."""
    rig.kill()
    if rig.kind == "mjpeg":
        rig.show("refused")
    else:
        rig.rtsp.login = ("somebody", "else")
    rig.revive()
    rig.watch.wait_state("lost")
    time.sleep(3.0)
    if rig.kind == "mjpeg":
        assert rig.mjpeg.refusals > 0
    count = len(rig.watch.seen)
    if rig.kind == "mjpeg":
        rig.show("normal")
    else:
        rig.kill()
        rig.rtsp.login = None
        rig.revive()
    assert rig.watch.wait_frames() < RECOVERED_S
    assert rig.watch.seen[count].after_gap
    assert rig.watch.source.stats.reconnects == 1


def cut(rig: Rig) -> None:
    """The connection breaks, three times, and is made again at once."""
    for i in range(3):
        if rig.kind == "mjpeg":
            rig.mjpeg.mode = "closed"
            rig.watch.wait(lambda: rig.watch.states()[-1] == "lost")
            rig.mjpeg.mode = "normal"
        else:
            rig.proxy.cut()
            rig.watch.wait(lambda: rig.watch.states()[-1] == "lost")
        assert rig.watch.wait_frames() < RECOVERED_S
        assert rig.watch.source.stats.reconnects == i + 1


SCENARIOS: dict[str, Callable[[Rig], None]] = {
    scenario.__name__: scenario
    for scenario in (
        killed, stalled, hiccup, corrupted, resized, black, frozen, half_dropped, keys_dropped,
        refused, cut,
    )
}  # fmt: skip


def play(kind: str, name: str) -> None:
    """Play a scenario, then check every frame that got through."""
    rig = Rig(kind)
    try:
        SCENARIOS[name](rig)
    finally:
        rig.close()
    watch = rig.watch
    assert watch.error is None
    assert watch.states()[-1] == "ended"
    made_up = [s for s in watch.seen if s.age_s is None]
    assert made_up == []
    oldest_s = max(s.age_s for s in watch.seen if s.age_s is not None)
    assert oldest_s < FRESH_S + (FROZEN_S if name == "frozen" else 0.0)
    spans_s = [s.span_s for s in watch.seen if s.span_s is not None]
    assert spans_s and max(spans_s) < 2.5
    assert watch.source.stats.read >= len(watch.seen)


def soak(minutes: float) -> dict[str, Any]:
    """Let two cameras fail at random while the command `har-edge run` reads both."""
    command = [sys.executable, str(SOAK), str(minutes), "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Future[Any]]]:
    """All scenarios, started together."""
    kinds = ["mjpeg"] if missing_for_rtsp() else ["mjpeg", "rtsp"]
    with ThreadPoolExecutor(6) as pool:
        started = {("command", "soak"): pool.submit(soak, 0.4)}
        yield started | {(k, n): pool.submit(play, k, n) for k in kinds for n in SCENARIOS}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_source_survives(
    kind: str, name: str, outcomes: dict[tuple[str, str], Future[Any]]
) -> None:
    if kind == "rtsp" and missing_for_rtsp():
        pytest.skip(f"needs {missing_for_rtsp()}")
    outcomes[kind, name].result(timeout=120)


def test_command_survives_random_faults(outcomes: dict[tuple[str, str], Future[Any]]) -> None:
    result = outcomes["command", "soak"].result(timeout=300)
    assert result["survived"] and result["exit_code"] == 130 and not result["tracebacks"], result
    assert result["predictions"] > 10
    assert (result["frames"]["made_up"], result["frames"]["stale"]) == (0, 0), result


@pytest.mark.slow
def test_command_survives_minutes_of_random_faults() -> None:
    assert soak(3.0)["wrong"] == []


def test_refused_login_says_so_without_the_password() -> None:
    server = MjpegServer()
    server.login = ("me", "right")
    try:
        source = LiveSource("x", partial(open_http, server.url.replace("//", "//me:wr0ng@")))
        with pytest.raises(SourceRefusedError, match="refused the user") as error:
            next(source.frames(FrameSampler(5.0)))
        assert "wr0ng" not in str(error.value)
    finally:
        server.stop()


@pytest.mark.skipif(bool(missing_for_rtsp()), reason=f"needs {missing_for_rtsp()}")
def test_refused_login_of_rtsp_says_so_without_the_password() -> None:
    server = RtspServer(("me", "right"))
    try:
        url = f"rtsp://me:wr0ng@127.0.0.1:{server.port}/cam"
        with pytest.raises(SourceRefusedError, match="refused the user") as error:
            AvStream(url)
        assert "wr0ng" not in str(error.value)
        capture = AvStream(url.replace("wr0ng", "right"))
        assert capture.grab()
        capture.close()
    finally:
        server.stop()


@pytest.mark.skipif(bool(missing_for_rtsp()), reason=f"needs {missing_for_rtsp()}")
def test_the_key_frame_that_a_camera_begins_with_is_not_lost() -> None:
    """The next one comes a minute later, long after patience is at its end."""
    server = RtspServer(key_interval=15 * 60)
    try:
        capture = AvStream(f"rtsp://127.0.0.1:{server.port}/cam")
        assert all(capture.grab() for _ in range(20))
        assert capture.corrupt == 0
        capture.close()
    finally:
        server.stop()
