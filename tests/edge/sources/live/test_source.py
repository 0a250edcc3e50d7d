"""What a live source makes of a device's whims: scripted captures, no real time."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.config import LiveOptions
from har_edge.errors import SourceError, SourceLostError, SourceRefusedError
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import SourceStatus
from har_edge.sources.live.source import MAX_LEFT_BEHIND, LiveSource
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


def test_frames_have_the_time_of_their_capture() -> None:
    device = Device(moving(10), max_retries=0)
    frames = device.frames()
    assert [f.index for f in frames] == list(range(10))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / RATE_HZ for i in range(10)])
    assert [f.captured_s for f in frames] == pytest.approx(
        [1000.0 + (i + 1) / RATE_HZ for i in range(10)]
    )
    assert not any(f.after_gap for f in frames)
    assert device.states == ["live", "ended"]
    assert device.source.stats.read == 10
    assert device.captures[0].closed.is_set()


def test_only_sampled_frames_are_converted() -> None:
    device = Device(moving(50), max_retries=0)
    frames = device.frames(rate_hz=5.0)
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert device.captures[0].converted == 10
    assert device.source.stats.read == 50


def test_lost_source_comes_back_after_a_gap() -> None:
    device = Device(
        moving(5), SourceError("not there"), SourceError("not there"), moving(5, 5), max_retries=4
    )
    frames = device.frames()
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert [f.index for f in frames] == list(range(10))
    times = [f.timestamp_s for f in frames]
    assert times == sorted(times)
    assert device.states == ["live", "lost", "live", "lost", "ended"]
    assert device.source.stats.reconnects == 1
    # Three attempts until it is back, then four in vain, each after a longer wait than before.
    assert len(device.clock.slept) == 3 + 4
    assert 0.25 <= device.clock.slept[0] <= 0.5 and device.clock.slept[3] <= 0.5


def test_lost_for_good_is_an_error_with_code_4() -> None:
    device = Device(moving(3), max_retries=2)
    with pytest.raises(SourceLostError, match="did not come back in 2 attempts") as error:
        list(device.source.frames(FrameSampler(1e3)))
    assert error.value.exit_code == 4
    assert device.states == ["live", "lost", "ended"]


def test_missing_at_the_start_is_an_error_at_once() -> None:
    device = Device(SourceError("Camera 0 does not exist."))
    with pytest.raises(SourceError, match="does not exist"):
        list(device.source.frames(FrameSampler(1e3)))
    assert device.clock.slept == []


def test_missing_at_the_start_can_be_waited_for() -> None:
    device = Device(*[SourceError("not there")] * 5, moving(3), wait_for_source=True, max_retries=9)
    frames = device.frames()
    assert len(frames) == 3
    assert device.states[:2] == ["lost", "live"]
    assert device.source.stats.reconnects == 0


def test_refused_login_is_not_repeated() -> None:
    device = Device(SourceRefusedError("wrong password"), wait_for_source=True)
    with pytest.raises(SourceRefusedError):
        list(device.source.frames(FrameSampler(1e3)))
    assert device.clock.slept == []


def test_refused_later_is_tried_soon_at_first_then_rarely() -> None:
    refusals = [SourceRefusedError("changed")] * 6
    device = Device(moving(3), *refusals, moving(3), max_retries=7)
    assert len(device.frames()) == 6
    waits_s = device.clock.slept[:7]
    assert max(waits_s[:5]) <= 3.0
    assert waits_s[5:] == [30.0, 30.0]


def test_frozen_picture_is_withheld_until_it_changes() -> None:
    still = picture(7)
    device = Device(
        [*moving(5), *[still] * 200, *moving(5, 20)], max_retries=0, frozen_after_s=4.99
    )
    frames = device.frames()
    # Five seconds at 25 frames/s are taken for a quiet scene, the rest is withheld.
    assert len(frames) == 5 + 125 + 5
    assert device.source.stats.frozen == 75
    assert [f.after_gap for f in frames] == [False] * 130 + [True] + [False] * 4
    assert device.states == ["live", "frozen", "live", "ended"]


def test_frozen_detection_can_be_off() -> None:
    device = Device([picture(7)] * 400, max_retries=0, frozen_after_s=0.0)
    assert len(device.frames()) == 400


def test_quiet_scene_with_a_sensors_noise_is_not_frozen() -> None:
    rng = np.random.default_rng(0)
    quiet = []
    for _ in range(300):
        pixels = picture(7)
        pixels[rng.integers(24), rng.integers(32)] += 1
        quiet.append(pixels)
    device = Device(quiet, max_retries=0)
    assert len(device.frames()) == 300


def test_black_pictures_are_withheld() -> None:
    device = Device([*moving(5), *[BLACK] * 50, *moving(5, 20)], max_retries=0)
    frames = device.frames()
    assert len(frames) > 8
    assert device.source.stats.black == 50
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert device.states == ["live", "black", "live", "ended"]


def test_single_black_pictures_are_withheld_without_a_word() -> None:
    device = Device([*moving(5), BLACK, *moving(5, 20)], max_retries=0)
    assert [f.after_gap for f in device.frames()] == [False] * 5 + [True] + [False] * 4
    assert device.states == ["live", "ended"]


def test_dark_picture_with_a_light_is_not_black() -> None:
    dark = BLACK.copy()
    dark[8:14, 8:14] = 60
    device = Device([dark, *moving(3)], max_retries=0)
    assert len(device.frames()) == 4


def test_changed_size_is_noted_and_starts_anew() -> None:
    large = [picture(i, (64, 48)) for i in range(5)]
    device = Device([*moving(5), *large], max_retries=0)
    frames = device.frames()
    assert [f.after_gap for f in frames] == [False] * 5 + [True] + [False] * 4
    assert frames[-1].pixels.shape == (48, 64, 3)
    assert "32x24 to 64x48" in device.statuses[1].detail


def test_damaged_frame_is_counted_and_the_next_one_taken_instead() -> None:
    pixels: list[Pixels | None] = [*moving(5), None, None, *moving(13, 5)]
    device = Device(pixels, max_retries=0)
    frames = device.frames(rate_hz=5.0)
    assert device.source.stats.corrupt == 2
    # The frame at 0.2 s is damaged, so is the next; the one after that stands in for them.
    assert [round(f.timestamp_s * RATE_HZ) for f in frames] == [0, 7, 10, 15]


def test_hole_in_a_connection_is_a_gap() -> None:
    device = Device([*moving(5), 1.5, *moving(5, 5)], max_retries=0)
    # The first one after it may have waited as long, so it is passed over.
    assert [f.after_gap for f in device.frames()] == [False] * 5 + [True] + [False] * 3
    assert device.source.stats.dropped == 1


def test_slow_camera_is_no_row_of_gaps() -> None:
    steps: list[Any] = []
    for pixels in moving(12):
        steps += [2.0, pixels]
    frames = Device(steps, max_retries=0).frames()
    assert not any(f.after_gap for f in frames[4:])


def test_few_predictions_are_no_row_of_gaps() -> None:
    """One frame in 25 s because no more are wanted; an outage of minutes is a gap all the same."""
    steps: list[Any] = []
    for pixels in moving(60):
        steps += [2.0, pixels]
    frames = Device([*steps, 300.0, *steps], max_retries=0).frames(rate_hz=0.04)
    assert len(frames) > 8
    assert [f.after_gap for f in frames].count(True) == 1


def test_sampler_does_not_take_an_outage_for_a_slow_source() -> None:
    device = Device(moving(100), *[SourceError("x")] * 20, moving(100), max_retries=30)
    sampler = FrameSampler(5.0)
    with pytest.raises(SourceLostError):
        for _ in device.source.frames(sampler):
            assert not sampler.source_is_slow


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
