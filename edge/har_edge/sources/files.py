"""Stills and video files on the disk."""

from __future__ import annotations

import codecs
import contextlib
import math
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.decode import load_image
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import VideoCapture, bgr_to_rgb, import_cv2, opencv_faults, view_as_rgb
from har_edge.frames.sampling import FrameSampler
from har_edge.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, FileKind, read_kind
from har_edge.paths import display_path
from har_edge.sources.base import OpenSource
from har_edge.sources.urls import redact_name

# Stored frame counts are estimates in some containers; only a clear gap means damage.
COMPLETE_SHARE = 0.9
# Below this size one thread decodes as fast as several, which only take time from the model.
LARGE_PIXELS = 1_000_000
# How the text formats are known that FFmpeg follows elsewhere: HLS, concat, VobSub, DASH, SDP, IMF.
# Source: their probe functions in libavformat.
PLAYLISTS_BEGIN = (b"#extm3u", b"ffconcat", b"# vobsub index file")
PLAYLISTS_HOLD = (b"<mpd", b"c=in ip", b"<compositionplaylist")
PLAYLIST_BYTES = 4096


class ImageSource(OpenSource):
    """A still picture: one frame at time 0."""

    live = False
    duration_s: float | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = display_path(path)

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the picture.

        Raises:
            SourceError: if it cannot be decoded.
        """
        started = time.perf_counter()
        pixels = self._load()
        sampler.takes(0.0)
        yield Frame(pixels, 0.0, 0, self.name, (time.perf_counter() - started) * 1e3)

    def _load(self) -> Pixels:
        return load_image(self.path)

    def stop(self) -> None:
        """Do nothing: a picture never waits."""


class VideoSource(OpenSource):
    """A video file, decoded by FFmpeg through OpenCV."""

    live = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file far enough to know its length.

        Raises:
            SourceError: if it is missing, empty or no video.
        """
        self.path = Path(path)
        self.name = display_path(path)
        self._num_threads = 1
        with self._open() as capture:
            cv2 = import_cv2()
            self.width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            self.height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
            if self.width * self.height > LARGE_PIXELS:
                self._num_threads = os.cpu_count() or 1
            self.frame_rate_hz = float(capture.get(cv2.CAP_PROP_FPS))
            self.num_frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        known = self.frame_rate_hz > 0 and self.num_frames > 0
        self.duration_s = self.num_frames / self.frame_rate_hz if known else None

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes.

        Raises:
            SourceError: if nothing can be decoded, or, after the last good frame, if the
                file ends well before its stated length.
        """
        cv2 = import_cv2()
        with self._open() as capture:
            index = -1
            started = time.perf_counter()
            # Skipped frames are decoded (later ones build on them) but not converted.
            while capture.grab():
                index += 1
                timestamp_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3
                if not sampler.takes(timestamp_s):
                    continue
                decoded, pixels = capture.retrieve()
                if not decoded:
                    continue
                pixels = view_as_rgb(pixels)
                decode_ms = (time.perf_counter() - started) * 1e3
                yield Frame(pixels, timestamp_s, index, self.name, decode_ms)
                started = time.perf_counter()
        count = index + 1
        if count == 0:
            raise SourceError(
                f"{self.name} should contain frames. None can be decoded. Copy it again."
            )
        if count < self.num_frames * COMPLETE_SHARE and count < self.num_frames - 5:
            raise SourceError(
                f"{self.name} should have {self.num_frames} frames, but only {count} could be "
                "decoded. It was cut short or is damaged; copy it again."
            )

    def stop(self) -> None:
        """Do nothing: a file never waits."""

    def look(self, first: int = 0, last: int | None = None) -> list[Pixels]:
        """Decode the first, the middle and the last frame only, by seeking.

        Args:
            first, last: Numbers of the frames between which to look; None for the file's last one.

        Returns:
            Three frames, (H, W, 3), uint8; the same one more than once in a very short file.

        Raises:
            SourceError: if one cannot be decoded, or the file does not state its length.
        """
        count = self.num_frames
        end = count if last is None else last + 1
        # As in `frames`: stated counts may be a little too high.
        enough = max(0, math.ceil(min(count * COMPLETE_SHARE, count - 5)) - 1)
        found = []
        for index in (first, (first + end) // 2, end - 1):
            pixels = self._frame_at(index)
            if pixels is None and last is None and index == count - 1:
                pixels = self._frame_at(enough)
            if pixels is None:
                raise SourceError(
                    f"{self.name} should have {count} frames, but number {index} cannot be "
                    "decoded. It was cut short or is damaged; copy it again."
                )
            found.append(pixels)
        return found

    def _frame_at(self, index: int) -> Pixels | None:
        cv2 = import_cv2()
        with self._open() as capture:
            # Files of one frame cannot be sought in, not even for their start.
            if index > 0:
                capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            decoded, pixels = capture.read()
            return bgr_to_rgb(pixels) if decoded else None

    @contextlib.contextmanager
    def _open(self) -> Iterator[VideoCapture]:
        cv2 = import_cv2()
        if not self.path.is_file():
            raise SourceError(f"{redact_name(self.name)} does not exist. Check the path.")
        if self.path.stat().st_size == 0:
            raise SourceError(f"{self.name} is empty (0 bytes). Copy the video again.")
        _refuse_playlist(self.path, self.name)
        with _utf8_path(self.path.absolute()) as path:
            # FFmpeg by name: other back ends would take 'a%02d.mp4' for a picture series.
            options = [cv2.CAP_PROP_N_THREADS, self._num_threads]
            capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)
            try:
                if not capture.isOpened():
                    raise SourceError(
                        f"{self.name} is not a video that can be decoded. It may be cut short, "
                        "or another kind of file with the extension of a video."
                    )
                with opencv_faults(self.name):
                    yield capture
            finally:
                capture.release()


def open_file(path: str | os.PathLike[str]) -> ImageSource | VideoSource:
    """Open a still or a video by its first bytes; by its ending if it is too damaged for that.

    Raises:
        SourceError: if it is missing, of an unknown kind, or a video that cannot be opened.
    """
    kind = _look_into(Path(path))
    suffix = Path(path).suffix.lower()
    role = kind.role if kind else "other"
    if role == "picture" or (role == "other" and suffix in IMAGE_SUFFIXES):
        return ImageSource(path)
    if role == "video" or suffix in VIDEO_SUFFIXES:
        return VideoSource(path)
    if not Path(path).exists():
        shown = redact_name(display_path(path))
        raise SourceError(f"{shown} does not exist. Check the path.")
    what = f"its content is {kind}" if kind else "it is no file that can be read"
    raise SourceError(
        f"{display_path(path)} is not a known kind of file: {what}. Expected a picture (JPEG, PNG, "
        "WebP, BMP, AVIF) or a video (MP4, MOV, MKV, WebM, AVI, MPEG, WMV, FLV, GIF), whatever its "
        "name."
    )


def _look_into(path: Path) -> FileKind | None:
    # A pipe of that name would be waited for without end.
    try:
        return read_kind(path) if path.is_file() else None
    except OSError:
        return None


def _refuse_playlist(path: Path, name: str) -> None:
    """Refuse text that FFmpeg would take for a list of other files and addresses to open."""
    try:
        with path.open("rb") as file:
            head = file.read(PLAYLIST_BYTES)
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}.") from error
    text = head.removeprefix(codecs.BOM_UTF8).split(b"\0", 1)[0].lower()
    if text.lstrip().startswith(PLAYLISTS_BEGIN) or any(mark in text for mark in PLAYLISTS_HOLD):
        raise SourceError(
            f"{name} should be a video. Received a playlist with a video's ending, which may name "
            "other files. Name the videos themselves."
        )


@contextlib.contextmanager
def _utf8_path(path: Path) -> Iterator[str]:
    """Give a name that OpenCV can take: it refuses file names that are not UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / f"video{path.suffix}"
            link.symlink_to(path)
            yield str(link)
    else:
        yield str(path)
