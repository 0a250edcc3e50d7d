"""A reader alone, without the source around it; and which frames it takes for old ones."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.base import Capture
from har_edge.sources.live.counts import FrameCounter, LiveStats
from har_edge.sources.live.reader import OPEN_TIMEOUT_S, Backlog, Reader

TIMEOUT_S = 10.0  # of the tests themselves


class Pictures:
    """A capture of so many pictures; then it waits, or is at its end."""

    caveat = ""
    corrupt = 0

    def __init__(self, count: int, *, finite: bool = True, end: threading.Event | None = None):
        self.finite = finite
        self.closed = threading.Event()
        self._left = count
        self._end = end

    def grab(self) -> bool:
        self._left -= 1
        if self._left < 0 and self._end is not None:
            self._end.wait(TIMEOUT_S)
        return self._left >= 0

    def retrieve(self) -> Pixels | None:
        return np.full((2, 2, 3), 50 + self._left, np.uint8)

    def close(self) -> None:
        self.closed.set()


class Clock:
    """A time that goes on by a minute whenever it is asked for."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 60.0
        return self.now_s


def start(
    open_capture: Callable[[], Capture], stop: threading.Event | None = None
) -> tuple[Reader, LiveStats]:
    stats = LiveStats()
    reader = Reader(
        "camera:0",
        open_capture,
        FrameCounter(stats, FrameSampler(1000.0)),
        stop=stop or threading.Event(),
        stall_timeout_s=5.0,
        clock=Clock(),
    )
    return reader, stats


def test_the_newest_frame_is_kept_and_the_others_are_counted() -> None:
    capture = Pictures(3)
    reader, stats = start(lambda: capture)
    reader.thread.join(TIMEOUT_S)
    grabbed = reader.take()
    assert grabbed is not None
    assert (grabbed.index, int(grabbed.pixels[0, 0, 0])) == (2, 50)
    assert (stats.read, stats.dropped) == (3, 2)
    assert reader.take() is None
    assert capture.closed.is_set()


def test_the_end_of_a_camera_is_a_loss() -> None:
    reader, _ = start(lambda: Pictures(0, finite=False))
    with pytest.raises(SourceError, match="camera:0 stopped delivering frames"):
        reader.take()


def test_what_went_wrong_is_raised_where_frames_are_taken() -> None:
    def refuse() -> Capture:
        raise PermissionError("not yours")

    reader, _ = start(refuse)
    with pytest.raises(PermissionError, match="not yours"):
        reader.take()


def test_silence_is_a_loss_by_its_clock() -> None:
    end = threading.Event()
    reader, _ = start(lambda: Pictures(0, end=end))
    while not reader.opened:
        pass
    with pytest.raises(SourceError, match="delivers no frame for 5 s"):
        reader.take()
    end.set()


def test_a_device_that_does_not_open_is_a_loss_too() -> None:
    end = threading.Event()

    def hang() -> Capture:
        end.wait(TIMEOUT_S)
        return Pictures(0)

    reader, _ = start(hang)
    with pytest.raises(SourceError, match=f"does not answer for {OPEN_TIMEOUT_S:g} s"):
        reader.take()
    end.set()


def test_nobody_waits_once_it_is_stopped() -> None:
    stop, end = threading.Event(), threading.Event()
    stop.set()
    reader, _ = start(lambda: Pictures(0, end=end), stop)
    assert reader.take() is None
    end.set()


def test_frames_that_queued_up_during_a_silence_are_passed_over() -> None:
    backlog = Backlog()
    assert not backlog.holds(2.0)
    assert not any(backlog.holds(0.04) for _ in range(100))
    assert all(backlog.holds(waited_s) for waited_s in (1.6, *[0.002] * 40))
    assert not any(backlog.holds(0.04) for _ in range(100))


def test_faster_camera_after_a_silence_is_no_backlog_for_long() -> None:
    backlog = Backlog()
    for waited_s in (2.0, *[0.1] * 50, 3.0):
        backlog.holds(waited_s)
    assert sum(backlog.holds(0.03) for _ in range(200)) < 60


def test_slow_camera_has_no_backlog() -> None:
    backlog = Backlog()
    assert not any(backlog.holds(2.0) for _ in range(20))
