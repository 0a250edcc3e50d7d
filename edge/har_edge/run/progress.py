"""Progress of a run: one line on stderr, for the current source."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from har_edge.durations import format_time
from har_edge.frames.frame import Frame
from har_edge.recognition.prediction import Prediction
from har_edge.sources.base import FrameSource
from har_edge.visible import visible

PROGRESS_INTERVAL_S = 0.1


class Progress:
    """A line on stderr that is rewritten in place."""

    def __init__(self, source: FrameSource, rate_hz: Callable[[], float], place: str = "") -> None:
        """Begin a line.

        Args:
            source: What is read.
            rate_hz: Gives the frames a second of the run.
            place: Which of several files it is, such as `file 3 of 12`.
        """
        self._source = source
        self._place = f"{place}  " if place else ""
        self._rate_hz = rate_hz
        self._shown_s = 0.0
        self._width = 0

    def show(self, frame: Frame, prediction: Prediction | None) -> None:
        """Say where the source is and what is seen there; cheap enough for each frame."""
        now = time.monotonic()
        if now - self._shown_s < PROGRESS_INTERVAL_S:
            return
        self._shown_s = now
        position = format_time(frame.timestamp_s)
        if self._source.duration_s:
            share = min(1.0, frame.timestamp_s / self._source.duration_s)
            position = f"{share:>4.0%}  {position} of {format_time(self._source.duration_s)}"
        action = f"{prediction.action} {prediction.confidence:.0%}" if prediction else "…"
        line = visible(f"{self._place}{position}  {self._rate_hz():.0f} frames/s  {action}")
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Leave an empty line."""
        sys.stderr.write("\r" + " " * self._width + "\r")
        sys.stderr.flush()
