"""What sources read from on this machine: cameras and pipes. One class for each way.

A capture knows nothing of reconnecting or of which frames are wanted: that is the job of `live`.
It reads one device or connection until it ends, and drops what is damaged. Those of the network
are in `streams`.
"""

from __future__ import annotations

from typing import Any, Protocol

from har_edge.arrays import Pixels
from har_edge.frames.opencv import bgr_to_rgb


class Capture(Protocol):
    """An open camera, stream or pipe. All of it is used by one thread.

    Attributes:
        finite: Whether its end is the end of the source (a pipe) and no loss (a camera).
        caveat: What the user should know about it, one sentence; mostly empty.
    """

    finite: bool
    caveat: str

    @property
    def corrupt(self) -> int:
        """Damaged frames so far; they are dropped."""

    def grab(self) -> bool:
        """Wait for the next whole frame, as cheaply as that can be known; False at the end.

        Raises:
            SourceError: if the connection breaks, or gives nothing but damaged frames.
        """

    def retrieve(self) -> Pixels | None:
        """Give the frame that was grabbed last, RGB (H, W, 3) uint8, or None if it is damaged."""

    def close(self) -> None:
        """Free the device or the connection."""


class OpenCvCapture:
    """What is read through OpenCV, once a subclass has opened it as `_capture`."""

    _capture: Any

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
