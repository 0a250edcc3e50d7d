"""Keep a short clip of each action, the seconds before it included."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import OutputError
from har_edge.files import make_folder
from har_edge.frames.encode import video_path
from har_edge.frames.opencv import import_cv2, rgb_to_bgr, view_as_rgb
from har_edge.locks import abandoned
from har_edge.paths import display_path
from har_edge.recognition.events import Event
from har_edge.sinks.base import Record, Shot, safe_name
from har_edge.sinks.overlay import draw_frame
from har_edge.sinks.video import Movie, silent_files

# Of a longer action only the beginning is kept.
MAX_CLIP_S = 60.0
MAX_CLIP_WIDTH = 1280
JPEG_QUALITY = 85
# Where there are no locks: a clip that another run may still be writing is younger than this.
STALE_AFTER_S = 3600.0
OWN_CLIP = re.compile(r"\.?har-(\d{8}-\d{6}|\d{6,}\.\d)_.+_.+_\d+-[0-9a-f]{8}\.(mp4|mkv)")


@dataclass
class _Clip:
    """The clip of one action while it is recorded."""

    number: int
    movie: Movie
    until_s: float


@dataclass
class _Reel:
    """One source: the last seconds as JPEG, and the clips that are being recorded."""

    ring: deque[tuple[float, bytes]] = field(default_factory=deque)
    clips: list[_Clip] = field(default_factory=list)
    last_s: float = float("-inf")


class EventClips:
    """Keeps a clip of each action, from some seconds before it began to some after it ended.

    Only the last seconds of each source are in memory, as JPEG. A clip is hidden until it is
    whole. Of an action longer than a minute the first minute is kept. When all clips together
    take too much room, the oldest are deleted, and never a file whose name is not one of ours.

    Args:
        folder: Where clips go; created if needed.
        frame_rate_hz: The model's rate.
        padding_s: Seconds before and after the action.
        min_duration_s: How long after its start an action is reported.
        max_bytes: Room for all clips in the folder, those of earlier runs included.
        max_age_s: Clips older than that are deleted, at the start and with each new clip.

    Raises:
        OutputError: if the folder cannot be written.
    """

    wants: tuple[type, ...] = (Shot, Event)

    def __init__(
        self,
        folder: str | os.PathLike[str],
        frame_rate_hz: float,
        *,
        padding_s: float = 3.0,
        min_duration_s: float = 0.5,
        max_bytes: int = 1_000_000_000,
        max_age_s: float = math.inf,
    ) -> None:
        self.folder = Path(folder)
        self.name = f"clips in {display_path(folder)}"
        self.frame_rate_hz = frame_rate_hz
        self.padding_s = padding_s
        self.max_bytes = max_bytes
        self.max_age_s = max_age_s
        # What may still be asked for: the padding before a start that is told this much later.
        self._lookback_s = padding_s + min_duration_s + 1.0
        self._run = uuid.uuid4().hex[:8]
        self._reels: OrderedDict[str, _Reel] = OrderedDict()
        self._live: set[str] = set()
        try:
            make_folder(self.folder, private=True)
            for path in self._own_files():
                if path.name[0] == ".":
                    _remove_left(path)
            self._make_room()
        except OSError as error:
            raise OutputError(
                f"{display_path(folder)} cannot be used for clips: {error.strerror}. Choose a "
                "folder that you can write to."
            ) from error

    def take(self, record: Record) -> None:
        """Take a frame, or begin or end a clip.

        Raises:
            OutputError: if a clip cannot be written or the disk is about to be full.
        """
        if isinstance(record, Shot):
            live = record.frame.captured_s is not None
            self._add(self._reel(record.frame.source, live=live), record)
        elif isinstance(record, Event):
            reel = self._reel(record.source, live=record.start_at_s is not None)
            if record.kind == "action_started":
                self._begin(reel, record)
            else:
                self._end(reel, record)

    def close(self) -> None:
        """Finish the clips that are being recorded."""
        reels = list(self._reels.values())
        self._reels.clear()
        self._finish_all(*reels)

    def _reel(self, source: str, *, live: bool) -> _Reel:
        reel = self._reels.pop(source, None) or _Reel()
        self._reels[source] = reel
        if live:
            self._live.add(source)
        for silent in silent_files(self._reels, self._live):
            self._finish_all(self._reels.pop(silent))
        return reel

    def _add(self, reel: _Reel, shot: Shot) -> None:
        frame = shot.frame
        if frame.after_gap or frame.timestamp_s < reel.last_s:
            self._finish_all(reel)
            reel.ring.clear()
        now_s = reel.last_s = frame.timestamp_s
        picture = draw_frame(frame, shot.prediction, shot.people, _shrink(frame.pixels))
        quality = [import_cv2().IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        reel.ring.append((now_s, import_cv2().imencode(".jpg", picture, quality)[1].tobytes()))
        while reel.ring[0][0] < now_s - self._lookback_s:
            reel.ring.popleft()
        for clip in list(reel.clips):
            if now_s > clip.until_s:
                self._finish(reel, clip)
                continue
            try:
                clip.movie.write(picture, now_s)
            except OutputError:
                self._finish(reel, clip)  # what there is of it; later actions get their chance
                raise

    def _begin(self, reel: _Reel, event: Event) -> None:
        before = [(t, jpeg) for t, jpeg in reel.ring if t >= event.start_s - self.padding_s]
        if not before:
            return  # its pictures were dropped
        pictures = [(at_s, _decode(jpeg)) for at_s, jpeg in before]
        height, width = pictures[0][1].shape[:2]
        path = video_path(self.folder / f".{_clip_name(event, self._run)}")
        movie = Movie(path, self.frame_rate_hz, (width, height))
        reel.clips.append(_Clip(event.number, movie, event.start_s + MAX_CLIP_S))
        for at_s, picture in pictures:
            movie.write(picture, at_s)

    def _end(self, reel: _Reel, event: Event) -> None:
        assert event.end_s is not None
        for clip in reel.clips:
            if clip.number == event.number:
                clip.until_s = min(clip.until_s, event.end_s + self.padding_s)

    def _finish_all(self, *reels: _Reel) -> None:
        # Called at the end of the block, each one whether or not another fails.
        with contextlib.ExitStack() as stack:
            for reel in reels:
                for clip in reel.clips:
                    stack.callback(self._finish, reel, clip)

    def _finish(self, reel: _Reel, clip: _Clip) -> None:
        reel.clips.remove(clip)
        path = clip.movie.path.with_name(clip.movie.path.name[1:])
        try:
            clip.movie.close(path)
        except OSError as error:
            raise OutputError(
                f"The clip {path.name} was lost: {error.strerror}. Check the folder of clips."
            ) from error
        self._make_room(keep=path)

    def _make_room(self, keep: Path | None = None) -> None:
        files = []
        for path in self._own_files():
            with contextlib.suppress(FileNotFoundError):  # another run makes room too
                files.append((path.stat().st_mtime_ns, path.name, path, path.stat().st_size))
        total = sum(size for *_, size in files)
        oldest_s = time.time() - self.max_age_s
        for changed_ns, name, path, size in sorted(files):
            if total <= self.max_bytes and changed_ns / 1e9 >= oldest_s:
                break
            if path != keep and name[0] != ".":
                path.unlink(missing_ok=True)
                total -= size

    def _own_files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if is_own_clip(path)]


def is_own_clip(path: Path, *, whole: bool = False) -> bool:
    """Whether a file is a clip that a run made.

    Args:
        path: The file.
        whole: Whether it must be finished: one that is still written has a dot in front.
    """
    named = OWN_CLIP.fullmatch(path.name) and not (whole and path.name.startswith("."))
    return bool(named) and path.is_file() and not path.is_symlink()


def _remove_left(path: Path) -> None:
    """Remove a clip that a killed run began; one that a run is recording is locked."""
    with contextlib.suppress(FileNotFoundError), abandoned(path) as nobodys:
        if nobodys or time.time() - path.stat().st_mtime > STALE_AFTER_S:
            path.unlink()


def _clip_name(event: Event, run: str) -> str:
    if event.start_at_s is None:
        when = f"{event.start_s:08.1f}"
    else:
        when = f"{datetime.fromtimestamp(event.start_at_s):%Y%m%d-%H%M%S}"
    source, action = safe_name(event.source), safe_name(event.action)
    return f"har-{when}_{source}_{action}_{event.number}-{run}.mp4"


def _shrink(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if width <= MAX_CLIP_WIDTH:
        return pixels
    cv2 = import_cv2()
    size = (MAX_CLIP_WIDTH, round(height * MAX_CLIP_WIDTH / width))
    return view_as_rgb(cv2.resize(rgb_to_bgr(pixels), size, interpolation=cv2.INTER_AREA))


def _decode(jpeg: bytes) -> Pixels:
    cv2 = import_cv2()
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, dtype=np.uint8)
