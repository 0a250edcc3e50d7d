"""Stills and video files on the disk."""

from __future__ import annotations

import codecs
import contextlib
import functools
import math
import os
import tempfile
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from har_edge.arrays import Pixels
from har_edge.counted import counted
from har_edge.errors import SourceError
from har_edge.frames.decode import image_pixels, load_image
from har_edge.frames.ffmpeg import reads_videos
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, FileKind, read_kind
from har_edge.paths import display_path
from har_edge.sources.base import Notify, OpenSource, SourceStatus
from har_edge.sources.urls import redact_name
from har_edge.sources.videos.animated import breaks_off
from har_edge.sources.videos.base import COMPLETE_SHARE, FEW_FRAMES, VideoReader
from har_edge.sources.videos.opencv import OpenCvVideo
from har_edge.sources.videos.pyav import AvVideo
from har_edge.sources.videos.webp import WebpVideo

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
    """A video file, decoded by FFmpeg: through PyAV, or through OpenCV where that is missing."""

    live = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        notify: Notify | None = None,
        *,
        max_pixels: int | None = None,
    ) -> None:
        """Open the file far enough to know its length.

        Args:
            path: The file.
            notify: Hears, once each, what is odd about the file or about how it is read.
            max_pixels: PyAV decodes no larger picture: to the decoder it is a broken one.

        Raises:
            SourceError: if it is missing, empty or no video.
        """
        self.path = Path(path)
        self.name = display_path(path)
        self._notify, self._max_pixels = notify, max_pixels
        with contextlib.ExitStack() as stack:
            video = stack.enter_context(self._open())
            facts = video.facts()
            self._say(video.caveat)
            # Opening takes as long as decoding many frames: what is open now, is read first.
            unread = stack.pop_all()
        self._unread: tuple[VideoReader, contextlib.ExitStack] | None = (video, unread)
        weakref.finalize(self, unread.close)
        self.frame_rate_hz = facts.frame_rate_hz
        self.num_frames = facts.num_frames
        self.duration_s = facts.duration_s

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as shown: the first picture is decoded for that."""
        with self._reading() as video:
            return video.size()

    @property
    def width(self) -> int:
        """Width in pixels, as shown."""
        return self.size[0]

    @property
    def height(self) -> int:
        """Height in pixels, as shown."""
        return self.size[1]

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes.

        Raises:
            SourceError: if nothing can be decoded, or, after the last good frame, if the
                file ends well before its stated length.
        """
        with self._reading() as video:
            told = False
            started = time.perf_counter()
            for index, timestamp_s, pixels, after_gap in video.pictures(sampler):
                if after_gap and not told:
                    told = True
                    self._say(
                        f"its times start again at {timestamp_s:.1f} s, as in recordings "
                        "that were joined. What follows is a new part; its times go on from there."
                    )
                decode_ms = (time.perf_counter() - started) * 1e3
                yield Frame(pixels, timestamp_s, index, self.name, decode_ms, after_gap=after_gap)
                del pixels  # its memory is the next one's
                started = time.perf_counter()
            if video.lacks_frames(self.num_frames):
                raise self._cut(f"only {video.count} could be decoded")
            if breaks_off(self.path):
                raise self._broken_off(video.count)

    def stop(self) -> None:
        """Do nothing: a file never waits."""

    def look(self, first: int = 0, last: int | None = None) -> list[Pixels]:
        """Decode the first, the middle and the last frame only, by seeking.

        Where the container only guesses how many frames it holds, `num_frames` is right afterwards.

        Args:
            first, last: Numbers of the frames between which to look; None for the file's last one.

        Returns:
            Three frames, (H, W, 3), uint8; the same one more than once in a very short file.

        Raises:
            SourceError: if one cannot be decoded, or the file does not state its length.
        """
        with self._reading() as video:
            shown = video.num_shown()
            if last is None and shown is not None:
                if shown and video.ends_early(self.num_frames):
                    raise self._cut(f"number {self.num_frames - 1} cannot be decoded")
                self.num_frames = shown
            if last is None and self.num_frames and breaks_off(self.path):
                raise self._broken_off(self.num_frames)
            count = self.num_frames
            end = count if last is None else last + 1
            numbers = (first, (first + end) // 2, end - 1)
            found = video.look(numbers)
            if found[-1] is None and last is None:
                # As in `frames`: stated counts may be a little too high.
                enough = max(0, math.ceil(min(count * COMPLETE_SHARE, count - FEW_FRAMES)) - 1)
                found[-1:] = video.look([enough])
        whole = []
        for number, pixels in zip(numbers, found, strict=True):
            if pixels is None:
                raise self._cut(f"number {number} cannot be decoded")
            whole.append(pixels)
        return whole

    def _say(self, detail: str) -> None:
        if detail and self._notify:
            self._notify(SourceStatus(self.name, "live", time.time(), detail))

    def _cut(self, received: str) -> SourceError:
        return SourceError(
            f"{self.name} should have {counted(self.num_frames, 'frame')}, but {received}. It was "
            "cut short or is damaged; copy it again."
        )

    def _broken_off(self, count: int) -> SourceError:
        return SourceError(
            f"{self.name} should go on behind its {counted(count, 'frame')}: it says nowhere "
            "that it ends. It was cut short or is damaged; copy it again."
        )

    def _open(self) -> AbstractContextManager[VideoReader]:
        """Open the file; closed at the end of the block. It must not hold this source alive."""
        return _open_path(self.path, self.name, self._max_pixels)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[VideoReader]:
        """Read from the start of the file, as it was opened before, or opened anew."""
        unread, self._unread = self._unread, None
        if unread is None:
            with self._open() as video:
                yield video
        else:
            with unread[1]:
                yield unread[0]


def open_file(
    path: str | os.PathLike[str], notify: Notify | None = None
) -> ImageSource | VideoSource:
    """Open a still or a video by its first bytes; by its ending if it is too damaged for that.

    Args:
        path: The file.
        notify: Hears what is odd about a video, see `VideoSource`.

    Raises:
        SourceError: if it is missing, of an unknown kind, or a video that cannot be opened.
    """
    kind = _look_into(Path(path))
    suffix = Path(path).suffix.lower()
    role = kind.role if kind else "other"
    if role == "picture" or (role == "other" and suffix in IMAGE_SUFFIXES):
        return ImageSource(path)
    if role == "video" or suffix in VIDEO_SUFFIXES:
        return VideoSource(path, notify)
    if not Path(path).exists():
        shown = redact_name(display_path(path))
        raise SourceError(f"{shown} does not exist. Check the path.")
    what = f"its content is {kind}" if kind else "it is no file that can be read"
    raise SourceError(
        f"{display_path(path)} is not a known kind of file: {what}. Expected a picture (JPEG, PNG, "
        "WebP, BMP, AVIF, HEIC) or a video (MP4, MOV, MKV, WebM, AVI, MPEG, WMV, FLV, GIF), "
        "whatever its name."
    )


def open_video(
    address: str, name: str, *, timeout_s: float | None = None, max_pixels: int | None = None
) -> VideoReader:
    """Open a video with PyAV where it is installed, else with OpenCV.

    Args:
        address: Absolute path, or a URL.
        name: What to call it in messages.
        timeout_s: Longest wait for a server; None for a file on the disk.
        max_pixels: Of PyAV, see `VideoSource`.

    Raises:
        SourceRefusedError: if user or password are wrong.
        SourceError: if it is no video, or one that cannot be decoded.
    """
    if timeout_s is None and _is_webp(address):
        return WebpVideo(address, name, image_pixels)
    if reads_videos():
        return AvVideo(address, name, timeout_s=timeout_s, max_pixels=max_pixels)
    return OpenCvVideo(address, name, remote=timeout_s is not None)


@contextlib.contextmanager
def _open_path(path: Path, name: str, max_pixels: int | None) -> Iterator[VideoReader]:
    if not path.is_file():
        raise SourceError(f"{redact_name(name)} does not exist. Check the path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{name} is empty (0 bytes). Copy the video again.")
    _refuse_playlist(path, name)
    with _utf8_path(path.absolute()) as address:
        video = open_video(address, name, max_pixels=max_pixels)
        try:
            yield video
        finally:
            video.close()


def _is_webp(path: str) -> bool:
    kind = _look_into(Path(path))
    return kind is not None and kind.form == "WEBP"


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
    """Give a name that FFmpeg can take: it refuses file names that are not UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / f"video{path.suffix}"
            link.symlink_to(path)
            yield str(link)
    else:
        yield str(path)
