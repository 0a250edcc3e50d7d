"""Which capture reads an address: motion JPEG over HTTP, or FFmpeg with or without PyAV."""

from __future__ import annotations

from har_edge.frames.ffmpeg import has_av
from har_edge.sources.captures.base import Capture
from har_edge.sources.captures.hosts import check_host
from har_edge.sources.captures.http import HttpMjpegCapture, open_url, response_kind
from har_edge.sources.captures.network import TIMEOUT_S
from har_edge.sources.captures.opencv import OpenCvStream
from har_edge.sources.captures.pyav import AvStream
from har_edge.sources.captures.whole_frames import KnownParameters


def open_stream(
    url: str, timeout_s: float = TIMEOUT_S, known: KnownParameters | None = None
) -> Capture:
    """Open a stream with PyAV where it is installed, else with OpenCV; see `AvStream`.

    Raises:
        SourceError: if there is no such host, or it gives no stream.
    """
    check_host(url)
    return AvStream(url, timeout_s, known) if has_av() else OpenCvStream(url, timeout_s)


def open_http(
    url: str, timeout_s: float = TIMEOUT_S, known: KnownParameters | None = None
) -> Capture:
    """Open a live stream over HTTP: motion JPEG by its own reader, others as `open_stream` does."""
    response = open_url(url, timeout_s)
    if response_kind(response.headers) == "mjpeg":
        return HttpMjpegCapture(response, timeout_s)
    response.close()
    return open_stream(url, timeout_s, known)
