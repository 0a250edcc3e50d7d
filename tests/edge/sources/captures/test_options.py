"""FFmpeg's options for streams, which leave the user's alone."""

from __future__ import annotations

import contextlib
import os

import pytest

from har_edge.errors import SourceError
from har_edge.sources.captures.opencv import OpenCvStream
from har_edge.sources.captures.options import OPENCV_OPTIONS
from tests.support.chaos.watch import free_port


def test_streams_leave_the_users_options_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.suppress(SourceError):
        OpenCvStream(f"rtsp://127.0.0.1:{free_port()}/cam")
    assert OPENCV_OPTIONS not in os.environ
    monkeypatch.setenv(OPENCV_OPTIONS, "rtsp_transport;udp")
    with contextlib.suppress(SourceError):
        OpenCvStream(f"rtsp://127.0.0.1:{free_port()}/cam")
    assert os.environ[OPENCV_OPTIONS] == "rtsp_transport;udp"
