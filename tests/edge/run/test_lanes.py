"""Lanes: order, backpressure, newest frames, ends and failures, with scripted sources."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.run.lanes import (
    PREFETCH_FRAMES,
    STOP_TIMEOUT_S,
    Closed,
    Item,
    Lanes,
    Opened,
    SourceOpener,
)
from har_edge.sources.base import FrameSource, Notify, SourceStatus
from har_edge.testing import ScriptedSource

RATE_HZ = 10.0


def opener(source: FrameSource) -> SourceOpener:
    return SourceOpener(source.name, lambda notify: source, apart=source.live)


def indices(items: Iterable[tuple[int, Item]], name: str) -> list[int]:
    return [i.index for _, i in items if isinstance(i, Frame) and i.source == name]


def shape(items: Iterable[tuple[int, Item]]) -> list[str]:
    """Kinds of items in order, runs of frames as one."""
    kinds: list[str] = []
    for _, item in items:
        kind = type(item).__name__
        if kind != "Frame" or not kinds or kinds[-1] != "Frame":
            kinds.append(kind)
    return kinds


@pytest.mark.parametrize("prefetch", [0, PREFETCH_FRAMES, 30])
@pytest.mark.parametrize("num_workers", [1, 2, 5])
def test_files_come_whole_and_in_order(num_workers: int, prefetch: int) -> None:
    rng = random.Random(0)

    def work(frame: Frame, source: FrameSource) -> Frame:
        time.sleep(rng.random() / 500)  # late ones must not be overtaken
        return frame

    sources = [ScriptedSource(f"{i}.mp4", 40) for i in range(3)]
    until_s = time.monotonic() + 60  # one that waits for ever fails
    with Lanes(
        list(map(opener, sources)),
        RATE_HZ,
        work=work,
        num_workers=num_workers,
        prefetch=prefetch,
        should_stop=lambda: time.monotonic() > until_s,
    ) as lanes:
        items = list(lanes)
    assert shape(items) == ["Opened", "Frame", "Closed"] * 3
    assert all(indices(items, s.name) == list(range(40)) for s in sources)
    assert all(s.closed for s in sources)
    assert lanes.frames_dropped(0) == 0


@pytest.mark.parametrize("prefetch", [PREFETCH_FRAMES, 30])
def test_files_wait_for_the_taker(prefetch: int) -> None:
    source = ScriptedSource("a.mp4", 100)
    with Lanes([opener(source)], RATE_HZ, num_workers=2, prefetch=prefetch) as lanes:
        items = iter(lanes)
        next(items)
        next(items)
        time.sleep(0.2)
        # What waits, what each worker holds, and what was taken.
        assert prefetch < source.read <= prefetch + 2 * 2 + 1
        assert len(list(items)) == 99 + 1


def test_few_frames_do_not_wait_for_many() -> None:
    class Pausing(ScriptedSource):
        def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
            yield from super().frames(sampler)
            self.stopped.wait(60.0)

    started_s = time.monotonic()
    with Lanes([opener(Pausing("a.mp4", 1))], RATE_HZ, prefetch=30) as lanes:
        assert any(isinstance(item, Frame) for _, item in lanes)
    assert time.monotonic() - started_s < 20


def test_live_frames_do_not_wait_and_the_newest_wins() -> None:
    source = ScriptedSource("camera:0", 300, live=True, pace_s=0.002)
    seen = []
    with Lanes([opener(source)], RATE_HZ) as lanes:
        for _, item in lanes:
            if isinstance(item, Frame):
                # A slow taker: what it gets is what was read last, or the one before.
                assert source.read - 1 - item.index <= 1
                seen.append(item.index)
                time.sleep(0.03)
    assert 5 < len(seen) < 60
    assert lanes.frames_dropped(0) == 300 - len(seen)
    assert seen[-1] == 299


def test_a_gap_outlives_the_frame_that_was_dropped() -> None:
    source = ScriptedSource("camera:0", 5, live=True, gaps=[2])
    with Lanes([opener(source)], RATE_HZ) as lanes:
        while not source.closed:
            time.sleep(0.01)
        time.sleep(0.05)
        frames = [item for _, item in lanes if isinstance(item, Frame)]
    assert [(f.index, f.after_gap) for f in frames] == [(4, True)]


def test_lanes_take_turns() -> None:
    cameras = [ScriptedSource(f"camera:{i}", 50, live=True, pace_s=0.004) for i in range(3)]
    with Lanes([*map(opener, cameras), opener(ScriptedSource("a.mp4", 50))], RATE_HZ) as lanes:
        counts = {s.name: 0 for s in cameras}
        for _, item in lanes:
            if isinstance(item, Frame) and item.source in counts:
                counts[item.source] += 1
                time.sleep(0.002)
    assert max(counts.values()) - min(counts.values()) <= 0.4 * max(counts.values())


def test_a_source_that_fails_does_not_stop_the_others() -> None:
    def refuse(notify: Notify) -> FrameSource:
        raise SourceError("gone.mp4 does not exist.")

    torn = ScriptedSource("torn.mp4", 3, error=SourceError("torn.mp4 was cut short."))
    with Lanes(
        [SourceOpener("gone.mp4", refuse), opener(torn), opener(ScriptedSource("a", 2))], RATE_HZ
    ) as lanes:
        items = list(lanes)
    closed = [(i.name, str(i.error or "")) for _, i in items if isinstance(i, Closed)]
    assert closed == [
        ("gone.mp4", "gone.mp4 does not exist."),
        ("torn.mp4", "torn.mp4 was cut short."),
        ("a", ""),
    ]
    assert indices(items, "torn.mp4") == [0, 1, 2]


@pytest.mark.parametrize("where", ["frames", "work"])
def test_a_fault_of_ours_is_raised_and_not_swallowed(where: str) -> None:
    def work(frame: Frame, source: FrameSource) -> Frame:
        if where == "work" and frame.index == 5:
            raise ZeroDivisionError
        return frame

    error = ZeroDivisionError() if where == "frames" else None
    source = ScriptedSource("a.mp4", 10, error=error)
    with (
        pytest.raises(ZeroDivisionError),
        Lanes([opener(source)], RATE_HZ, work=work, num_workers=2) as lanes,
    ):
        list(lanes)
    assert source.closed


def test_skipping_leaves_one_source_alone() -> None:
    sources = [ScriptedSource("a.mp4", 1000), ScriptedSource("b.mp4", 3)]
    with Lanes(list(map(opener, sources)), RATE_HZ) as lanes:
        items = []
        for number, item in lanes:
            items.append((number, item))
            if isinstance(item, Frame) and item.source == "a.mp4" and item.index == 1:
                lanes.skip(number, sources[0])
    assert shape(items) == ["Opened", "Frame", "Closed"] * 2
    assert sources[0].read < 20
    assert indices(items, "b.mp4") == [0, 1, 2]


def test_states_come_in_between() -> None:
    def open_it(notify: Notify) -> FrameSource:
        notify(SourceStatus("camera:0", "live", 0.0))
        return ScriptedSource("camera:0", 1, live=True)

    with Lanes([SourceOpener("camera:0", open_it, apart=True)], RATE_HZ) as lanes:
        items = list(lanes)
    assert shape(items) == ["SourceStatus", "Opened", "Frame", "Closed"]


def test_leaving_early_ends_the_threads_and_frees_the_sources() -> None:
    sources = [
        ScriptedSource("a.mp4", 10**6),
        ScriptedSource("camera:0", 10**6, live=True, pace_s=0.001),
    ]
    before = threading.active_count()
    with Lanes(list(map(opener, sources)), RATE_HZ, num_workers=3) as lanes:
        for i, _ in enumerate(lanes):
            if i == 20:
                break
    assert threading.active_count() == before
    assert all(s.closed for s in sources)


def test_sources_that_hang_are_left_behind_all_at_once() -> None:
    class Hanging(ScriptedSource):
        def stop(self) -> None:
            """Do not hear it."""

    cameras = [Hanging(f"camera:{i}", 1, live=True, pace_s=60.0) for i in range(8)]
    with Lanes(list(map(opener, cameras)), RATE_HZ) as lanes:
        assert len(list(zip(cameras, lanes, strict=False))) == len(cameras)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 4 * STOP_TIMEOUT_S
    for camera in cameras:
        camera.stopped.set()


def test_it_ends_when_it_shall_though_nothing_comes() -> None:
    silent = ScriptedSource("camera:0", 1, live=True, pace_s=60.0)
    ended = threading.Event()
    threading.Timer(0.2, ended.set).start()
    started_s = time.monotonic()
    with Lanes([opener(silent)], RATE_HZ, should_stop=ended.is_set) as lanes:
        assert shape(lanes) == ["Opened"]
    assert time.monotonic() - started_s < 10


def test_files_that_come_later_follow_those_named() -> None:
    def follow(stopped: Callable[[], bool]) -> Iterator[SourceOpener]:
        yield opener(ScriptedSource("new.mp4", 2))

    with Lanes([opener(ScriptedSource("a.mp4", 2))], RATE_HZ, follow=follow) as lanes:
        opened = [item.source.name for _, item in lanes if isinstance(item, Opened)]
    assert opened == ["a.mp4", "new.mp4"]
