"""Webhooks against a real server that fails, hangs, redirects and comes back."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from har_edge.errors import OutputError
from har_edge.recognition.events import Event
from har_edge.recognition.visits import Visit
from har_edge.sinks.queue import SinkQueue
from har_edge.sinks.webhook import WebhookSink
from har_edge.sources.base import SourceStatus
from tests.support import records

SOON_S = 20.0


class Server:
    """Notes every request; answers by `plan`, one code a request, then 204."""

    def __init__(self, port: int = 0) -> None:
        outer = self
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.plan: list[int | str] = []
        self.release = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers), body))
                answer = outer.plan.pop(0) if outer.plan else 204
                if answer == "hang":
                    outer.release.wait(SOON_S)
                    answer = 500
                elif answer == "break":
                    self.connection.close()
                    return
                self.send_response(int(answer))
                if answer == 503:
                    self.send_header("Retry-After", "1")
                if answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=s3cret"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def numbers(self) -> list[int]:
        return [body["number"] for _, _, body in self.requests]

    def close(self) -> None:
        self.release.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("har_edge.backoff.FIRST_RETRY_S", 0.05)
    monkeypatch.setattr("har_edge.sinks.queue.LONGEST_RETRY_S", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def event(number: int) -> Event:
    ended = records.event(number, "action_ended", 1.0, 3.5, action="falling", start_at_s=1e9)
    return replace(ended, confidence=0.875)


def send(
    url: str, count: int, *, timeout_s: float = 10.0, **options: Any
) -> tuple[SinkQueue, list[str]]:
    notes: list[str] = []
    queue = SinkQueue(WebhookSink(url, timeout_s=timeout_s), note=notes.append, **options)
    for number in range(1, count + 1):
        queue.put(event(number), wait=False)
    return queue, notes


def wait_for(condition: Callable[[], Any]) -> None:
    until_s = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < until_s, "waited in vain"
        time.sleep(0.01)


def test_events_and_states_arrive_as_json(server: Server) -> None:
    queue, notes = send(server.url, 1)
    queue.put(SourceStatus("camera:0", "lost", 1e9, "No frame for 10 s."), wait=False)
    queue.put(Visit("zone_entered", 2, "camera:0", "bed", 1, 1.5), wait=False)
    assert queue.close(SOON_S).delivered == 3
    (path, headers, told), (_, _, status), (_, _, visit) = server.requests
    assert (visit["event"], visit["zone"], visit["person"]) == ("zone_entered", "bed", 1)
    assert path == "/hook?key=s3cret"
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == told["id"] != status["id"]
    assert (told["event"], told["action"], told["duration_s"]) == ("action_ended", "falling", 2.5)
    assert (status["status"], status["detail"]) == ("lost", "No frame for 10 s.")
    assert notes == []


def test_order_is_kept_through_failures(server: Server) -> None:
    server.plan = [500, "break", 204, 429, 408, 204, 503]
    queue, notes = send(server.url, 5)
    started = time.monotonic()
    stats = queue.close(SOON_S)
    assert (stats.delivered, str(stats)) == (5, "")
    assert server.numbers() == [1, 1, 1, 2, 2, 2, 3, 3, 4, 5]
    keys = [headers["Idempotency-Key"] for _, headers, _ in server.requests]
    assert len(set(keys)) == 5  # the same event, the same key
    assert [keys.index(key) for key in keys] == [0, 0, 0, 3, 3, 3, 6, 6, 8, 9]
    assert time.monotonic() - started >= 0.05  # it did wait between tries
    assert "is busy or broken: it answered 500" in notes[0]
    assert not any("s3cret" in note for note in notes)


def test_a_server_that_hangs_is_tried_again(server: Server) -> None:
    server.plan = ["hang"]
    queue, notes = send(server.url, 3, timeout_s=0.3)
    assert queue.close(SOON_S).delivered == 3
    assert server.numbers() == [1, 1, 2, 3]
    assert "timed out" in notes[0]


def test_a_server_that_comes_back_gets_what_waited() -> None:
    first = Server()
    port = first.port
    first.close()
    queue, notes = send(f"http://127.0.0.1:{port}/", 5)
    wait_for(lambda: notes)
    server = Server(port)
    try:
        wait_for(lambda: server.numbers() == [1, 2, 3, 4, 5])
        assert queue.close().delivered == 5
    finally:
        server.close()
    assert "cannot be reached: [Errno 111] Connection refused" in notes[0]
    assert "accepts records again" in notes[1]


def test_a_dead_server_is_bounded_and_counted() -> None:
    first = Server()
    first.close()
    queue, notes = send(first.url, 100, max_kept=10)
    stats = queue.close(timeout_s=0.5)
    assert stats.overflowed in (89, 90)  # one may be in the sink's hand
    assert stats.overflowed + stats.left == 100
    assert "vents and states displaced by newer ones" in notes[-1]
    assert not any("s3cret" in note for note in notes)


def test_what_a_server_refuses_is_lost_alone(server: Server) -> None:
    server.plan = [204, 400, 204, 302]
    queue, notes = send(server.url, 5)
    stats = queue.close(SOON_S)
    assert server.numbers() == [1, 2, 3, 4, 5]
    assert {path for path, _, _ in server.requests} == {"/hook?key=s3cret"}  # not redirected
    assert (stats.delivered, stats.refused) == (3, 2)
    assert "did not accept an event: it answered 400 Bad Request" in notes[0]
    assert "address that it redirects to" in notes[1]


def test_credentials_are_sent_and_never_shown(server: Server) -> None:
    url = server.url.replace("http://", "http://ann:p%40ss@")
    server.plan = [401]
    queue, notes = send(url, 2)
    queue.close(SOON_S)
    expected = "Basic " + base64.b64encode(b"ann:p@ss").decode()
    assert [headers["Authorization"] for _, headers, _ in server.requests] == [expected] * 2
    shown = queue.sink.name + "".join(notes)
    assert "401" in shown
    assert not any(secret in shown for secret in ("p@ss", "p%40ss", "ann", "s3cret", "/hook"))


@pytest.mark.parametrize(
    "url",
    [
        "box/hook",
        "ftp://ann:s3cret@box/",
        "https://ann:s3cret@/x",
        "http://ann:s3cret@box:port/",
        "file:///etc/passwd",
    ],
)
def test_unusable_addresses(url: str) -> None:
    with pytest.raises(OutputError, match="Expected http") as error:
        WebhookSink(url)
    assert "s3cret" not in str(error.value)


def test_a_piece_of_a_password_is_not_shown_as_the_host() -> None:
    assert "geheim" not in WebhookSink("http://me:p@geheim#1@10.0.0.9/x").name
