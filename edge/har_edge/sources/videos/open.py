"""Which decoder reads a video: PyAV, else OpenCV."""

from __future__ import annotations

from har_edge.sources.captures.pyav import has_av
from har_edge.sources.videos.base import VideoReader
from har_edge.sources.videos.opencv import OpenCvVideo
from har_edge.sources.videos.pyav import AvVideo


def open_video(address: str, name: str, *, timeout_s: float | None = None) -> VideoReader:
    """Open a video with PyAV where it is installed, else with OpenCV.

    Args:
        address: Absolute path, or a URL.
        name: What to call it in messages.
        timeout_s: Longest wait for a server; None for a file on the disk.

    Raises:
        SourceRefusedError: if user or password are wrong.
        SourceError: if it is no video, or one that cannot be decoded.
    """
    if has_av():
        return AvVideo(address, name, timeout_s=timeout_s)
    return OpenCvVideo(address, name, remote=timeout_s is not None)
