"""Progress of a run on stderr, for the current source: one line, or, in a log, one now and then."""

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
LOG_INTERVAL_S = 10.0


class Progress:
    """A line that is rewritten in place on a terminal; elsewhere a new one every ten seconds.

    What is live has no end to wait for, and so gets none in a log.
    """

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
        self._live = sys.stderr.isatty()
        self._shown_s = 0.0 if self._live else time.monotonic()
        self._width = 0

    def show(self, frame: Frame, prediction: Prediction | None) -> None:
        """Say where the source is and what is seen there; cheap enough for each frame."""
        now = time.monotonic()
        if now - self._shown_s < (PROGRESS_INTERVAL_S if self._live else LOG_INTERVAL_S):
            return
        if not self._live and self._source.live:
            return
        self._shown_s = now
        position = format_time(frame.timestamp_s)
        if self._source.duration_s:
            share = min(1.0, frame.timestamp_s / self._source.duration_s)
            position = f"{share:>4.0%}  {position} of {format_time(self._source.duration_s)}"
        action = f"{prediction.action} {prediction.confidence:.0%}" if prediction else "…"
        line = visible(f"{self._place}{position}  {self._rate_hz():.0f} frames/s  {action}")
        if self._live:
            sys.stderr.write("\r" + line.ljust(self._width))
        else:
            sys.stderr.write(f"{visible(self._source.name)}: {line.strip()}\n")
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Leave an empty line."""
        if not self._live:
            return
        sys.stderr.write("\r" + " " * self._width + "\r")
        sys.stderr.flush()
