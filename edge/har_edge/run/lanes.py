"""Several sources at once: threads read each lane ahead, one taker takes what is there, in turns.

Files share a lane: they are read one after the other and wait for the taker, so that nothing is
lost. Every other source has a lane of its own; a live one never waits: its newest frame replaces
one that was not taken in time.

Work that needs no other frame is done before the taker sees it, by whichever thread of the lane
read the frame. Several threads read in turns and work at once; the order stays that of reading.

Threads wake each other rarely, since a frame of a file is small work: the taker sleeps until half
of the frames that may wait are there (or for `TICK_S`), the readers until as many have gone. What
comes from a live source wakes the taker at once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import FrameSource, Notify, SourceStatus

# Frames of a file that may wait for the taker: enough to hide a slow one, little memory.
PREFETCH_FRAMES = 2
# How often the taker looks whether it shall stop while no frame comes.
TICK_S = 0.1
# Sources that are told to stop end by then, or their threads are left behind.
STOP_TIMEOUT_S = 2.0

Work = Callable[[Frame, FrameSource], Frame]
Follow = Callable[[Callable[[], bool]], Iterable["SourceOpener"]]


@dataclass(frozen=True)
class SourceOpener:
    """A source that is opened when its turn comes.

    Attributes:
        name: Printable name.
        open: Opens it; a live source tells its changes of state to the function it is given.
        apart: Whether it has a lane of its own, beside the others; for all that is no file.
    """

    name: str
    open: Callable[[Notify], FrameSource]
    apart: bool = False


@dataclass(frozen=True)
class Opened:
    """A source was opened and is about to deliver."""

    source: FrameSource
    sampler: FrameSampler


@dataclass(frozen=True)
class Closed:
    """A source came to its end, or failed with `error`."""

    name: str
    error: SourceError | None = None


Item = Opened | Frame | SourceStatus | Closed


class _Lane:
    """Sources that are read one after the other, and what was read of them.

    `reading` guards `source_items` and `tickets`; the lock of `Lanes` guards the rest.
    """

    def __init__(
        self, source_items: Generator[Item, None, None], num_threads: int, prefetch: int
    ) -> None:
        self.source_items = source_items
        self.num_threads = num_threads
        self.most_ahead = prefetch + num_threads
        self.batch = max(1, self.most_ahead // 2)
        self.reading = threading.Lock()
        self.tickets = 0
        self.threads: list[threading.Thread] = []
        self.threads_left = num_threads
        self.failure: BaseException | None = None
        # Items in the order of reading; those whose turn has not come wait in `early`.
        self.items: deque[Item] = deque()
        self.early: dict[int, Item] = {}
        self.placed = 0
        self.frames_ahead = 0
        self.frames_dropped = 0
        self.source: FrameSource | None = None
        self.skipped: FrameSource | None = None

    @property
    def is_live(self) -> bool:
        """Whether the source in hand delivers at its own pace."""
        return self.source is not None and self.source.live


class Lanes:
    """Iterates over (lane number, item) of all sources; to be used as a context manager.

    Items of one source keep their order: `Opened`, frames and statuses, `Closed`.
    """

    def __init__(
        self,
        openers: Sequence[SourceOpener],
        frame_rate_hz: float,
        *,
        work: Work = lambda frame, source: frame,
        num_workers: int = 1,
        prefetch: int = PREFETCH_FRAMES,
        follow: Follow | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Sort the sources into lanes: one for all files, one for each other source.

        Args:
            openers: The sources; files are read in this order.
            frame_rate_hz: Rate at which frames are sampled.
            work: What is done to each frame ahead of the taker.
            num_workers: Threads that read and work on files; any other source has one.
            prefetch: Frames of files that may wait for the taker; of any other source, few do.
            follow: Gives more files as they come; it may ask the function whether to end.
            should_stop: Asked several times a second; True ends the iteration.
        """
        self._frame_rate_hz = frame_rate_hz
        self._work = work
        self._should_stop = should_stop
        # One lock, two reasons to wait: the taker for items, the threads for room. Each waits for
        # its own, because waking a thread in vain costs more than all else that is done here.
        lock = threading.RLock()
        self._came = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._stopped = False
        self._turn = 0
        self._lanes = [
            self._lane([opener], 1, PREFETCH_FRAMES) for opener in openers if opener.apart
        ]
        files = [opener for opener in openers if not opener.apart]
        more = follow(lambda: self._stopped) if follow else ()
        if files or follow:
            self._lanes.append(self._lane(chain(files, more), num_workers, prefetch))

    def frames_dropped(self, number: int) -> int:
        """Frames of a lane's live source that were read, but gave way to newer ones."""
        return self._lanes[number].frames_dropped

    def __enter__(self) -> Lanes:
        for number, lane in enumerate(self._lanes):
            lane.threads = [
                threading.Thread(
                    target=self._read, args=(lane,), name=f"lane-{number}-{i}", daemon=True
                )
                for i in range(lane.num_threads)
            ]
            for thread in lane.threads:
                thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._room:
            self._stopped = True
            self._room.notify_all()
        for lane in self._lanes:
            if lane.source is not None:
                lane.source.stop()
        until_s = time.monotonic() + STOP_TIMEOUT_S
        for lane in self._lanes:
            for thread in lane.threads:
                # Only a native call that hangs outlasts this; its thread dies with the process.
                thread.join(max(0.0, until_s - time.monotonic()))

    def __iter__(self) -> Iterator[tuple[int, Item]]:
        while (taken := self._take()) is not None:
            yield taken

    def skip(self, number: int, source: FrameSource) -> None:
        """Skip the rest of a source; its lane continues with the next one after `Closed`."""
        with self._room:
            self._lanes[number].skipped = source
            self._room.notify_all()
        source.stop()

    def _take(self) -> tuple[int, Item] | None:
        """Wait for the next item of any lane; None at the end of all."""
        with self._came:
            while not self._should_stop():
                for offset in range(len(self._lanes)):
                    number = (self._turn + offset) % len(self._lanes)
                    if self._lanes[number].items:
                        self._turn = number + 1
                        return number, self._pop(self._lanes[number])
                for lane in self._lanes:
                    if lane.failure is not None:
                        raise lane.failure
                if not any(lane.threads_left for lane in self._lanes):
                    return None
                self._came.wait(TICK_S)
        return None

    def _pop(self, lane: _Lane) -> Item:
        item = lane.items.popleft()
        if isinstance(item, Frame):
            lane.frames_ahead -= 1
            if lane.frames_ahead == lane.most_ahead - lane.batch:
                self._room.notify_all()
        return item

    def _lane(self, openers: Iterable[SourceOpener], num_threads: int, prefetch: int) -> _Lane:
        lane = _Lane(self._source_items(lambda: lane, openers), num_threads, prefetch)
        return lane

    def _source_items(
        self, lane: Callable[[], _Lane], openers: Iterable[SourceOpener]
    ) -> Generator[Item, None, None]:
        """Read sources one after the other; whoever holds the lane's `reading` goes on."""
        for opener in openers:
            try:
                source = opener.open(lambda status: self._put_aside(lane(), status))
                lane().source = source
                sampler = FrameSampler(self._frame_rate_hz)
                yield Opened(source, sampler)
                # Closed here and not when garbage is collected: that frees the camera.
                with contextlib.closing(source.frames(sampler)) as frames:
                    for number, frame in enumerate(frames):
                        yield replace(frame, number=number)
                        if lane().skipped is source:
                            break
            except SourceError as error:
                yield Closed(opener.name, error)
            else:
                yield Closed(opener.name)

    def _read(self, lane: _Lane) -> None:
        """Read items in turns with the lane's other threads, work on them, put them in order."""
        try:
            while not self._stopped:
                self._wait_for_room(lane)
                with lane.reading:
                    item = next(lane.source_items, None)
                    ticket, source = lane.tickets, lane.source
                    lane.tickets += item is not None
                if item is None:
                    break
                if isinstance(item, Frame) and source is not None:
                    item = self._work(item, source)
                self._put(lane, ticket, item)
        except BaseException as error:  # a fault of ours: raised where items are taken
            lane.failure = error
        finally:
            self._leave(lane)

    def _wait_for_room(self, lane: _Lane) -> None:
        """Wait until the taker has not too much before it."""
        with self._room:
            self._room.wait_for(
                lambda: (
                    lane.is_live
                    or lane.frames_ahead < lane.most_ahead
                    or self._stopped
                    or lane.skipped is lane.source
                )
            )

    def _put(self, lane: _Lane, ticket: int, item: Item) -> None:
        with self._came:
            lane.early[ticket] = item
            lane.frames_ahead += isinstance(item, Frame)
            while lane.placed in lane.early:
                item = lane.early.pop(lane.placed)
                lane.placed += 1
                if lane.is_live and isinstance(item, Frame):
                    item = _without_older(lane, item)
                lane.items.append(item)
            if lane.is_live or len(lane.items) >= lane.batch:
                self._came.notify()

    def _put_aside(self, lane: _Lane, status: SourceStatus) -> None:
        """Put what a live source says about itself; it may do so while its thread is reading."""
        with self._came:
            lane.items.append(status)
            self._came.notify()

    def _leave(self, lane: _Lane) -> None:
        """End one thread of a lane; the last one closes the source in hand."""
        with self._came:
            lane.threads_left -= 1
            last = lane.threads_left == 0
            self._came.notify()
        if last:
            lane.source_items.close()


def _without_older(lane: _Lane, frame: Frame) -> Frame:
    """Take waiting frames out for a newer one; a gap before them is one before it too."""
    waiting, lane.items = lane.items, deque()
    for item in waiting:
        if isinstance(item, Frame):
            lane.frames_ahead -= 1
            lane.frames_dropped += 1
            frame = replace(frame, after_gap=frame.after_gap or item.after_gap)
        else:
            lane.items.append(item)
    return frame
