"""Pictures and video files on a web server: read to their end, as those on the disk are."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

from har_edge.arrays import Pixels
from har_edge.frames.decode import load_image
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.base import Notify
from har_edge.sources.captures.http import download
from har_edge.sources.captures.network import TIMEOUT_S
from har_edge.sources.files import ImageSource, VideoSource, open_video
from har_edge.sources.urls import redact
from har_edge.sources.videos.base import VideoReader

# How often a thread that waits for another looks whether it shall end.
TICK_S = 0.1


class UrlImageSource(ImageSource):
    """A picture on an HTTP server: one frame at time 0."""

    def __init__(self, url: str) -> None:
        super().__init__(redact(url))
        self._url = url

    def _load(self) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture"
            file.write_bytes(download(self._url))
            return load_image(file)


class UrlVideoSource(VideoSource):
    """A video file on an HTTP server.

    A server may be silent for seconds, and FFmpeg cannot be told to give up meanwhile. So a
    thread of its own reads the file; it is left behind when the source is stopped, and ends
    with FFmpeg's own time limit.
    """

    def __init__(self, url: str, notify: Notify | None = None) -> None:
        """Open the file far enough to know its length.

        Args:
            url: Its address.
            notify: Hears what is odd about it, see `VideoSource`.

        Raises:
            SourceError: if it cannot be reached or is no video.
        """
        self._url = url
        self._stopped = threading.Event()
        super().__init__(redact(url), notify)

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes.

        Raises:
            SourceError: as for a file on the disk.
        """
        handed: queue.Queue[Frame | BaseException | None] = queue.Queue(1)
        left = threading.Event()
        frames = super().frames(sampler)
        threading.Thread(
            target=_hand_over, args=(frames, handed, left), name=self.name, daemon=True
        ).start()
        try:
            while not self._stopped.is_set():
                with contextlib.suppress(queue.Empty):
                    item = handed.get(timeout=TICK_S)
                    if item is None:
                        return
                    if isinstance(item, BaseException):
                        raise item
                    yield item
        finally:
            left.set()

    def stop(self) -> None:
        """End `frames` at once, even while it waits for the server."""
        self._stopped.set()

    def _open(self) -> AbstractContextManager[VideoReader]:
        return contextlib.closing(open_video(self._url, self.name, timeout_s=TIMEOUT_S))


def _hand_over(
    frames: Generator[Frame, None, None],
    handed: queue.Queue[Frame | BaseException | None],
    left: threading.Event,
) -> None:
    """Put frames, then None or what went wrong, until nobody waits for them any more."""

    def put(item: Frame | BaseException | None) -> None:
        while not left.is_set():
            with contextlib.suppress(queue.Full):
                handed.put(item, timeout=TICK_S)
                return

    end: BaseException | None = None
    try:
        with contextlib.closing(frames):
            for frame in frames:
                put(frame)
                if left.is_set():
                    return
    except BaseException as error:  # raised where the frames are taken
        end = error
    put(end)
