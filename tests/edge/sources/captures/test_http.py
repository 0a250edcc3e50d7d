"""What is read over HTTP: motion JPEG, logins, and what a server says that it sends."""

from __future__ import annotations

import time
from email.message import Message

import pytest

from har_edge.errors import SourceError, SourceRefusedError
from har_edge.sources.captures.http import response_kind, url_kind
from har_edge.sources.captures.open import open_http
from har_edge.sources.live.source import LiveSource
from har_edge.sources.open import open_source
from tests.support.chaos import pattern
from tests.support.chaos.mjpeg_server import MjpegServer
from tests.support.chaos.watch import free_port


@pytest.mark.parametrize("announced", [True, False])
def test_motion_jpeg_over_http(camera: MjpegServer, announced: bool) -> None:
    camera.announced = announced
    capture = open_http(camera.url)
    for _ in range(5):
        assert capture.grab()
        pixels = capture.retrieve()
        assert pixels is not None
        stamp = pattern.read(pixels)
        assert stamp is not None and pattern.age_s(stamp) < 2.0
    capture.close()
    assert capture.corrupt == 0


@pytest.mark.parametrize("digest", [False, True])
def test_login_over_http(camera: MjpegServer, digest: bool) -> None:
    camera.login, camera.digest = ("me", "p@ss:w"), digest
    url = camera.url.replace("//", "//me:p%40ss%3Aw@")
    capture = open_http(url)
    assert capture.grab()
    capture.close()
    for wrong in (camera.url, url.replace("w@", "x@")):
        with pytest.raises(SourceRefusedError, match="refused the user") as error:
            open_http(wrong)
        assert "p%40ss" not in str(error.value)
    assert camera.refusals <= 4  # one to be asked, one for the wrong password


def test_server_that_is_not_there() -> None:
    with pytest.raises(SourceError, match=r"cannot be reached: .*refused") as error:
        open_http(f"http://me:geheim@127.0.0.1:{free_port()}/cam")
    assert "geheim" not in str(error.value)


def test_only_damaged_pictures_end_the_connection(camera: MjpegServer) -> None:
    capture = open_http(camera.url, 1.0)
    camera.mode = "cut off"
    started_s = time.monotonic()
    with pytest.raises(SourceError, match=r"no whole picture for 1 s.*--stall-timeout"):
        while capture.grab():
            assert time.monotonic() - started_s < 5.0
    assert capture.corrupt > 3
    capture.close()


def test_motion_jpeg_is_recognised_as_live(camera: MjpegServer) -> None:
    source = open_source(camera.url)
    assert isinstance(source, LiveSource) and source.live
    assert url_kind(camera.url) == "mjpeg"


@pytest.mark.parametrize(
    ("kind", "length", "expected"),
    [
        ("multipart/x-mixed-replace; boundary=x", None, "mjpeg"),
        ("image/jpeg", "100", "picture"),
        ("video/mp4", "100", "video"),
        ("application/octet-stream", "100", "video"),
        ("video/mp2t", None, "stream"),
        ("application/vnd.apple.mpegurl", "100", "stream"),
        ("application/x-mpegURL", "100", "stream"),
        ("application/dash+xml", "100", "stream"),
    ],
)
def test_what_a_server_sends(kind: str, length: str | None, expected: str) -> None:
    headers = Message()
    headers["Content-Type"] = kind
    if length:
        headers["Content-Length"] = length
    assert response_kind(headers) == expected
