"""Pictures into a video that plays where people watch: H.264 in MP4, in browsers too.

Without PyAV's encoder it is motion JPEG in MKV through OpenCV, which only players show. Both are
written so that a process that is killed leaves a file that plays, up to its last second or so.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import OutputError
from har_edge.frames.ffmpeg import HOW_TO_GET_AV, has_av, import_av
from har_edge.frames.opencv import import_cv2
from har_edge.paths import display_path

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

H264 = "libx264"
# Little work and no picture held back: a model runs beside it.
ENCODER_OPTIONS = {"preset": "superfast", "tune": "zerolatency", "crf": "22"}
# Pieces of a second that can be played by themselves, each on the disk at once; MP4 becomes a
# plain file at the end.
_PIECES = {"movflags": "hybrid_fragmented", "frag_duration": "1000000"}
MUXER_OPTIONS = {".mp4": _PIECES, ".mov": _PIECES, ".mkv": {"cluster_time_limit": "1000"}}
# Of the second choice.
PLAIN_SUFFIX = ".mkv"
PLAIN_CAVEAT = (
    "No encoder for H.264 is installed: videos are written as motion JPEG in MKV files, which "
    f"players show and browsers do not. For the other: {HOW_TO_GET_AV}"
)
# As most pictures are coded; who is not told takes large ones for another. Source: ITU-T H.273.
SMPTE_170M, LIMITED_RANGE = 6, 1


class Encoder(Protocol):
    """A video file that grows picture by picture."""

    def write(self, picture: Pixels) -> None:
        """Append a BGR picture of the video's size, (H, W, 3), uint8.

        Raises:
            OutputError: if it cannot be written.
        """

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: if it cannot be written.
        """


def writes_h264() -> bool:
    """Whether PyAV is installed, with an encoder for H.264."""
    return has_av() and H264 in import_av().codecs_available


def video_path(path: Path) -> Path:
    """Give the name that a video gets: where H.264 cannot be written, it ends in .mkv."""
    return path if writes_h264() else path.with_suffix(PLAIN_SUFFIX)


def open_encoder(path: Path, frame_rate_hz: float, size: tuple[int, int]) -> Encoder:
    """Begin a video; an existing file is written over.

    Args:
        path: The file: .mp4, .mov, .mkv or .avi; see `video_path`.
        frame_rate_hz: Its pictures a second.
        size: Width and height of its pictures.

    Raises:
        OutputError: if it cannot be written.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = video_path(Path(folder, "black.mp4"))
        ...     encoder = open_encoder(path, 8.0, (64, 48))
        ...     encoder.write(np.zeros((48, 64, 3), np.uint8))
        ...     encoder.close()
        ...     path.stat().st_size > 100
        True
    """
    if writes_h264():
        return H264Encoder(path, frame_rate_hz, size)
    return MjpegEncoder(path, frame_rate_hz, size)


class H264Encoder:
    """H.264 through PyAV; pictures of odd sizes get a row or column more."""

    def __init__(self, path: Path, frame_rate_hz: float, size: tuple[int, int]) -> None:
        self._av = av = import_av()
        self._path = path
        self._size = size
        self._margins = (size[1] % 2, size[0] % 2)
        self._count = 0
        ending = path.suffix.lower()
        name = {".mkv": "matroska"}.get(ending, ending.removeprefix("."))
        options = {"flush_packets": "1", **MUXER_OPTIONS.get(ending, {})}
        try:
            self._container = av.open(str(path), "w", format=name, options=options)
        except (av.FFmpegError, ValueError) as error:
            raise _unwritable(path, error) from error
        rate = Fraction(frame_rate_hz).limit_denominator(1001)
        stream = self._container.add_stream(H264, rate=rate, options=dict(ENCODER_OPTIONS))
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.gop_size = max(1, round(2 * frame_rate_hz))
        context.colorspace, context.color_range = SMPTE_170M, LIMITED_RANGE
        self._stream, self._time_base = stream, 1 / rate
        self._reformatter = av.video.reformatter.VideoReformatter()
        try:
            self._container.start_encoding()  # the file is made only now
        except (av.FFmpegError, OSError) as error:
            raise _unwritable(path, error) from error

    def write(self, picture: Pixels) -> None:
        """Append a picture."""
        if any(self._margins):
            cv2 = import_cv2()
            below, right = self._margins
            picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
        frame = self._reformatter.reformat(
            self._av.VideoFrame.from_ndarray(picture, format="bgr24"),
            format="yuv420p",
            dst_colorspace="SMPTE170M",
            interpolation="BICUBIC",
            threads=1,
        )
        frame.pts, frame.time_base = self._count, self._time_base
        self._count += 1
        self._mux(frame)

    def close(self) -> None:
        """Finish the file."""
        try:
            if not self._count:
                # FFmpeg 8's muxer of pieces crashes on a file without a picture.
                width, height = self._size
                self.write(np.zeros((height, width, 3), np.uint8))
            self._mux(None)
        finally:
            try:
                self._container.close()
            except self._av.FFmpegError as error:
                raise _unwritable(self._path, error) from error

    def _mux(self, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise _unwritable(self._path, error) from error


class MjpegEncoder:
    """Motion JPEG through OpenCV, where there is no better."""

    def __init__(self, path: Path, frame_rate_hz: float, size: tuple[int, int]) -> None:
        cv2 = import_cv2()
        fourcc = cv2.VideoWriter.fourcc(*"MJPG")
        self._writer = cv2.VideoWriter(str(path), fourcc, frame_rate_hz, size)
        if not self._writer.isOpened():
            raise OutputError(
                f"{display_path(path)} cannot be written as a video. Choose a file in an "
                "existing folder that you can write to."
            )

    def write(self, picture: Pixels) -> None:
        """Append a picture; OpenCV does not say if that fails."""
        self._writer.write(picture)

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()


def _unwritable(path: Path, error: Exception) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(
        f"{display_path(path)} cannot be written as a video: {reason}. Choose a file in an "
        "existing folder that you can write to, on a disk with room."
    )
