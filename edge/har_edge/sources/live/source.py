"""Live sources that outlast what happens to them: lost, stalled, frozen, black, damaged.

One thread reads a connection (a `Capture`), converts only the frames that the sampler takes and
keeps the newest of them. Whoever iterates over `LiveSource.frames` looks at each frame before
it hands it on, opens the next connection when one is lost, and leaves a reading thread behind
whose native call hangs. Nothing is ever made up: no frame means no frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator

from har_edge.arrays import Pixels
from har_edge.backoff import Backoff
from har_edge.config import LiveOptions
from har_edge.errors import SourceError, SourceLostError, SourceRefusedError
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import opencv_faults
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import Notify, OpenSource, SourceState, SourceStatus
from har_edge.sources.captures.base import Capture
from har_edge.sources.live.blank import Screen
from har_edge.sources.live.counts import FrameCounter, LiveStats
from har_edge.sources.live.reader import HOLE_INTERVALS, Grabbed, Reader

# What the end of a source may take; see `FrameSource.stop`.
CLOSE_TIMEOUT_S = 0.8
# Threads that hang in a driver; with more of them, opening it again will not help.
MAX_LEFT_BEHIND = 4
# So long a picture has to be black until that is reported; it is withheld from the first.
BLACK_AFTER_S = 1.0
# Frames further apart than this, and than a few of the usual intervals, do not belong together.
LONGEST_HOLE_S = 1.0
# A longer interval is not learnt, unless it was asked for.
LONGEST_INTERVAL_S = 5.0


class LiveSource(OpenSource):
    """A camera or a stream: the newest frame, for as long as there is one.

    Attributes:
        name: Printable name, without credentials.
        stats: Counters, up to date at any time.
        stopped: Whether `stop` was called.
    """

    live = True
    duration_s: float | None = None

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        options: LiveOptions | None = None,
        *,
        notify: Notify | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Describe a source; it is opened by `frames`.

        Args:
            name: Printable name, without credentials.
            open_capture: Connects; called on a reading thread, for each connection.
            options: How patient the source is.
            notify: Takes changes of its state, on the thread that iterates over `frames`.
            clock: Monotonic time in seconds.
            sleep: Waits so many seconds between attempts; ends early when the source is stopped.
        """
        self.name = name
        self._open_capture = open_capture
        self._options = options or LiveOptions()
        self._clock = clock
        self.stats = LiveStats()
        self._notify = notify or (lambda status: None)
        self._stop = threading.Event()
        self._sleep = sleep or self._stop.wait
        self._reader: Reader | None = None
        self._left_behind: list[threading.Thread] = []
        self._begin()

    def _begin(self) -> None:
        self._state: SourceState | None = None
        self._state_detail = ""
        self._last_s: float | None = None
        self._interval_s = self._period_s = 0.0
        self._size: tuple[int, ...] | None = None
        self._gap = self._delivered = False
        self._backoff = Backoff()
        self._screen = Screen(self._options.frozen_after_s)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End `frames` at once, even if the device hangs."""
        self._stop.set()
        reader = self._reader
        if reader is not None:
            with reader.changed:
                reader.changed.notify()

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the newest frame whenever one is due, over any number of connections.

        Raises:
            SourceError: if the source is not there at the start and is not to be waited for.
            SourceLostError: if it did not come back in `max_retries` attempts.
        """
        self._begin()
        self._period_s = 1 / sampler.frame_rate_hz
        counter = FrameCounter(self.stats, sampler)
        try:
            while not self.stopped:
                try:
                    yield from self._connection(counter)
                    break
                except SourceError as error:
                    delay_s = self._next_attempt(error)
                # A new grid: the time without frames must not count as a slow source.
                sampler.reset()
                self._gap = True
                self._sleep(delay_s)
            self._set_state("ended", "Stopped." if self.stopped else "The stream is at its end.")
        finally:
            # A device that answers is free again when this ends; one that hangs is left alone.
            for thread in self._left_behind:
                thread.join(CLOSE_TIMEOUT_S / len(self._left_behind))

    def _connection(self, counter: FrameCounter) -> Iterator[Frame]:
        """Yield the frames of one connection; returns at its regular end."""
        self._left_behind = [t for t in self._left_behind if t.is_alive()]
        if len(self._left_behind) >= MAX_LEFT_BEHIND:
            raise SourceError(f"{self.name} hangs in its driver. Plug it out and in again.")
        self._reader = reader = Reader(
            self.name,
            self._open_capture,
            counter,
            stop=self._stop,
            stall_timeout_s=self._options.stall_timeout_s,
            clock=self._clock,
        )
        try:
            first = True
            while (grabbed := self._take(reader)) is not None:
                if first:
                    self.stats.reconnects += self._delivered
                    self._delivered, first = True, False
                    self._backoff.reset()
                frame = self._examine(grabbed, counter.start_s or 0.0)
                if frame is not None:
                    yield frame
        finally:
            reader.leave()
            self._left_behind.append(reader.thread)

    def _take(self, reader: Reader) -> Grabbed | None:
        with opencv_faults(self.name):
            return reader.take()

    def _examine(self, grabbed: Grabbed, start_s: float) -> Frame | None:
        """Hand a frame on, or withhold it if it is black or frozen."""
        look = self._screen.look(grabbed.pixels, grabbed.captured_s)
        if look == "black":
            self.stats.black += 1
            if self._screen.black_s(grabbed.captured_s) >= BLACK_AFTER_S:
                self._set_state("black", "The picture is black. Is the lens covered, is it dark?")
        elif look == "frozen":
            self.stats.frozen += 1
            after_s = self._options.frozen_after_s
            self._set_state("frozen", f"The picture has not changed for {after_s:g} s.")
        if look != "good":
            self._gap = True
            return None
        self._note_size(grabbed.pixels)
        come = "Frames come." if self._last_s is None else "Frames come again."
        self._set_state("live", f"{come} {self._reader.caveat if self._reader else ''}".rstrip())
        self._note_hole(grabbed.captured_s)
        gap, self._gap = self._gap, False
        return Frame(
            grabbed.pixels,
            grabbed.captured_s - start_s,
            grabbed.index,
            self.name,
            grabbed.decode_ms,
            grabbed.captured_s,
            after_gap=gap,
        )

    def _note_size(self, pixels: Pixels) -> None:
        size = pixels.shape[1::-1]
        if self._size is not None and size != self._size:
            self._gap = True
            before, now = ("x".join(map(str, s)) for s in (self._size, size))
            self._state = None
            self._set_state("live", f"The picture's size changed from {before} to {now}.")
        self._size = size

    def _note_hole(self, captured_s: float) -> None:
        if self._last_s is not None:
            passed_s = captured_s - self._last_s
            # Frames come no more often than they are asked for: that is no hole either.
            usual_s = max(self._interval_s, self._period_s)
            hole = passed_s > max(LONGEST_HOLE_S, HOLE_INTERVALS * usual_s)
            if not self._gap:  # a slow camera's interval is learnt, an outage's length is not
                longest_s = max(LONGEST_INTERVAL_S, self._period_s)
                self._interval_s += 0.2 * (min(passed_s, longest_s) - self._interval_s)
            self._gap = self._gap or hole
        self._last_s = captured_s

    def _next_attempt(self, error: SourceError) -> float:
        """Decide what a lost connection means: the wait before the next one, or the end."""
        refused = isinstance(error, SourceRefusedError)
        if not self._delivered and (refused or not self._options.wait_for_source):
            raise error
        limit = self._options.max_retries
        if limit is not None and self._backoff.attempts >= limit:
            self._set_state("ended", f"{error} It did not come back.")
            raise SourceLostError(
                f"{error} It did not come back in {limit} attempts. Check the camera and its "
                "cable or network, then start again, or allow more with --max-retries."
            ) from error
        delay_s = self._backoff.next_s(refused=refused)
        self._set_state("lost", f"{error} It is opened again until it is back.")
        return delay_s

    def _set_state(self, state: SourceState, detail: str) -> None:
        if state != self._state:
            self._state = state
            self._notify(SourceStatus(self.name, state, time.time(), detail))
