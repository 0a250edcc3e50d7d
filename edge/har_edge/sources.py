"""Where frames come from: stills, video files, cameras.

Every source yields RGB frames with timestamps, already thinned to the model's rate. Files
are read in full; of a camera only the newest frame is kept, so that latency stays bounded.
"""

from __future__ import annotations

import contextlib
import glob
import math
import os
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from har_edge.errors import SourceError, SourceLostError
from har_edge.preprocess import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Pixels,
    bgr_to_rgb,
    display_path,
    import_cv2,
    load_image,
)
from har_edge.sampling import FrameSampler

# A camera that delivers nothing for this long is lost. UVC cameras may take two seconds
# to deliver their first frame.
CAMERA_TIMEOUT_S = 10.0
# Stored frame counts are estimates in some containers; only a clear gap means damage.
COMPLETE_SHARE = 0.9
# Below this size one thread decodes as fast as several, which only take time from the model.
LARGE_PIXELS = 1_000_000
# Decoded frames that may wait for the model: enough to hide a slow one, little memory.
PREFETCH_FRAMES = 2


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        pixels: RGB, (H, W, 3), uint8, in the source's own size.
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
        pixels = load_image(self.path)
        sampler.takes(0.0)
        yield Frame(pixels, 0.0, 0, self.name, (time.perf_counter() - started) * 1e3)

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
            width, height = (
                capture.get(cv2.CAP_PROP_FRAME_WIDTH),
                capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
            )
            if width * height > LARGE_PIXELS:
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
                pixels = bgr_to_rgb(pixels)
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

    def look(self) -> list[Pixels]:
        """Decode the first, the middle and the last frame only, by seeking.

        Returns:
            Three frames, (H, W, 3), uint8; the same one more than once in a very short file.

        Raises:
            SourceError: if one cannot be decoded, or the file does not state its length.
        """
        count = self.num_frames
        # As in `frames`: stated counts may be a little too high.
        enough = max(0, math.ceil(min(count * COMPLETE_SHARE, count - 5)) - 1)
        found = []
        for index in (0, count // 2, count - 1):
            pixels = self._frame_at(index)
            if pixels is None and index == count - 1:
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
                yield capture
            finally:
                capture.release()


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


class CameraSource:
    """A camera by index; a thread reads it at its own pace and keeps the newest frame."""

    live = True
    duration_s: float | None = None

    def __init__(self, index: int) -> None:
        """Open the camera.

        Raises:
            SourceError: if there is no such camera; the message lists what was found.
        """
        cv2 = import_cv2()
        self.name = f"camera:{index}"
        self._capture = cv2.VideoCapture(index)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(_no_camera(index))
        # Where the driver honours it, one buffer keeps frames young.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._slot = _NewestFrame()

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the newest frame whenever one is due.

        Raises:
            SourceLostError: if the camera stops delivering.
        """
        grabber = threading.Thread(target=self._grab, name=self.name, daemon=True)
        grabber.start()
        start_s: float | None = None
        try:
            while True:
                index, captured_s, pixels = self._slot.take(CAMERA_TIMEOUT_S, self.name)
                start_s = captured_s if start_s is None else start_s
                if sampler.takes(captured_s - start_s):
                    started = time.perf_counter()
                    rgb = bgr_to_rgb(pixels)
                    decode_ms = (time.perf_counter() - started) * 1e3
                    timestamp_s = captured_s - start_s
                    yield Frame(rgb, timestamp_s, index, self.name, decode_ms, captured_s)
        finally:
            self._slot.close()
            grabber.join(timeout=2.0)
            self._capture.release()

    def stop(self) -> None:
        """End `frames` at once."""
        self._slot.close()

    def _grab(self) -> None:
        index = 0
        while not self._slot.closed:
            received, pixels = self._capture.read()
            if not received:
                break
            self._slot.put((index, time.monotonic(), pixels))
            index += 1
        self._slot.close()


class _NewestFrame:
    """A slot for one frame: a new one replaces one that was not taken in time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: tuple[int, float, Pixels] | None = None
        self.closed = False

    def put(self, item: tuple[int, float, Pixels]) -> None:
        with self._changed:
            self._item = item
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify()

    def take(self, timeout_s: float, name: str) -> tuple[int, float, Pixels]:
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self.closed, timeout_s)
            if self._item is None:
                raise SourceLostError(
                    f"{name} stopped delivering frames. Check the cable and whether another "
                    "program uses the camera, then start again."
                )
            item, self._item = self._item, None
            return item


def prefetch(frames: Generator[Frame, None, None]) -> Generator[Frame, None, None]:
    """Decode on another thread, a few frames ahead of whoever takes them.

    The order and the frames stay the same; an error comes after the last frame before it.
    Closing this iterator closes `frames`.
    """
    queue: Queue[Frame | BaseException | None] = Queue(PREFETCH_FRAMES)
    stopped = threading.Event()

    def put(item: Frame | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(Full):
                queue.put(item, timeout=0.1)
                return

    def decode() -> None:
        try:
            with contextlib.closing(frames):
                for frame in frames:
                    put(frame)
                    if stopped.is_set():
                        return
            put(None)
        except BaseException as error:  # handed to the taker, whatever it is
            put(error)

    worker = threading.Thread(target=decode, name="decoder", daemon=True)
    worker.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        worker.join()


def _no_camera(index: int) -> str:
    devices = sorted(glob.glob("/dev/video*"))
    found = f"Found: {', '.join(devices)}" if devices else "Found no /dev/video* device"
    return (
        f"Camera {index} cannot be opened. {found}. Check the cable, close other programs that "
        "use the camera, try another index, or add your user to the group 'video'."
    )


def open_source(path: str | os.PathLike[str]) -> FrameSource:
    """Open a still or a video file by its ending.

    Raises:
        SourceError: if it is missing, of an unknown kind, or cannot be opened.
    """
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


def expand_sources(names: Iterable[str]) -> list[str]:
    """Turn files, folders and globs into a list of files, folders in natural reading order.

    A folder gives the stills and videos in it and below it; other files are passed over.

    Raises:
        SourceError: if a folder or a pattern holds no still and no video.
    """
    files: list[str] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = [str(p) for p in sorted(path.rglob("*")) if is_media(p)]
        elif glob.has_magic(name) and not path.exists():
            found = [p for p in sorted(glob.glob(name, recursive=True)) if is_media(Path(p))]
        else:
            found = [name]
        if not found:
            raise SourceError(
                f"{display_path(name)} holds no picture and no video. Expected files that end "
                f"in one of {', '.join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))}."
            )
        files += found
    return files


def is_media(path: Path) -> bool:
    """Whether a path is a file that looks like a still or a video; hidden files are not."""
    suffix = path.suffix.lower()
    named_so = suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES
    return named_so and not path.name.startswith(".") and path.is_file()
