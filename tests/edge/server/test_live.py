"""The server's live source: a camera that speaks motion JPEG on this machine."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.model.loaded import load_model  # noqa: E402
from har_edge.recognition.decide import Decider  # noqa: E402
from har_edge.run.lanes import SourceOpener  # noqa: E402
from har_edge.run.runner import Run  # noqa: E402
from har_edge.server.live import LiveSession  # noqa: E402
from har_edge.sinks.fan_out import FanOut  # noqa: E402
from har_edge.sinks.totals import Totals  # noqa: E402
from har_edge.sources.base import FrameSource, Notify, SourceStatus  # noqa: E402
from har_edge.sources.captures.mjpeg import JpegSplitter, decode_jpeg  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.serving import Serving, serving, wait_for  # noqa: E402

# Every prediction is an action, from its first frame on.
OPTIONS = ("--score-threshold", "0", "--smoothing", "0", "--min-duration", "0")


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    found = MjpegServer()
    found.size = (800, 600)
    yield found
    if found.running:
        found.stop()


@pytest.fixture(scope="module")
def server(camera: MjpegServer) -> Iterator[Serving]:
    model = ("--model", ASSETS / "tiny-int8.tflite")
    with serving(camera.url, *model, *OPTIONS, "--stall-timeout", "1") as running:
        yield running


@pytest.fixture(autouse=True)
def source_is_live(server: Serving, camera: MjpegServer) -> None:
    if not camera.running:
        camera.start()
    wait_for(lambda: httpx.get(f"{server.url}/ready").status_code == 200)


def test_what_happens_is_kept_and_told_elsewhere(camera: MjpegServer, tmp_path: Path) -> None:
    """The same sinks as those of `run`, here files and a web server."""
    told: Queue[dict[str, Any]] = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listener = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{listener.server_port}/"
    model = ("--model", ASSETS / "tiny-int8.tflite")
    sinks = ("--webhook", url, "--save-events", tmp_path / "clips", "--min-duration", "0.3")
    with serving(camera.url, *model, *OPTIONS, *sinks, "--totals", tmp_path / "totals.db"):
        while "event" not in (first := told.get(timeout=20)):  # states come too
            pass
        assert first["event"] == "action_started"
        time.sleep(1)
    listener.shutdown()
    listener.server_close()
    assert Totals(tmp_path / "totals.db", pytest.fail).days()
    found = {path.name: path.stat().st_size for path in (tmp_path / "clips").rglob("*.m*")}
    assert found and all(found.values()), found


def test_sinks_without_a_live_source_are_named(tmp_path: Path) -> None:
    with serving("--totals", tmp_path / "totals.db") as running:
        assert httpx.get(f"{running.url}/health").status_code == 200
    assert not (tmp_path / "totals.db").exists()


def test_head_of_a_stream_ends(server: Serving) -> None:
    for path, kind in (("/events/stream", "text/event-stream"), ("/live.mjpg", "multipart/")):
        answer = httpx.head(server.url + path, timeout=10)
        assert answer.headers["content-type"].startswith(kind)


def messages(server: Serving, **headers: str) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """Server-sent events, read as the standard says: kind, data, id."""
    url = f"{server.url}/events/stream"
    with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], json.loads(fields["data"]), fields.get("id")
                fields = {}


def test_tells_the_present(server: Serving, camera: MjpegServer) -> None:
    wait_for(lambda: httpx.get(f"{server.url}/live").json()["fps"] > 0)
    live = httpx.get(f"{server.url}/live").json()
    assert live["source"] == camera.url
    assert live["state"] == "live"
    assert live["action"] in httpx.get(f"{server.url}/classes").json()["classes"]
    assert 0 < live["confidence"] <= 1
    assert live["age_ms"] < 5000
    at_s, action, confidence = live["history"][-1]
    assert abs(at_s - time.time()) < 10
    assert action and 0 < confidence <= 1
    assert sum(live["totals_today"].values()) > 0
    assert httpx.get(f"{server.url}/health").json()["live"]


def test_streams_predictions_not_too_often(server: Serving) -> None:
    found = messages(server)
    kind, status, _ = next(found)
    assert (kind, status["status"]) == ("status", "live")
    started_s = time.monotonic()
    told = [data for kind, data, _ in islice(found, 20) if kind == "prediction"]
    assert len(told) <= 2 + 7 * (time.monotonic() - started_s)
    assert told[0].keys() >= {
        "action", "confidence", "all_predictions", "age_ms", "latency_ms", "fps", "time",
    }  # fmt: skip


def test_a_lost_source_is_told_and_ends_the_action(server: Serving, camera: MjpegServer) -> None:
    last = httpx.get(f"{server.url}/events?last=1").json()["events"]
    told = messages(server)
    next(told)
    camera.stop()
    seen: dict[str, dict[str, Any]] = {}
    for kind, data, _ in told:
        seen[kind if kind != "status" else data["status"]] = data
        if "lost" in seen and "action_ended" in seen:
            break
    assert seen["action_ended"]["id"] > (last[-1]["id"] if last else 0)
    assert seen["action_ended"]["duration_s"] >= 0
    assert httpx.get(f"{server.url}/live").json()["state"] == "lost"
    wait_for(lambda: httpx.get(f"{server.url}/ready").status_code == 503)
    assert httpx.get(f"{server.url}/health").status_code == 200
    camera.start()
    assert any(kind == "action_started" for kind, _, _ in told)


def test_an_answer_ends_with_what_it_was_about() -> None:
    """A window takes a while to fill after a break; until then there is no answer."""
    camera = MjpegServer()
    no_answer = {"action": None, "confidence": None, "age_ms": None, "all_predictions": []}

    def live() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{server.url}/live").json()
        return found

    def is_without_answer(told: Iterator[tuple[str, dict[str, Any], str | None]]) -> str:
        """Wait for the next state that is live, and give its detail."""
        detail = next(
            d["detail"] for kind, d, _ in told if kind == "status" and d["status"] == "live"
        )
        now = live()
        assert {name: now[name] for name in no_answer} == no_answer
        assert now["state"] == "live"
        assert httpx.get(f"{server.url}/ready").status_code == 200  # the picture is of now
        wait_for(lambda: live()["action"] is not None)
        assert live()["detail"] == ""  # what it told is past
        return str(detail)

    with serving(camera.url, "--model", "clips") as server:
        wait_for(lambda: live()["action"] is not None)
        told = messages(server)
        next(told)
        camera.size = (640, 480)
        assert "size changed" in is_without_answer(told)
        camera.mode = "stalled"  # not so long that it were lost
        time.sleep(2)
        camera.mode = "normal"
        assert is_without_answer(told) == ""
        camera.stop()
        wait_for(lambda: live()["state"] == "lost")
        camera.start()
        assert "again" in is_without_answer(told)
    camera.stop()


def test_events_are_paged_and_resumed(server: Serving, camera: MjpegServer) -> None:
    def events(**query: int) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{server.url}/events", params=query).json()
        return answer

    camera.stop()
    wait_for(lambda: httpx.get(f"{server.url}/live").json()["state"] == "lost")
    camera.start()
    wait_for(lambda: len(events()["events"]) >= 3)
    everything = events(limit=1000)["events"]
    ids = [event["id"] for event in everything]
    assert ids == list(range(1, len(ids) + 1))
    first = events(limit=2)
    assert (len(first["events"]), first["next_after"]) == (2, 2)
    assert events(after=first["next_after"], limit=1)["events"][0]["id"] == 3
    assert events(last=1)["events"][0]["id"] >= ids[-1]
    assert events(after=10**9)["events"] == []
    resumed = (item for item in messages(server, **{"Last-Event-ID": "1"}) if item[2])
    kind, data, number = next(resumed)
    assert (number, kind) == ("2", everything[1]["event"])
    assert data == everything[1]


def test_shows_pictures(server: Serving) -> None:
    splitter, pictures = JpegSplitter(), []
    started_s = time.monotonic()
    with httpx.stream("GET", f"{server.url}/live.mjpg", timeout=20) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        for chunk in answer.iter_raw():
            pictures += splitter.feed(chunk)
            if len(pictures) >= 5:
                break
    assert len(pictures) <= 1 + 11 * (time.monotonic() - started_s)
    for data in pictures:
        assert data is not None
        pixels = decode_jpeg(data)
        assert pixels is not None
        assert pixels.shape == (480, 640, 3)
    assert len(set(pictures)) > 1


def test_viewers_are_bounded_and_forgotten(server: Serving) -> None:
    gauge = "har_edge_live_viewers 0.0"
    # A test before this one may have left a viewer that the server has yet to miss.
    wait_for(lambda: gauge in httpx.get(f"{server.url}/metrics").text)
    connections = [server.connect() for _ in range(17)]
    try:
        answers = []
        for connection in connections:
            connection.sendall(b"GET /live.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answers.append(connection.recv(20))
    finally:
        for connection in connections:
            connection.close()
    assert [answer[9:12] for answer in answers] == [b"200"] * 16 + [b"429"]
    wait_for(lambda: gauge in httpx.get(f"{server.url}/metrics").text)
    assert httpx.get(f"{server.url}/live").json()["state"] == "live"


def test_streams_end_with_the_server(camera: MjpegServer) -> None:
    with serving(camera.url) as server:
        told = messages(server)
        next(told)
        server.process.terminate()
        started_s = time.monotonic()
        list(told)
        server.process.wait(10)
    assert time.monotonic() - started_s < 8


def test_waits_for_a_camera_that_is_not_there_yet() -> None:
    late = MjpegServer()
    late.stop()
    with serving(late.url) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert httpx.get(f"{server.url}/ready").status_code == 503
        live = httpx.get(f"{server.url}/live").json()
        assert (live["state"], live["action"]) == ("lost", None)
        late.start()
        wait_for(lambda: httpx.get(f"{server.url}/ready").status_code == 200)
    late.stop()


def test_keeps_totals_across_restarts(camera: MjpegServer, tmp_path: Any) -> None:
    file = tmp_path / "totals.db"

    def seconds(server: Serving) -> float:
        return sum(httpx.get(f"{server.url}/live").json()["totals_today"].values())

    with serving(camera.url, *OPTIONS, "--totals", file) as server:
        wait_for(lambda: seconds(server) > 1)
    assert Totals(file, pytest.fail).days()
    with serving(camera.url, *OPTIONS, "--totals", file) as server:
        assert seconds(server) > 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_does_not_look_like_a_camera_that_is_there() -> None:
    def open_it(notify: Notify) -> FrameSource:
        notify(SourceStatus("camera:0", "live", time.time()))
        raise ZeroDivisionError

    def run(session: LiveSession) -> bool:
        model = load_model(ASSETS / "tiny-int8.tflite")
        decider = partial(Decider.for_spec, model.spec)
        opener = SourceOpener("camera:0", open_it, apart=True)
        run = Run(model=model, sinks=session, note=pytest.fail, new_decider=decider)
        return bool(run([opener]).failed)

    async def watch() -> None:
        session = LiveSession("camera:0", run, FanOut([]), pytest.fail)
        session.start()
        await asyncio.to_thread(wait_for, lambda: session.state == "ended")
        assert "internal error" in session.snapshot()["detail"]

    asyncio.run(watch())
