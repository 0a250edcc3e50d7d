"""What an upload may cost a worker: frames, time, and nothing when nobody waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.config import RequestLimits  # noqa: E402
from har_edge.errors import SourceError  # noqa: E402
from har_edge.server.answers import LimitedSampler  # noqa: E402
from tests.conftest import ASSETS, MakeVideo  # noqa: E402
from tests.support.hostile import growing_clip, slow_clip, standing_clip  # noqa: E402
from tests.support.processes import end_of, family_of  # noqa: E402
from tests.support.serving import PICTURE, Serving, encode_picture, serving, wait_for  # noqa: E402

MODEL = ("--model", ASSETS / "tiny-int8.tflite", "--workers", "1")
IN_HAND = "har_edge_uploads_in_progress 1.0"


@pytest.fixture(scope="module")
def long_clip() -> bytes:
    """A clip that takes a worker some seconds."""
    return slow_clip()


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(*MODEL, "--max-frames", "40") as running:
        yield running


def send(server: Serving, content: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", files={"file": ("x", content)}, timeout=60)


def test_every_frame_counts(server: Serving, make_video: MakeVideo) -> None:
    assert send(server, make_video(count=40).read_bytes()).status_code == 200
    for content in (make_video(count=60).read_bytes(), standing_clip(50)):
        answer = send(server, content)
        assert answer.status_code == 422, answer.text
        assert "at most 40 frames" in answer.json()["detail"]


def test_frames_that_grow_are_refused(server: Serving) -> None:
    answer = send(server, growing_clip())
    assert answer.status_code == 422, answer.text
    assert send(server, PICTURE.read_bytes()).status_code == 200


def test_time_is_asked_for_at_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("har_edge.server.answers.time.monotonic", lambda: now_s)
    sampler = LimitedSampler(5.0, RequestLimits(request_timeout_s=3.0), "The clip")
    assert sampler.takes(0.0)
    for _ in range(100):  # none of them is taken
        assert not sampler.takes(0.0)
    now_s = 1003.5
    with pytest.raises(SourceError, match="within 3 s"):
        sampler.takes(0.0)


def test_frames_count_against_the_longest_clip() -> None:
    sampler = LimitedSampler(5.0, RequestLimits(max_clip_s=1.0), "The clip")
    with pytest.raises(SourceError, match="at most 1 s"):
        for _ in range(1000):
            sampler.takes(0.0)


def worker(server: Serving) -> int:
    """The process that looks into uploads; the last of the family."""
    wait_for(lambda: len(family_of(server.process.pid)) == 3)
    return family_of(server.process.pid)[-1]


def test_a_worker_is_free_when_its_time_is_over(long_clip: bytes) -> None:
    with serving(*MODEL, "--request-timeout", "1") as server:
        before = worker(server)
        answer = send(server, long_clip)
        assert answer.status_code in (422, 503)
        if answer.status_code == 503:
            wait_for(lambda: end_of(before))
        assert send(server, encode_picture("PNG", (8, 8))).status_code == 200


def test_a_worker_is_free_when_nobody_waits(long_clip: bytes) -> None:
    with serving(*MODEL) as server:
        before = worker(server)
        leave_early(server, long_clip)
        wait_for(lambda: end_of(before))
        assert send(server, PICTURE.read_bytes()).status_code == 200


def leave_early(server: Serving, content: bytes) -> None:
    """Send a clip, and go while it is looked into."""
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = form + content + b"\r\n--x--\r\n"
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; "
        f"boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with server.connect() as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.5)


def test_nothing_is_left_of_a_server_that_is_killed(
    long_clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serving(*MODEL) as server:
        worker(server)
        family = family_of(server.process.pid)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(send, server, long_clip)
            gauge = f"{server.url}/metrics"
            wait_for(lambda: IN_HAND in httpx.get(gauge, timeout=20).text or asked.done())
            server.process.kill()
            with contextlib.suppress(httpx.HTTPError):
                asked.result(20)
        wait_for(lambda: all(map(end_of, family)))
        assert list(tmp_path.iterdir()) == []
