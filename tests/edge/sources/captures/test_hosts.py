"""Looking up the hosts of streams."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.hosts import check_host
from har_edge.sources.open import open_source


@pytest.mark.parametrize(
    "url", ["rtsp://127.0.0.1/x", "rtsp://me:secret@localhost:554/", "rtsp://[::1]/", "rtsp:///x"]
)
def test_hosts_that_are_there_and_none_at_all(url: str) -> None:
    check_host(url)


def test_a_wrong_name_is_said_by_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(host: str, port: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    source = open_source("rtsp://me:secret@camra/x")
    with pytest.raises(SourceError, match="there is no host 'camra'") as caught:
        list(source.frames(FrameSampler(5.0)))
    assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="there is no host"):
        check_host("rtsp://" + 70 * "a" + "/x")


def test_a_slow_look_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: ended.wait(30))
    started_s = time.monotonic()
    check_host("rtsp://camera/x", timeout_s=0.1)
    assert time.monotonic() - started_s < 10
    ended.set()
