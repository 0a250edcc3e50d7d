"""Reads one connection of a live source on a thread of its own, and keeps the newest frame."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.base import Capture

if TYPE_CHECKING:
    from har_edge.sources.live.source import LiveSource

# Native calls that open a device or a connection have limits of their own, about half of this.
OPEN_TIMEOUT_S = 12.0
# Without a frame for so long, the next ones may have waited on their way.
SILENCE_S = 0.5
# So many times the usual interval without a frame is a silence, or a hole.
HOLE_INTERVALS = 4.0


class Backlog:
    """Tells frames that were held back on their way from new ones.

    After a silence, a network delivers at once what had queued up meanwhile. Such frames are
    as old as the silence was long; the first that has to be waited for is new again.
    """

    def __init__(self) -> None:
        self._usual_s: float | None = None
        self._behind = False

    def holds(self, waited_s: float) -> bool:
        """Say of a frame that took so long to come whether it is an old one."""
        if self._usual_s is None:  # the first waits for the connection, not for a picture
            self._usual_s = 0.0
            return False
        usual_s = self._usual_s = self._usual_s or waited_s
        silence_s = max(SILENCE_S, HOLE_INTERVALS * usual_s)
        # Slowly, so that a backlog does not count as a fast camera, and a faster one does in time.
        self._usual_s += 0.02 * (min(waited_s, silence_s) - usual_s)
        if waited_s > silence_s:
            self._behind = True
        elif waited_s >= usual_s / 2:
            self._behind = False
        return self._behind


@dataclass(frozen=True)
class Grabbed:
    index: int
    captured_s: float
    pixels: Pixels
    decode_ms: float


class Reader:
    """Reads one connection on a thread of its own, until it ends or is left behind.

    Attributes:
        opened: Whether the connection stands.
        ended: Whether nothing more will come.
        finite: Whether that is the source's regular end.
        caveat: What the user should know about this way of reading.
        error: Why it could not be opened or read.
    """

    def __init__(self, source: LiveSource, sampler: FrameSampler) -> None:
        self.opened = self.ended = self.finite = False
        self.caveat = ""
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self._source = source
        self._sampler = sampler
        self._newest: Grabbed | None = None
        self._progress_s = source.clock()
        self._left = threading.Event()
        self._backlog = Backlog()
        self.thread = threading.Thread(target=self._run, name=source.name, daemon=True)
        self.thread.start()

    def take(self) -> Grabbed | None:
        """Wait for the newest frame; None at the end.

        Raises:
            SourceError: if the connection was lost or stalled.
        """
        source = self._source
        with self.changed:
            while self._newest is None and not self.ended and not source.stopped:
                limit_s = source.options.stall_timeout_s if self.opened else OPEN_TIMEOUT_S
                left_s = self._progress_s + limit_s - source.clock()
                if left_s <= 0:
                    what = "delivers no frame" if self.opened else "does not answer"
                    raise SourceError(f"{source.name} {what} for {limit_s:g} s.")
                self.changed.wait(min(left_s, threading.TIMEOUT_MAX))
            grabbed, self._newest = self._newest, None
        if grabbed is None and self.error is not None and not source.stopped:
            raise self.error
        return grabbed

    def leave(self) -> None:
        """Take nothing from it any more; the thread frees its capture as soon as it can."""
        with self.changed:
            self._left.set()

    def _run(self) -> None:
        try:
            with contextlib.closing(self._source.open_capture()) as capture:
                with self.changed:
                    self.opened, self.finite, self.caveat = True, capture.finite, capture.caveat
                    self._progress_s = self._source.clock()
                while self._read_one(capture):
                    pass
        except Exception as error:  # handed to whoever takes the frames, whatever it is
            self.error = error
        with self.changed:
            if self.error is None and not self.finite:
                self.error = SourceError(f"{self._source.name} stopped delivering frames.")
            self.ended = True
            self.changed.notify()

    def _read_one(self, capture: Capture) -> bool:
        source, corrupt, started_s = self._source, capture.corrupt, self._source.clock()
        try:
            received = capture.grab()
            captured_s = source.clock()
        finally:
            with self.changed:
                source.stats.corrupt += capture.corrupt - corrupt
        with self.changed:
            if self._left.is_set() or not received:
                return False
            index, timestamp_s = source.count_frame(captured_s)
            late = self._backlog.holds(captured_s - started_s)
            source.stats.dropped += late
            if late or not source.is_due(self._sampler, timestamp_s):
                self._progress_s = captured_s
                return True
        started = time.perf_counter()
        pixels = capture.retrieve()
        decode_ms = (time.perf_counter() - started) * 1e3
        with self.changed:
            if self._left.is_set():
                return False
            if pixels is None:
                source.owe_frame()
                return True
            source.stats.dropped += self._newest is not None
            self._newest = Grabbed(index, captured_s, pixels, decode_ms)
            self._progress_s = captured_s
            self.changed.notify()
            return True
