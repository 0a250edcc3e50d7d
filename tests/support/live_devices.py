"""Cameras that do what a script says, without real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.config import LiveOptions
from har_edge.errors import SourceError, SourceLostError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import SourceStatus
from har_edge.sources.live.source import LiveSource
from har_edge.testing import ManualClock

Pixels = NDArray[np.uint8]
RATE_HZ = 25.0


def picture(value: int, size: tuple[int, int] = (32, 24)) -> Pixels:
    pixels = np.full((size[1], size[0], 3), 80, np.uint8)
    pixels[:4, :4] = 100 + value % 100
    return pixels


BLACK = np.zeros((24, 32, 3), np.uint8)


class Script:
    """A device that does what a list says: pixels, None (damaged), a number (wait so many
    seconds), an error to raise, or something to call. The end of the list is that of the stream.

    Frames are handed over one by one: the next comes when the last was taken, so that the newest
    one never replaces another.
    """

    finite = False
    caveat = ""

    def __init__(
        self, steps: list[Any], clock: ManualClock, interval_s: float = 1 / RATE_HZ
    ) -> None:
        self.corrupt = self.converted = 0
        self.closed = threading.Event()
        self.source: LiveSource | None = None
        self._steps: Iterator[Any] = iter(steps)
        self._clock = clock
        self._interval_s = interval_s
        self._pixels: Pixels | None = None

    def grab(self) -> bool:
        self._wait_until_taken()
        for step in self._steps:
            if isinstance(step, float | int):
                self._clock.now_s += step
            elif callable(step):
                step()
            elif isinstance(step, Exception):
                raise step
            else:
                self._clock.now_s += self._interval_s
                self._pixels = step
                return True
        return False

    def _wait_until_taken(self) -> None:
        assert self.source is not None
        while not self.source.stopped:
            reader = self.source._reader
            mine = reader is not None and reader.thread is threading.current_thread()
            if mine and reader is not None and (reader._newest is None or reader._left.is_set()):
                return
            time.sleep(0.0002)

    def retrieve(self) -> Pixels | None:
        self.converted += 1
        return self._pixels

    def close(self) -> None:
        self.closed.set()


class Device:
    """A source of scripted connections: each opening takes the next one."""

    def __init__(self, *connections: Any, **options: Any) -> None:
        self.clock = ManualClock(1000.0)
        self.statuses: list[SourceStatus] = []
        self.captures: list[Script] = []
        self._connections = iter(connections)
        self.source = LiveSource(
            "camera:0",
            self._open,
            LiveOptions(**options),
            notify=self.statuses.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def _open(self) -> Script:
        try:
            steps = next(self._connections)
        except StopIteration:
            raise SourceError("no more") from None
        if isinstance(steps, Exception):
            raise steps
        capture = Script(steps, self.clock)
        capture.source = self.source
        self.captures.append(capture)
        return capture

    def frames(self, rate_hz: float = 1e3) -> list[Frame]:
        return list(self._iterate(rate_hz))

    def _iterate(self, rate_hz: float) -> Iterator[Frame]:
        with pytest.raises(SourceLostError):
            yield from self.source.frames(FrameSampler(rate_hz))

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.statuses]


def moving(count: int, start: int = 0) -> list[Pixels]:
    return [picture(i) for i in range(start, start + count)]
