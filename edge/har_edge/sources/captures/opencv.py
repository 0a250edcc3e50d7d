"""What is read through OpenCV: devices, and streams where PyAV is not installed."""

from __future__ import annotations

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import HOW_TO_GET_AV
from har_edge.frames.opencv import VideoCapture, bgr_to_rgb, open_url
from har_edge.sources.captures.network import TIMEOUT_S
from har_edge.sources.captures.options import opencv_stream_options
from har_edge.sources.urls import redact


class OpenCvCapture:
    """What is read through OpenCV, once a subclass has opened it as `_capture`."""

    _capture: VideoCapture

    def grab(self) -> bool:
        """Wait for the next frame."""
        return bool(self._capture.grab())

    def retrieve(self) -> Pixels | None:
        """Decode and convert it."""
        decoded, pixels = self._capture.retrieve()
        return bgr_to_rgb(pixels) if decoded else None

    def close(self) -> None:
        """Free the device, or the connection."""
        self._capture.release()


class OpenCvStream(OpenCvCapture):
    """An RTSP, RTMP or HTTP stream through OpenCV's FFmpeg.

    It cannot tell a damaged picture from a whole one: OpenCV gives FFmpeg's decoder no options
    and keeps its error flags to itself. `pyav.AvStream` can.
    """

    finite = False
    caveat = f"Damaged pictures are not told from whole ones; for that: {HOW_TO_GET_AV}"

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Connect.

        Raises:
            SourceError: if that fails; OpenCV does not say why.
        """
        self.corrupt = 0
        with opencv_stream_options():
            self._capture = open_url(url, timeout_s)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(
                f"{redact(url)} cannot be opened. Check that the address, the user and the "
                "password are right and that the camera answers; with the package 'av' installed "
                f"({HOW_TO_GET_AV}) this message would say more."
            )
