"""Reads one connection of a live source on a thread of its own, and keeps the newest frame."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.sources.captures.base import Capture
from har_edge.sources.live.counts import FrameCounter

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
    """A frame from a capture: its number, time of arrival and RGB pixels."""

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

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        counter: FrameCounter,
        *,
        stop: threading.Event,
        stall_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start reading.

        Args:
            name: Printable name of the source.
            open_capture: Connects; called on the thread.
            counter: Counts the frames, and says which of them to decode.
            stop: Set when nobody waits for frames any more; `changed` is to be notified then.
            stall_timeout_s: Without a frame for so long, the connection is lost.
            clock: Monotonic time in seconds.
        """
        self.opened = self.ended = self.finite = False
        self.caveat = ""
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self._name = name
        self._open_capture = open_capture
        self._counter = counter
        self._stop = stop
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._newest: Grabbed | None = None
        self._progress_s = clock()
        self._left = threading.Event()
        self._backlog = Backlog()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def take(self) -> Grabbed | None:
        """Wait for the newest frame; None at the end.

        Raises:
            SourceError: if the connection was lost or stalled.
        """
        with self.changed:
            while self._newest is None and not self.ended and not self._stop.is_set():
                limit_s = self._stall_timeout_s if self.opened else OPEN_TIMEOUT_S
                left_s = self._progress_s + limit_s - self._clock()
                if left_s <= 0:
                    what = "delivers no frame" if self.opened else "does not answer"
                    raise SourceError(f"{self._name} {what} for {limit_s:g} s.")
                self.changed.wait(min(left_s, threading.TIMEOUT_MAX))
            grabbed, self._newest = self._newest, None
        if grabbed is None and self.error is not None and not self._stop.is_set():
            raise self.error
        return grabbed

    def leave(self) -> None:
        """Take nothing from it any more; the thread frees its capture as soon as it can."""
        with self.changed:
            self._left.set()
            self.changed.notify()

    def _run(self) -> None:
        try:
            with contextlib.closing(self._open_capture()) as capture:
                with self.changed:
                    self.opened, self.finite, self.caveat = True, capture.finite, capture.caveat
                    self._progress_s = self._clock()
                while self._read_one(capture):
                    pass
        except Exception as error:  # handed to whoever takes the frames, whatever it is
            self.error = error
        with self.changed:
            if self.error is None and not self.finite:
                self.error = SourceError(f"{self._name} stopped delivering frames.")
            self.ended = True
            self.changed.notify()

    def _read_one(self, capture: Capture) -> bool:
        counter, stats = self._counter, self._counter.stats
        corrupt, started_s = capture.corrupt, self._clock()
        try:
            received = capture.grab()
            captured_s = self._clock()
        finally:
            with self.changed:
                stats.corrupt += capture.corrupt - corrupt
        with self.changed:
            if self._left.is_set() or not received:
                return False
            index, timestamp_s = counter.count(captured_s)
            late = self._backlog.holds(captured_s - started_s)
            stats.dropped += late
            if late or not counter.is_due(timestamp_s):
                self._progress_s = captured_s
                return True
        started = time.perf_counter()
        pixels = capture.retrieve()
        decode_ms = (time.perf_counter() - started) * 1e3
        with self.changed:
            if self._left.is_set():
                return False
            if pixels is None:
                counter.owe()
                return True
            stats.dropped += self._newest is not None
            self._newest = Grabbed(index, captured_s, pixels, decode_ms)
            self._progress_s = captured_s
            self.changed.notify()
            return True
