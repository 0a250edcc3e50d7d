"""Videos that give back every pixel: what was cut out once is learnt as the runner would cut it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import DataError, OutputError
from har_edge.frames.ffmpeg import HOW_TO_GET_AV, has_av, import_av
from har_edge.paths import display_path

SUFFIX = ".mkv"
# FFV1 (RFC 9043) codes red, green and blue without loss, and every reader of ours knows it. Its
# pixels of 8 bits have a fourth byte, which is not used.
CODEC, LAYOUT = "ffv1", "bgr0"


class LosslessVideo:
    """A video of constant rate that grows frame by frame.

    Args:
        path: The file, ending in .mkv; an existing one is written over.
        frame_rate_hz: Its frames a second.
        size: Height and width.

    Raises:
        DataError: if PyAV is not installed.
        OutputError: if it cannot be written.
    """

    def __init__(self, path: Path, frame_rate_hz: float, size: tuple[int, int]) -> None:
        if not has_av():
            raise DataError(
                "Crops should be written without loss, by PyAV, which is not installed. "
                f"For it: {HOW_TO_GET_AV}."
            )
        self.path = path
        self.frames = 0
        self._av = av = import_av()
        rate = Fraction(frame_rate_hz).limit_denominator(1001)
        try:
            self._container = av.open(str(path), "w", format="matroska")
            self._stream = self._container.add_stream(CODEC, rate=rate)
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = LAYOUT
            self._stream.codec_context.thread_count = 1
        except (av.FFmpegError, OSError) as error:
            raise self._unwritable(error) from error
        self._time_base = 1 / rate

    def write(self, frame: Pixels) -> None:
        """Append a frame, RGB, (H, W, 3), uint8.

        Raises:
            OutputError: if it cannot be written.
        """
        picture = self._av.VideoFrame(frame.shape[1], frame.shape[0], LAYOUT)
        (plane,) = picture.planes
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        pixels = rows[: frame.shape[0], : 4 * frame.shape[1]].reshape(*frame.shape[:2], 4)
        pixels[..., :3] = frame[..., ::-1]
        pixels[..., 3] = 0
        picture.pts, picture.time_base = self.frames, self._time_base
        self.frames += 1
        self._mux(picture)

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: if its end cannot be written.
        """
        try:
            if self.frames:
                self._mux(None)
            self._container.close()
        except (self._av.FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def _mux(self, picture: object) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (self._av.FFmpegError, OSError) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> OutputError:
        return OutputError(
            f"{display_path(self.path)} cannot be written: {error}. Free some disk space, or give "
            "another --out."
        )
