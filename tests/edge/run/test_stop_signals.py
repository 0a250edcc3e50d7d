"""Signals: the first ends a run and lets its outputs be closed, the second kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from har_edge.run.stop_signals import stop_signals
from tests.conftest import ASSETS, MakeVideo

MODEL = ASSETS / "tiny-int8.tflite"


def test_the_first_of_a_kind_is_noted_the_next_acts_as_usual() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    hurries: list[None] = []
    with stop_signals(lambda: hurries.append(None)) as stop:
        assert stop.number is None
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.number == signal.SIGTERM
        assert len(hurries) == 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def look() -> None:
        with stop_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


class SlowHook(ThreadingHTTPServer):
    """A web server that takes two seconds for each event, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, object]] = []
        self.asked = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if "event" in body:  # states come too
                    server.asked.set()
                    time.sleep(2)
                    server.told.append(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def hook() -> Iterator[SlowHook]:
    with SlowHook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def start(make_video: MakeVideo, hook: SlowHook) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run over a video that is read long before its events are told."""
    processes: list[subprocess.Popen[str]] = []
    video = make_video()

    def run(folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "har_edge", "run", str(video), "--model", str(MODEL)]
        command += ["--webhook", f"http://127.0.0.1:{hook.server_port}", "--min-duration", "0"]
        command += ["--score-threshold", "0", "--output", str(folder / "out.jsonl")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_sinks_close_lets_them_write(
    start: Callable[..., subprocess.Popen[str]],
    hook: SlowHook,
    tmp_path: Path,
    number: int,
    code: int,
) -> None:
    process = start(tmp_path)
    assert hook.asked.wait(60)
    time.sleep(0.5)  # the file is read by now, the first event is still being told
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == code, complaints
    assert [event["event"] for event in hook.told][:2] == ["action_started", "action_ended"]
    assert "Traceback" not in complaints
    assert "predictions from" in complaints


def test_the_second_signal_kills(
    start: Callable[..., subprocess.Popen[str]], hook: SlowHook, tmp_path: Path
) -> None:
    process = start(tmp_path)
    assert hook.asked.wait(60)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(1.5) == -signal.SIGTERM
    assert hook.told == []
