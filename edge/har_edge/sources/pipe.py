"""Frames that another program writes into a pipe."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import OpenSource

if TYPE_CHECKING:
    from har_edge.sources.captures.pipe import PipeCapture


class PipeSource(OpenSource):
    """Frames that another program writes at a rate it states: all are read, none is dropped.

    Reading waits for the model, and the pipe makes the writing program wait in turn, so a video
    that is decoded faster than real time is neither thinned out nor queued in memory.
    """

    live = False
    duration_s: float | None = None

    def __init__(self, name: str, capture: PipeCapture, frame_rate_hz: float) -> None:
        self.name = name
        self._capture = capture
        self._frame_rate_hz = frame_rate_hz

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes, of those that are whole.

        Raises:
            SourceError: if there is none in all of the pipe.
        """
        capture, count, whole = self._capture, 0, False
        started = time.perf_counter()
        while capture.grab():
            # Damaged frames had their time, too.
            index = count + capture.corrupt
            count += 1
            timestamp_s = index / self._frame_rate_hz
            if not sampler.takes(timestamp_s):
                continue
            pixels = capture.retrieve()
            if pixels is None:
                continue
            whole = True
            decode_ms = (time.perf_counter() - started) * 1e3
            yield Frame(pixels, timestamp_s, index, self.name, decode_ms)
            started = time.perf_counter()
        if not whole and not capture.closed:
            raise SourceError(
                f"{self.name} held no whole frame. Pipe pictures into it (or see --stdin-format): "
                "ffmpeg -i VIDEO -q:v 3 -r 25 -f mjpeg - | har-edge run -"
            )

    def stop(self) -> None:
        """End `frames` at once, even while it waits for the pipe."""
        self._capture.close()
