"""Keep pictures: one annotated video of all that was seen.

Videos are H.264 at a constant rate, the model's (`har_edge.frames.encode`). Frames lie on a grid of
that rate by their timestamps; where some are missing the one before is shown longer, so that
time in the video is time in the source.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path

from har_edge.arrays import Pixels
from har_edge.errors import OutputError
from har_edge.files import check_writable, hold_private
from har_edge.frames.encode import open_encoder, video_path
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import TOLERANCE_S
from har_edge.locks import is_locked
from har_edge.paths import display_path
from har_edge.sinks.base import Record, Shot
from har_edge.sinks.overlay import draw_frame

SUFFIXES = (".mp4", ".mkv", ".avi", ".mov")
# Room that is left on a disk for everything else; a full one can stop a machine from starting.
MIN_FREE_BYTES = 50_000_000
CHECK_SPACE_FRAMES = 32
# A longer break is cut out of the video; the time drawn into the frames tells.
MAX_FILL_S = 2.0
# Files whose end is not told: of more than these, the one that was silent longest is closed. Live
# sources go on for as long as the run, so they stay open.
MAX_OPEN = 8


class Movie:
    """A video file of constant rate that grows by frames with timestamps.

    Args:
        path: The file, in an existing folder; replaced, a link too. Only the user may read it, and
            no other run replaces it meanwhile.
        frame_rate_hz: Its rate.
        size: Width and height.

    Raises:
        OutputError: if it cannot be written.
    """

    def __init__(self, path: Path, frame_rate_hz: float, size: tuple[int, int]) -> None:
        self.path = path
        self.frame_rate_hz = frame_rate_hz
        self.size = size
        self.frames = 0
        self._start_s = 0.0
        self._last: Pixels | None = None
        self._check_space()
        # FFmpeg would follow a link that somebody put there, and let others read the file.
        try:
            check_unlocked(path)
            path.unlink(missing_ok=True)
            self._held = hold_private(path)
        except OSError as error:
            raise OutputError(
                f"{display_path(path)} cannot be written: {error.strerror}. Choose a file in a "
                "folder that exists and is yours to write."
            ) from error
        try:
            self._encoder = open_encoder(path, frame_rate_hz, size)
        except OutputError:
            os.close(self._held)
            raise

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

    def close(self, name: Path | None = None) -> None:
        """Finish the file.

        Args:
            name: What it is called from now on, if that is another name.

        Raises:
            OutputError: if its end cannot be written.
            OSError: if it cannot be renamed.
        """
        try:
            self._encoder.close()
            if name is not None:
                self.path.rename(name)
        finally:
            os.close(self._held)

    def _append(self, picture: Pixels) -> None:
        self._encoder.write(picture)
        self.frames += 1

    def _check_space(self) -> None:
        # Before it is full: a file that ends in the middle of its index is lost.
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError as error:
            raise OutputError(
                f"{display_path(self.path)} cannot be written: {error.strerror}. Choose a file "
                "in an existing folder."
            ) from error
        if free < MIN_FREE_BYTES:
            raise OutputError(
                f"{display_path(self.path)} needs {MIN_FREE_BYTES // 1_000_000} MB of free disk "
                f"space to continue. Found {free / 1e6:.0f} MB. Delete something, or record "
                "elsewhere."
            )


def check_unlocked(path: Path) -> None:
    """Refuse a video that another run is recording.

    Raises:
        OutputError: if one is.
    """
    if is_locked(path):
        raise OutputError(
            f"{display_path(path)} should be recorded by one run at a time. Another one is at it. "
            "Give another --save-video."
        )


class VideoSink:
    """Records all frames, annotated: the first source in `path`, further ones next to it.

    A source whose frames change their size goes on in a new part. Parts and further sources are
    called NAME-2, NAME-3 and so on, passing over numbers that are taken.

    Args:
        path: A file that ends in .mp4, .mkv, .avi or .mov; overwritten.
        frame_rate_hz: The model's rate.

    Raises:
        OutputError: if the ending is another or the folder does not exist.
    """

    wants: tuple[type, ...] = (Shot,)

    def __init__(self, path: str | os.PathLike[str], frame_rate_hz: float) -> None:
        self.path = video_path(Path(path))
        self.name = f"video {display_path(self.path)}"
        self.frame_rate_hz = frame_rate_hz
        self.parts: list[Path] = []
        self._number = 0  # of the last part
        self._movies: OrderedDict[str, Movie] = OrderedDict()
        self._live: set[str] = set()
        if Path(path).suffix.lower() not in SUFFIXES:
            raise OutputError(
                f"The name of a video should end in {', '.join(SUFFIXES)}. Received "
                f"{display_path(path)}. Rename it."
            )
        if not self.path.parent.is_dir():
            raise OutputError(
                f"{display_path(path)} cannot be written: its folder does not exist. Create it."
            )
        check_unlocked(self.path)
        check_writable(self.path, advice="Choose a file in a folder that is yours to write.")

    def take(self, record: Record) -> None:
        """Append a frame with its action and time.

        Raises:
            OutputError: if the file cannot be written or the disk is about to be full.
        """
        assert isinstance(record, Shot)
        frame = record.frame
        picture = draw_frame(frame, record.prediction, record.people)
        if frame.captured_s is not None:
            self._live.add(frame.source)
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
            number, path = self._next_part()
            movie = Movie(path, self.frame_rate_hz, size)
            self._number = number
            self.parts.append(path)
        self._movies[source] = movie
        for silent in silent_files(self._movies, self._live):
            self._movies.pop(silent).close()
        return movie

    def _next_part(self) -> tuple[int, Path]:
        """Number and file of the next part; the first is overwritten, others never are."""
        number = self._number + 1
        while number > 1 and self._numbered(number).exists():
            number += 1
        return number, self._numbered(number)

    def _numbered(self, number: int) -> Path:
        if number == 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")


def silent_files(sources: Collection[str], live: Collection[str]) -> list[str]:
    """Files that are taken for ended: all but the last `MAX_OPEN`.

    Args:
        sources: Those with something open, the one that was silent longest first.
        live: Those of them that are live.
    """
    return [source for source in sources if source not in live][:-MAX_OPEN]
