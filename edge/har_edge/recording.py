"""Keep pictures: one annotated video, or a short clip around each action.

Both write MPEG-4 through OpenCV at a constant rate, the model's. Frames are laid on a grid of
that rate by their timestamps; where some are missing the one before is shown longer, so that
time in the video is time in the source.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from har_edge.errors import OutputError
from har_edge.events import Event
from har_edge.output import format_time
from har_edge.overlay import annotate, describe
from har_edge.preprocess import Pixels, display_path, import_cv2
from har_edge.sampling import TOLERANCE_S
from har_edge.sinks import Record, Shot, safe_name
from har_edge.sources import Frame

SUFFIXES = (".mp4", ".mkv", ".avi", ".mov")
# Room that is left on a disk for everything else; a full one can stop a machine from starting.
MIN_FREE_BYTES = 50_000_000
CHECK_SPACE_FRAMES = 32
# A longer break is cut out of the video; the time drawn into the frames tells.
MAX_FILL_S = 2.0
# Sources that are recorded side by side; the one that was silent longest is closed.
MAX_OPEN = 8
# Of a longer action only the beginning is kept.
MAX_CLIP_S = 60.0
MAX_CLIP_WIDTH = 1280
JPEG_QUALITY = 85
# A clip that another run may still be writing is younger than this.
STALE_AFTER_S = 3600.0
OWN_CLIP = re.compile(r"\.?har-(\d{8}-\d{6}|\d{6,}\.\d)_.+_.+_\d+-[0-9a-f]{8}\.mp4")


class Movie:
    """A video file of constant rate that grows by frames with timestamps.

    Args:
        path: The file, in an existing folder; overwritten.
        frame_rate_hz: Its rate.
        size: Width and height.

    Raises:
        OutputError: if it cannot be written.
    """

    def __init__(self, path: Path, frame_rate_hz: float, size: tuple[int, int]) -> None:
        cv2 = import_cv2()
        self.path = path
        self.frame_rate_hz = frame_rate_hz
        self.size = size
        self.frames = 0
        self._start_s = 0.0
        self._last: Pixels | None = None
        self._check_space()
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), fourcc, frame_rate_hz, size)
        if not self._writer.isOpened():
            raise OutputError(
                f"{display_path(path)} cannot be written as a video. Choose a file in a folder "
                "that exists and is yours to write."
            )

    def write(self, picture: Pixels, timestamp_s: float) -> None:
        """Append a BGR picture, (H, W, 3), uint8; another size is scaled to the video's.

        Raises:
            OutputError: if the disk is about to be full.
        """
        if self._last is None:
            self._start_s = timestamp_s
        if self.frames % CHECK_SPACE_FRAMES == 0:
            self._check_space()
        slot = int((timestamp_s - self._start_s + TOLERANCE_S) * self.frame_rate_hz)
        missing = slot - self.frames
        if missing == -1:
            return  # a second frame for one instant
        if self._last is not None and 0 < missing <= MAX_FILL_S * self.frame_rate_hz:
            for _ in range(missing):
                self._append(self._last)
        elif missing != 0:
            self._start_s = timestamp_s - self.frames / self.frame_rate_hz
        if (picture.shape[1], picture.shape[0]) != self.size:
            picture = import_cv2().resize(picture, self.size)
        self._append(picture)
        self._last = picture

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def _append(self, picture: Pixels) -> None:
        self._writer.write(picture)
        self.frames += 1

    def _check_space(self) -> None:
        # OpenCV says nothing when a write fails.
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise OutputError(
                f"{display_path(self.path)} cannot be written: {error.strerror}. "
                "Choose a file in a folder that exists."
            ) from error
        if free < MIN_FREE_BYTES:
            raise OutputError(
                f"{display_path(self.path)} needs {MIN_FREE_BYTES // 1_000_000} MB of free disk "
                f"to go on. Found {free / 1e6:.0f} MB. Delete something, or record elsewhere."
            )


class VideoSink:
    """Records all frames, annotated: the first source in `path`, further ones beside it.

    A source whose frames change their size goes on in a new part. Parts and further sources are
    called NAME-2, NAME-3 and so on, by the first number that is free.

    Args:
        path: A file that ends in .mp4, .mkv, .avi or .mov; overwritten.
        frame_rate_hz: The model's rate.

    Raises:
        OutputError: if the ending is another or the folder does not exist.
    """

    wants: tuple[type, ...] = (Shot,)

    def __init__(self, path: str | os.PathLike[str], frame_rate_hz: float) -> None:
        self.path = Path(path)
        self.name = f"video {display_path(path)}"
        self.frame_rate_hz = frame_rate_hz
        self.parts: list[Path] = []
        self._movies: OrderedDict[str, Movie] = OrderedDict()
        if self.path.suffix.lower() not in SUFFIXES:
            raise OutputError(
                f"A video's name should end in {', '.join(SUFFIXES)}. "
                f"Received {display_path(path)}."
            )
        if not self.path.parent.is_dir():
            raise OutputError(
                f"{display_path(path)} cannot be written: its folder does not exist. Create it."
            )

    def take(self, record: Record) -> None:
        """Append a frame with its action and time.

        Raises:
            OutputError: if the file cannot be written or the disk is about to be full.
        """
        assert isinstance(record, Shot)
        frame = record.frame
        picture = annotate(frame.pixels, describe(record.prediction), _stamp(frame))
        movie = self._movie(frame.source, (picture.shape[1], picture.shape[0]))
        movie.write(picture, frame.timestamp_s)

    def close(self) -> None:
        """Finish all files."""
        while self._movies:
            self._movies.popitem()[1].close()

    def _movie(self, source: str, size: tuple[int, int]) -> Movie:
        movie = self._movies.pop(source, None)
        if movie and movie.size != size:
            movie.close()
            movie = None
        if movie is None:
            path = self._next_path()
            movie = Movie(path, self.frame_rate_hz, size)
            self.parts.append(path)
        self._movies[source] = movie
        while len(self._movies) > MAX_OPEN:
            self._movies.popitem(last=False)[1].close()
        return movie

    def _next_path(self) -> Path:
        number, path = 1, self.path
        while path in self.parts or (number > 1 and path.exists()):
            number += 1
            path = self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")
        return path


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
    ) -> None:
        self.folder = Path(folder)
        self.name = f"clips in {display_path(folder)}"
        self.frame_rate_hz = frame_rate_hz
        self.padding_s = padding_s
        self.max_bytes = max_bytes
        # What may still be asked for: the padding before a start that is told this much later.
        self._lookback_s = padding_s + min_duration_s + 1.0
        self._run = uuid.uuid4().hex[:8]
        self._reels: OrderedDict[str, _Reel] = OrderedDict()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self._own_files():
                if path.name[0] == "." and time.time() - path.stat().st_mtime > STALE_AFTER_S:
                    path.unlink()
        except OSError as error:
            raise OutputError(
                f"{display_path(folder)} cannot be used for clips: {error.strerror}. "
                "Choose a folder that is yours to write."
            ) from error

    def take(self, record: Record) -> None:
        """Take a frame, or begin or end a clip.

        Raises:
            OutputError: if a clip cannot be written or the disk is about to be full.
        """
        if isinstance(record, Shot):
            self._add(self._reel(record.frame.source), record)
        elif isinstance(record, Event):
            reel = self._reel(record.source)
            if record.kind == "action_started":
                self._begin(reel, record)
            else:
                self._end(reel, record)

    def close(self) -> None:
        """Finish the clips that are being recorded."""
        while self._reels:
            self._finish_all(self._reels.popitem()[1])

    def _reel(self, source: str) -> _Reel:
        reel = self._reels.pop(source, None) or _Reel()
        self._reels[source] = reel
        while len(self._reels) > MAX_OPEN:
            self._finish_all(self._reels.popitem(last=False)[1])
        return reel

    def _add(self, reel: _Reel, shot: Shot) -> None:
        frame = shot.frame
        if frame.after_gap or frame.timestamp_s < reel.last_s:
            self._finish_all(reel)
            reel.ring.clear()
        now_s = reel.last_s = frame.timestamp_s
        picture = annotate(_shrink(frame.pixels), describe(shot.prediction), _stamp(frame))
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
        path = self.folder / f".{_clip_name(event, self._run)}"
        movie = Movie(path, self.frame_rate_hz, (width, height))
        reel.clips.append(_Clip(event.number, movie, event.start_s + MAX_CLIP_S))
        for at_s, picture in pictures:
            movie.write(picture, at_s)

    def _end(self, reel: _Reel, event: Event) -> None:
        assert event.end_s is not None
        for clip in reel.clips:
            if clip.number == event.number:
                clip.until_s = min(clip.until_s, event.end_s + self.padding_s)

    def _finish_all(self, reel: _Reel) -> None:
        for clip in list(reel.clips):
            self._finish(reel, clip)

    def _finish(self, reel: _Reel, clip: _Clip) -> None:
        reel.clips.remove(clip)
        clip.movie.close()
        path = clip.movie.path.with_name(clip.movie.path.name[1:])
        try:
            clip.movie.path.rename(path)
        except OSError as error:
            raise OutputError(
                f"The clip {path.name} was lost: {error.strerror}. Check the folder of clips."
            ) from error
        self._make_room(keep=path)

    def _make_room(self, keep: Path) -> None:
        files = []
        for path in self._own_files():
            with contextlib.suppress(FileNotFoundError):  # another run makes room too
                files.append((path.stat().st_mtime_ns, path.name, path, path.stat().st_size))
        total = sum(size for *_, size in files)
        for _, name, path, size in sorted(files):
            if total <= self.max_bytes:
                break
            if path != keep and name[0] != ".":
                path.unlink(missing_ok=True)
                total -= size

    def _own_files(self) -> list[Path]:
        return [
            path
            for path in self.folder.iterdir()
            if OWN_CLIP.fullmatch(path.name) and path.is_file() and not path.is_symlink()
        ]


def _clip_name(event: Event, run: str) -> str:
    if event.start_at_s is None:
        when = f"{event.start_s:08.1f}"
    else:
        when = f"{datetime.fromtimestamp(event.start_at_s):%Y%m%d-%H%M%S}"
    source, action = safe_name(event.source), safe_name(event.action)
    return f"har-{when}_{source}_{action}_{event.number}-{run}.mp4"


def _stamp(frame: Frame) -> str:
    """When a frame was taken: the time of day of a live source, else the time in the file."""
    if frame.captured_s is None:
        return format_time(frame.timestamp_s)
    at_s = time.time() - (time.monotonic() - frame.captured_s)
    return f"{datetime.fromtimestamp(at_s):%Y-%m-%d %H:%M:%S}"


def _shrink(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if width <= MAX_CLIP_WIDTH:
        return pixels
    cv2 = import_cv2()
    size = (MAX_CLIP_WIDTH, round(height * MAX_CLIP_WIDTH / width))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _decode(jpeg: bytes) -> Pixels:
    cv2 = import_cv2()
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, dtype=np.uint8)
