"""What a live source makes of a driver that hangs or fails, on threads and in real time."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from har_edge.config import LiveOptions
from har_edge.errors import SourceError, SourceLostError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.live.source import MAX_LEFT_BEHIND, LiveSource
from tests.support.live_devices import Device, Pixels, moving, picture


def real_source(open_capture: Callable[[], Any], **options: Any) -> LiveSource:
    return LiveSource("camera:0", open_capture, LiveOptions(**options))


class Hanging:
    """A device whose driver does not return."""

    finite = False
    caveat = ""
    corrupt = 0

    def __init__(self, frames: int = 0) -> None:
        self._frames = frames
        self.release = threading.Event()

    def grab(self) -> bool:
        if self._frames:
            self._frames -= 1
            time.sleep(0.01)
            return True
        self.release.wait(30)
        return False

    def retrieve(self) -> Pixels:
        return picture(self._frames)

    def close(self) -> None:
        pass


def test_hanging_read_is_left_behind() -> None:
    hanging, healthy = Hanging(3), Hanging(10**6)
    captures = iter((hanging, healthy))
    source = real_source(lambda: next(captures), stall_timeout_s=0.2)
    frames = []
    for frame in source.frames(FrameSampler(1e3)):
        frames.append(frame)
        if frame.after_gap:
            source.stop()
    assert frames[-1].after_gap
    assert source.stats.reconnects == 1
    hanging.release.set()


def test_hanging_reads_do_not_pile_up() -> None:
    made: list[Hanging] = []

    def open_capture() -> Hanging:
        made.append(Hanging(1 if not made else 0))
        return made[-1]

    source = LiveSource(
        "camera:0",
        open_capture,
        LiveOptions(stall_timeout_s=0.05, max_retries=12),
        sleep=lambda _: None,
    )
    with pytest.raises(SourceLostError, match="hangs in its driver"):
        list(source.frames(FrameSampler(1e3)))
    assert len(made) == MAX_LEFT_BEHIND
    for hanging in made:
        hanging.release.set()


@pytest.mark.parametrize("frames", [0, 5])
def test_stop_ends_a_hanging_source(frames: int) -> None:
    hanging = Hanging(frames)
    source = real_source(lambda: hanging)
    ended = threading.Event()

    def run() -> None:
        list(source.frames(FrameSampler(1e3)))
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    time.sleep(0.3)
    source.stop()
    assert ended.wait(2.0)
    hanging.release.set()


def test_stop_ends_the_wait_for_a_lost_source() -> None:
    def missing() -> Any:
        raise SourceError("not there")

    source = real_source(missing, wait_for_source=True)
    threading.Timer(0.5, source.stop).start()
    assert list(source.frames(FrameSampler(1e3))) == []


def test_newest_frame_replaces_those_that_were_not_taken() -> None:
    source = real_source(lambda: Hanging(100), stall_timeout_s=0.5, max_retries=0)
    seen = []
    with pytest.raises(SourceLostError):
        for frame in source.frames(FrameSampler(1e3)):
            seen.append(frame.index)
            time.sleep(0.1)
    assert seen == sorted(set(seen))
    assert source.stats.read == 100
    assert source.stats.dropped == 100 - len(seen) > 50


def test_programming_errors_are_not_taken_for_a_lost_camera() -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(real_source(broken, wait_for_source=True).frames(FrameSampler(1e3)))


def test_what_opencv_cannot_do_is_an_error_of_the_source() -> None:
    def broken() -> Any:
        import_cv2().resize(np.zeros((4, 4, 3), np.uint8), (0, 0))

    with pytest.raises(SourceError, match="camera:0 cannot be decoded: OpenCV says"):
        list(real_source(broken).frames(FrameSampler(1e3)))
    # Later it is a lost connection like others.
    device = Device(moving(5), import_cv2().error("out of memory"), moving(5), max_retries=5)
    assert len(device.frames()) == 10
    assert device.states[:3] == ["live", "lost", "live"]


class Endless:
    """A camera that always has a picture."""

    finite = False
    caveat = ""
    corrupt = 0

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.close = self.closed.set
        self._numbers = itertools.count()

    def grab(self) -> bool:
        time.sleep(0.001)
        return True

    def retrieve(self) -> Pixels | None:
        return picture(next(self._numbers))


def test_a_with_block_frees_the_camera_on_an_error_too() -> None:
    """Though somebody still holds its frames."""
    camera = Endless()
    with (
        contextlib.suppress(ZeroDivisionError),
        LiveSource("camera:0", lambda: camera) as source,
    ):
        frames = source.frames(FrameSampler(1e3))
        assert next(frames).index >= 0
        raise ZeroDivisionError
    assert camera.closed.wait(5)
    assert len(list(frames)) <= 1  # the one that was waiting
