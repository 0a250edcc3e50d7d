"""Live sources by their names: cameras, streams and pipes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from har_edge.config import LiveOptions
from har_edge.errors import SourceError
from har_edge.sources.base import Notify
from har_edge.sources.captures.base import Capture
from har_edge.sources.captures.pipe import PipeCapture
from har_edge.sources.live.source import LiveSource
from har_edge.sources.urls import check_address, is_url, lower_scheme, redact, redact_name


def open_live(
    name: str, options: LiveOptions | None = None, *, notify: Notify | None = None
) -> LiveSource:
    """Describe a camera or a stream by its name; see `sources.open_source`.

    Raises:
        SourceError: if the name is none of either.
    """
    from har_edge.sources.captures.camera import CameraCapture, PicameraCapture
    from har_edge.sources.captures.network import TIMEOUT_S
    from har_edge.sources.captures.open import open_http, open_stream
    from har_edge.sources.captures.whole_frames import KnownParameters

    kind, _, rest = name.partition(":")
    open_capture: Callable[[], Capture]
    if name.startswith("/dev/") or (kind == "camera" and rest):
        open_capture = partial(CameraCapture, name if name.startswith("/dev/") else rest)
    elif kind == "picamera" and rest.isdecimal():
        open_capture = partial(PicameraCapture, int(rest))
    elif is_url(name):
        check_address(name)
        name = lower_scheme(name)
        http = kind.lower() in ("http", "https")
        # The network's own limit must not cut a slow camera off before ours does.
        timeout_s = max(TIMEOUT_S, (options or LiveOptions()).stall_timeout_s)
        opener = open_http if http else open_stream
        open_capture = partial(opener, name, timeout_s, KnownParameters())
    else:
        raise SourceError(
            f"{redact_name(name)} names no camera and no stream. Expected camera:N, picamera:N, "
            "/dev/videoN or a URL."
        )
    return LiveSource(redact(name), open_capture, options or LiveOptions(), notify=notify)


def live_pipe(
    name: str,
    capture: PipeCapture,
    options: LiveOptions | None = None,
    *,
    notify: Notify | None = None,
) -> LiveSource:
    """Take a pipe for a live source: the newest frame only, at the time of its arrival.

    A silent pipe is not lost: it cannot be opened again, and its writer is still there.
    """
    patient = replace(options or LiveOptions(), stall_timeout_s=math.inf)
    return LiveSource(name, lambda: capture, patient, notify=notify)
