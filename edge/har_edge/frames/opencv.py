"""OpenCV, quiet; and its order of colours turned into ours and back."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Protocol

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError


class VideoCapture(Protocol):
    """What is used of OpenCV's class of that name."""

    def isOpened(self) -> bool:  # noqa: N802
        """Whether there is anything to read."""

    def get(self, property_id: int, /) -> float:
        """Give a property, such as `CAP_PROP_FPS`; 0 if it is not known."""

    def set(self, property_id: int, value: float, /) -> bool:
        """Set a property; False if that is not supported."""

    def grab(self) -> bool:
        """Go on to the next frame; False at the end."""

    def retrieve(self) -> tuple[bool, Pixels]:
        """Decode the frame that was grabbed."""

    def read(self) -> tuple[bool, Pixels]:
        """Go on to the next frame and decode it."""

    def release(self) -> None:
        """Close the file or the device."""


@functools.cache
def import_cv2() -> ModuleType:
    """Import OpenCV with its and FFmpeg's own logging off.

    Damaged files are reported by our errors; the decoders' lines on stderr would only
    garble the terminal. A user who wants them sets the variables.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    import cv2

    return cv2


def open_url(url: str, timeout_s: float) -> VideoCapture:
    """Open a URL with OpenCV's FFmpeg; the caller asks whether it is open, and releases it."""
    cv2 = import_cv2()
    limits_ms = int(timeout_s * 1e3)
    limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
    settings = [value for limit in limits for value in (limit, limits_ms)]
    capture: VideoCapture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
    return capture


@contextlib.contextmanager
def opencv_faults(shown: str) -> Iterator[None]:
    """Turn an exception of OpenCV's, from what is done to a source inside, into a SourceError.

    Args:
        shown: Printable name of the source.
    """
    try:
        yield
    except import_cv2().error as error:
        reason = str(error.err or error).strip().rstrip(".")
        raise SourceError(
            f"{shown} cannot be decoded: OpenCV says {reason!r}. If it is a file, copy it "
            "again; if it is a camera, try another resolution or format."
        ) from error


def bgr_to_rgb(frame: Pixels) -> Pixels:
    """Turn a frame as OpenCV decodes it into RGB.

    Args:
        frame: (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) grey, uint8.

    Returns:
        RGB pixels, (H, W, 3), uint8.
    """
    cv2 = import_cv2()
    channels = frame.shape[2] if frame.ndim == 3 else 1
    code = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}[channels]
    return np.asarray(cv2.cvtColor(frame, code), dtype=np.uint8)


def view_as_rgb(frame: Pixels) -> Pixels:
    """See a frame as OpenCV decodes it as RGB, without moving a byte where it is BGR.

    `resize_frame` and `rgb_to_bgr` know such a view by its negative stride and work on the BGR
    pixels behind it; what is turned round then is the model's small picture, or nothing. OpenCV's
    own functions take it, too, but copy it first, which is slower than `bgr_to_rgb`.

    Args:
        frame: As for `bgr_to_rgb`.

    Returns:
        RGB pixels, (H, W, 3), uint8.
    """
    return frame[..., ::-1] if frame.ndim == 3 and frame.shape[2] == 3 else bgr_to_rgb(frame)


def rgb_to_bgr(frame: Pixels) -> Pixels:
    """Copy an RGB frame as OpenCV writes and shows it: BGR, (H, W, 3), uint8."""
    if frame.strides[2] < 0:
        return frame[..., ::-1].copy()
    cv2 = import_cv2()
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), dtype=np.uint8)
