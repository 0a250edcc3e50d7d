"""What live sources read from: a camera, a pipe, a stream. One class for each way.

A capture knows nothing of reconnecting or of which frames are wanted: that is the job of `live`.
It reads one device or connection until it ends, and drops what is damaged.
"""

from __future__ import annotations

from typing import Protocol

from har_edge.arrays import Pixels


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
