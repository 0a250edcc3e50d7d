"""How FFmpeg should read streams, through PyAV as through OpenCV."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

# Over TCP, so that a crowded network delays packets but loses
# none, and without a queue of its own.
STREAM_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer+discardcorrupt",
    "flags": "low_delay",
}
OPENCV_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"

_options_lock = threading.Lock()


@contextlib.contextmanager
def opencv_stream_options() -> Iterator[None]:
    """Set FFmpeg's options for streams, unless the user has set others; files keep their own."""
    with _options_lock:
        if OPENCV_OPTIONS in os.environ:
            yield
            return
        os.environ[OPENCV_OPTIONS] = "|".join(f"{k};{v}" for k, v in STREAM_OPTIONS.items())
        try:
            yield
        finally:
            del os.environ[OPENCV_OPTIONS]


def av_options(url: str) -> dict[str, str]:
    """FFmpeg's options for a stream that PyAV reads; those that the user has set come first."""
    # The queue puts packets in order; with one, FFmpeg says when any is missing.
    options = {"reorder_queue_size": "4", **STREAM_OPTIONS, "fpsprobesize": "0"}
    if url.lower().startswith(("rtsp", "rtmp")):
        # These say first what they send; there is no need to watch them for five seconds. What is
        # watched is kept: many cameras begin with a key frame, and some send the next one only
        # after ten seconds. Other streams are watched for so long that it would be old.
        options["analyzeduration"] = "500000"  # microseconds
        options["fflags"] = "discardcorrupt"
    return options | _user_options()


def _user_options() -> dict[str, str]:
    """Read FFmpeg's options as OpenCV does, `key;value|key;value`, so that one setting does."""
    pairs = (entry.partition(";") for entry in os.environ.get(OPENCV_OPTIONS, "").split("|"))
    return {key: value for key, _, value in pairs if key}
