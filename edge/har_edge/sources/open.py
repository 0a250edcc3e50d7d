"""Where frames come from: stills, video files, pipes here; cameras and streams in `live`.

Every source yields RGB frames with timestamps, already thinned to the model's rate. Files
and pipes are read in full; of a camera or a stream only the newest frame is kept, so that
latency stays bounded.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.errors import SourceError, SourceRefusedError
from har_edge.frames.preprocess import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Pixels,
    bgr_to_rgb,
    display_path,
    import_cv2,
    load_image,
    opencv_faults,
    view_as_rgb,
)
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.urls import is_url

if TYPE_CHECKING:
    from har_edge.sources.captures.base import PipeCapture, StdinFormat
    from har_edge.sources.live.source import LiveOptions

# Stored frame counts are estimates in some containers; only a clear gap means damage.
COMPLETE_SHARE = 0.9
# Below this size one thread decodes as fast as several, which only take time from the model.
LARGE_PIXELS = 1_000_000


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        pixels: RGB, (H, W, 3), uint8, in the source's own size; in the model's where nobody looks
            at pictures. May be a view of BGR pixels, see `view_as_rgb`: libraries that take no
            negative strides need `np.ascontiguousarray` of it.
        timestamp_s: Time in the source, from its first frame.
        index: Number in the source, counting all frames from 0.
        source: Name of the source, printable.
        decode_ms: Time spent on reading and decoding, skipped frames included.
        captured_s: Monotonic time of capture for live sources, else None.
        after_gap: Whether frames are missing before it (the source was lost, frozen or black),
            so that no window may hold it together with earlier ones.
        resized: The same picture at the model's size, if it was made ahead, (H, W, 3), uint8.
        preprocess_ms: Time spent on making it.
        features: What the model's `encode` gives for it, if it was called ahead, (D,), float32.
        encode_ms: Time spent on that.
    """

    pixels: Pixels
    timestamp_s: float
    index: int
    source: str
    decode_ms: float
    captured_s: float | None = None
    after_gap: bool = False
    resized: Pixels | None = None
    preprocess_ms: float = 0.0
    features: NDArray[np.float32] | None = None
    encode_ms: float = 0.0


SourceState = Literal["live", "lost", "black", "frozen", "ended"]


@dataclass(frozen=True)
class SourceStatus:
    """A change in what a live source delivers.

    Attributes:
        source: Name of the source, printable.
        state: `live`: frames come. `lost`: none come, it is being opened again. `black`, `frozen`:
            they come but show nothing, or nothing new. `ended`: it will not come back.
        at_s: Unix time of the change.
        detail: One sentence for people: what was seen, what is done about it.
    """

    source: str
    state: SourceState
    at_s: float
    detail: str = ""


Notify = Callable[[SourceStatus], None]


class FrameSource(Protocol):
    """Something that yields frames.

    Attributes:
        name: Printable name.
        live: Whether frames come at their own pace and may be dropped.
        duration_s: Length, if known.
    """

    name: str
    live: bool
    duration_s: float | None

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes; closing the iterator frees the source."""

    def stop(self) -> None:
        """Make `frames` end soon, whatever it waits for; for other threads to call."""


class ImageSource:
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


class VideoSource:
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
            raise SourceError(f"{self.name} holds no frame that can be decoded. Copy it again.")
        if count < self.num_frames * COMPLETE_SHARE and count < self.num_frames - 5:
            raise SourceError(
                f"{self.name} should hold {self.num_frames} frames, but only {count} could be "
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
                    f"{self.name} should hold {count} frames, but number {index} cannot be "
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
    def _open(self) -> Iterator[Any]:
        cv2 = import_cv2()
        if not self.path.is_file():
            raise SourceError(f"{self.name} does not exist. Check the path.")
        if self.path.stat().st_size == 0:
            raise SourceError(f"{self.name} is empty (0 bytes). Copy the video again.")
        with _utf8_path(self.path.absolute()) as path:
            # FFmpeg by name: other back ends would take 'a%02d.mp4' for a picture series.
            options = [cv2.CAP_PROP_N_THREADS, self._num_threads]
            capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)
            try:
                if not capture.isOpened():
                    raise SourceError(
                        f"{self.name} is not a video that can be decoded. It may be cut short, "
                        "or another kind of file with a video's ending."
                    )
                with opencv_faults(self.name):
                    yield capture
            finally:
                capture.release()


class PipeSource:
    """Frames that another program writes at a rate it states: all are read, none is dropped.

    Reading waits for the model, and the pipe makes the writing program wait in turn, so a video
    that is decoded faster than real time is neither thinned out nor queued in memory.
    """

    live = False
    duration_s: float | None = None

    def __init__(self, name: str, capture: PipeCapture, frame_rate_hz: float) -> None:
        self.name = name
        self._capture = capture
        self._frame_rate_hz = frame_rate_hz

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes, of those that are whole.

        Raises:
            SourceError: if there is none in all of the pipe.
        """
        capture, count, whole = self._capture, 0, False
        started = time.perf_counter()
        while capture.grab():
            # Damaged frames had their time, too.
            index = count + capture.corrupt
            count += 1
            timestamp_s = index / self._frame_rate_hz
            if not sampler.takes(timestamp_s):
                continue
            pixels = capture.retrieve()
            if pixels is None:
                continue
            whole = True
            decode_ms = (time.perf_counter() - started) * 1e3
            yield Frame(pixels, timestamp_s, index, self.name, decode_ms)
            started = time.perf_counter()
        if not whole and not capture.closed:
            raise SourceError(
                f"{self.name} held no whole frame. Pipe pictures into it (or see --stdin-format): "
                "ffmpeg -i VIDEO -q:v 3 -r 25 -f mjpeg - | har-edge run -"
            )

    def stop(self) -> None:
        """End `frames` at once, even while it waits for the pipe."""
        self._capture.close()


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


def open_source(
    name: str | os.PathLike[str],
    *,
    options: LiveOptions | None = None,
    notify: Notify | None = None,
    stdin_format: StdinFormat | None = None,
) -> FrameSource:
    """Open a source by its name.

    Args:
        name: A still or a video file, `camera:N`, `camera:/dev/videoN`, `/dev/videoN`,
            `picamera:N`, an http, rtsp or rtmp URL, or `-` for standard input.
        options: For live sources: how patient they are.
        notify: For live sources: takes changes of state, on the thread that iterates over frames.
        stdin_format: What comes on standard input; pictures at 25 frames/s if None.

    Raises:
        SourceError: if it is missing, of an unknown kind, or cannot be opened. Cameras and
            streams are opened, and so may be refused, by their `frames`.
    """
    text = os.fspath(name)
    kind = text.partition(":")[0]
    if text == "-":
        return _open_stdin(stdin_format, options, notify)
    if is_url(text) or kind in ("camera", "picamera") or text.startswith("/dev/video"):
        from har_edge.sources.live.source import open_live

        if kind.lower() in ("http", "https"):
            finite = _open_finite_url(text, wait=bool(options and options.wait_for_source))
            if finite is not None:
                return finite
        return open_live(text, options, notify=notify)
    return _open_file(text)


def _open_file(path: str) -> FrameSource:
    suffix = Path(path).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return ImageSource(path)
    if suffix in VIDEO_SUFFIXES:
        return VideoSource(path)
    if not Path(path).exists():
        raise SourceError(f"{display_path(path)} does not exist. Check the path.")
    kinds = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    raise SourceError(
        f"{display_path(path)} is of no known kind: its name should end in one of {kinds}."
    )


def _open_finite_url(url: str, *, wait: bool) -> FrameSource | None:
    """Open a picture or a video file on a server; None if the URL is a live stream."""
    from har_edge.sources.captures.http import url_kind
    from har_edge.sources.web_files import UrlImageSource, UrlVideoSource

    try:
        kind = url_kind(url)
    except SourceRefusedError:
        raise
    except SourceError:
        if wait:  # what is not there yet is taken for a camera
            return None
        raise
    if kind == "picture":
        return UrlImageSource(url)
    return UrlVideoSource(url) if kind == "video" else None


def _open_stdin(
    form: StdinFormat | None,
    options: LiveOptions | None,
    notify: Notify | None,
) -> FrameSource:
    from har_edge.sources.captures.base import PipeCapture, StdinFormat

    form = form or StdinFormat()
    capture = PipeCapture(0, form)
    if form.frame_rate_hz is not None:
        return PipeSource("-", capture, form.frame_rate_hz)
    from har_edge.sources.live.source import live_pipe

    return live_pipe("-", capture, options, notify=notify)
