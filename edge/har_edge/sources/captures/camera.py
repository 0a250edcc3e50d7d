"""Cameras of this machine: through OpenCV's V4L2, and on a Raspberry Pi's ribbon cable."""

from __future__ import annotations

import sys
from typing import Protocol

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.sources.captures.devices import advice, device_path
from har_edge.sources.captures.opencv import OpenCvCapture


class CameraCapture(OpenCvCapture):
    """A camera that OpenCV drives."""

    finite = False
    caveat = ""

    def __init__(self, device: str) -> None:
        """Open a camera.

        Args:
            device: `0`, `1`, … or a device file.

        Raises:
            SourceError: if it is not there or cannot be opened; the message says what was found.
        """
        self.corrupt = 0
        cv2 = import_cv2()
        if sys.platform == "linux":
            path = device_path(device)
            # By name: other back ends would be probed for seconds.
            self._capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        else:
            self._capture = cv2.VideoCapture(int(device) if device.isdecimal() else device)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"Camera {device} cannot be opened, though it is there. {advice()}")
        # Where the driver honours it, one buffer keeps frames young.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)


class _Request(Protocol):
    """What is used of a buffer that picamera2 lends."""

    def make_array(self, name: str, /) -> Pixels:
        """Copy a picture out of it, here `main`."""

    def release(self) -> None:
        """Give it back."""


class PicameraCapture:
    """A camera on a Raspberry Pi's ribbon cable, through libcamera."""

    finite = False
    caveat = ""

    def __init__(self, index: int) -> None:
        """Open a camera.

        Raises:
            SourceError: if picamera2 is not installed or there is no such camera.
        """
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise SourceError(
                f"picamera:{index} needs the package 'picamera2', which is not installed. Run: "
                "sudo apt install -y python3-picamera2  and make the environment with "
                "python3 -m venv --system-site-packages; a USB camera is --camera 0."
            ) from error
        self.corrupt = 0
        found = Picamera2.global_camera_info()
        if index >= len(found):
            models = ", ".join(f"{i}: {c.get('Model', '?')}" for i, c in enumerate(found))
            raise SourceError(
                f"picamera:{index} does not exist. Found {models or 'no camera'}. Check the "
                "ribbon cable with the Pi switched off, and rpicam-hello --list-cameras."
            )
        self._camera = Picamera2(index)
        # What libcamera calls BGR888 lies in memory as R, G, B.
        form = {"size": (640, 480), "format": "BGR888"}
        self._camera.configure(self._camera.create_video_configuration(main=form))
        self._camera.start()
        self._request: _Request | None = None

    def grab(self) -> bool:
        """Wait for the next buffer."""
        self._release()
        self._request = self._camera.capture_request()
        return self._request is not None

    def retrieve(self) -> Pixels | None:
        """Copy the buffer."""
        if self._request is None:
            return None
        return np.ascontiguousarray(self._request.make_array("main"), dtype=np.uint8)

    def _release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def close(self) -> None:
        """Free the camera."""
        self._release()
        self._camera.close()
