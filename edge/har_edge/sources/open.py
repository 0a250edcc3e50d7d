"""Open a source by its name: stills, video files and pipes, or cameras and streams (`live`).

Every source yields RGB frames with timestamps, already thinned to the model's rate. Files
and pipes are read in full; of a camera or a stream only the newest frame is kept, so that
latency stays bounded.
"""

from __future__ import annotations

import os
from pathlib import Path

from har_edge.config import LiveOptions, StdinFormat
from har_edge.errors import SourceError, SourceRefusedError
from har_edge.paths import SAMPLES
from har_edge.sources.base import Notify, OpenSource
from har_edge.sources.files import open_file
from har_edge.sources.pipe import PipeSource
from har_edge.sources.urls import check_address, is_url, lower_scheme


def open_source(
    name: str | os.PathLike[str],
    *,
    options: LiveOptions | None = None,
    notify: Notify | None = None,
    stdin_format: StdinFormat | None = None,
) -> OpenSource:
    """Open a source by its name.

    Args:
        name: A still or a video file, `camera:N`, `camera:/dev/videoN`, `/dev/videoN`,
            `picamera:N`, an http, rtsp or rtmp URL, or `-` for standard input.
        options: For live sources: time limits and retries.
        notify: For live sources: called with state changes, on the thread that iterates frames.
        stdin_format: Format of standard input; pictures at 25 frames/s if None.

    Returns:
        The source; a `with` block stops it at its end.

    Raises:
        SourceError: if it is missing, of an unknown kind, or cannot be opened. Cameras and
            streams are opened by their `frames`, which raises this in their case.

    Example:
        >>> import har_edge
        >>> with har_edge.open_source(har_edge.sample_path("falling.mp4")) as source:
        ...     source.live, round(source.duration_s, 1)
        (False, 4.0)
    """
    text = os.fspath(name)
    kind = text.partition(":")[0]
    if is_url(text):
        check_address(text)
        text = lower_scheme(text)
    if text == "-":
        return _open_stdin(stdin_format, options, notify)
    if is_url(text) or kind in ("camera", "picamera") or text.startswith("/dev/video"):
        from har_edge.sources.live.open import open_live

        if kind.lower() in ("http", "https"):
            finite = _open_finite_url(text, notify, wait=bool(options and options.wait_for_source))
            if finite is not None:
                return finite
        return open_live(text, options, notify=notify)
    source = open_file(text, notify)
    if Path(text).resolve().parent == SAMPLES:  # where a package lies is of no interest
        source.name = Path(text).name
    return source


def _open_finite_url(url: str, notify: Notify | None, *, wait: bool) -> OpenSource | None:
    """Open a picture or a video file on a server; None if the URL is a live stream."""
    from har_edge.sources.captures.http import url_kind
    from har_edge.sources.web_files import UrlImageSource, UrlVideoSource

    try:
        kind = url_kind(url)
    except SourceRefusedError:
        raise
    except SourceError:
        if wait:  # what is not there yet is taken for a camera
            return None
        raise
    if kind == "picture":
        return UrlImageSource(url)
    return UrlVideoSource(url, notify) if kind == "video" else None


def _open_stdin(
    form: StdinFormat | None,
    options: LiveOptions | None,
    notify: Notify | None,
) -> OpenSource:
    from har_edge.sources.captures.pipe import PipeCapture

    form = form or StdinFormat()
    capture = PipeCapture(0, form)
    if form.frame_rate_hz is not None:
        return PipeSource("-", capture, form.frame_rate_hz)
    from har_edge.sources.live.open import live_pipe

    return live_pipe("-", capture, options, notify=notify)
