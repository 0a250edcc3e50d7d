"""Videos through OpenCV, where no PyAV can be installed. It guesses much that PyAV knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from har_edge.arrays import Pixels
from har_edge.frames.ffmpeg import HOW_TO_GET_AV
from har_edge.frames.opencv import (
    VideoCapture,
    bgr_to_rgb,
    import_cv2,
    open_url,
    opencv_faults,
    view_as_rgb,
)
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.network import TIMEOUT_S
from har_edge.sources.videos.base import (
    LARGE_PIXELS,
    Picture,
    VideoFacts,
    clearly_fewer,
    no_picture,
    no_video,
)


class OpenCvVideo:
    """A video through OpenCV's FFmpeg.

    Mirrored pictures stay so, interlaced ones are not written at all, and the number of frames is
    what the container says.
    """

    caveat = (
        "read with OpenCV, which cannot read AV1, animated PNG, interlaced and mirrored video "
        f"and may take a whole file for a cut one. For that: {HOW_TO_GET_AV}"
    )

    def __init__(self, address: str, name: str, *, remote: bool = False) -> None:
        """Open a file or an address on an HTTP server.

        Raises:
            SourceError: if it is no video.
        """
        self._address, self._name, self._remote = address, name, remote
        self.count = 0
        self._num_threads = 1
        self._capture = self._open()

    def facts(self) -> VideoFacts:
        """Read what the file says of itself."""
        cv2 = import_cv2()
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        duration_s = count / rate_hz if rate_hz > 0 and count > 0 else None
        return VideoFacts(rate_hz, count, duration_s)

    def size(self) -> tuple[int, int]:
        """Find width and height."""
        cv2 = import_cv2()
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        return width, int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def pictures(self, sampler: FrameSampler) -> Iterator[Picture]:
        """Decode all of it, and convert what is taken."""
        cv2 = import_cv2()
        width, height = self.size()
        if width * height > LARGE_PIXELS and not self._remote:
            self._num_threads = os.cpu_count() or 1
            self._reopen()
        last_s = 0.0
        with opencv_faults(self._name):
            while self._capture.grab():
                # The last pictures of a file without times of its own come with 0.
                last_s = max(last_s, float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3)
                self.count += 1
                if not sampler.takes(last_s):
                    continue
                decoded, pixels = self._capture.retrieve()
                if decoded:
                    yield Picture(self.count - 1, last_s, view_as_rgb(pixels))
        if not self.count:
            raise no_picture(self._name)

    def lacks_frames(self, stated: int) -> bool:
        """Whether there are clearly fewer frames than the container says."""
        return clearly_fewer(self.count, stated)

    def ends_early(self, stated: int) -> bool:
        """No: OpenCV cannot tell."""
        return False

    def num_shown(self) -> int | None:
        """Nothing: OpenCV cannot tell."""
        return None

    def look(self, numbers: Sequence[int]) -> list[Pixels | None]:
        """Decode some pictures by seeking."""
        found: list[Pixels | None] = []
        for number in numbers:
            self._reopen()
            # Files of one frame cannot be sought in, not even for their start.
            if number > 0:
                self._capture.set(import_cv2().CAP_PROP_POS_FRAMES, number)
            with opencv_faults(self._name):
                decoded, pixels = self._capture.read()
                found.append(bgr_to_rgb(pixels) if decoded else None)
        return found

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _reopen(self) -> None:
        self._capture.release()
        self._capture = self._open()

    def _open(self) -> VideoCapture:
        if self._remote:
            capture = open_url(self._address, TIMEOUT_S)
        else:
            cv2 = import_cv2()
            # FFmpeg by name: other back ends would take 'a%02d.mp4' for a picture series.
            options = [cv2.CAP_PROP_N_THREADS, self._num_threads]
            capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, options)
        if not capture.isOpened():
            capture.release()
            raise no_video(self._name)
        return capture
