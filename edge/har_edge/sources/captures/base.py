"""What sources read from on this machine: cameras and pipes. One class for each way.

A capture knows nothing of reconnecting or of which frames are wanted: that is the job of `live`.
It reads one device or connection until it ends, and drops what is damaged. Those of the network
are in `streams`.
"""

from __future__ import annotations

import os
import re
import select
import sys
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from har_edge.errors import SourceError
from har_edge.frames.preprocess import Pixels, bgr_to_rgb, import_cv2
from har_edge.sources.captures.devices import advice, device_path
from har_edge.sources.captures.mjpeg import Pictures, import_simplejpeg


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
        self._request: Any = None

    def grab(self) -> bool:
        """Wait for the next buffer."""
        self._release()
        self._request = self._camera.capture_request()
        return self._request is not None

    def retrieve(self) -> Pixels | None:
        """Copy the buffer."""
        return np.ascontiguousarray(self._request.make_array("main"), dtype=np.uint8)

    def _release(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def close(self) -> None:
        """Free the camera."""
        self._release()
        self._camera.close()


@dataclass(frozen=True)
class StdinFormat:
    """What comes on standard input: `mjpeg[@FPS|@live]` or `rgb24:WIDTHxHEIGHT[@FPS|@live]`.

    Attributes:
        kind: Pictures one after another, or bare pixels.
        width, height: Size in pixels of `rgb24`, else 0.
        frame_rate_hz: How many frames make a second of the source's time; None: they come live,
            their time is that of their arrival.
    """

    kind: Literal["mjpeg", "rgb24"] = "mjpeg"
    width: int = 0
    height: int = 0
    frame_rate_hz: float | None = 25.0

    @classmethod
    def parse(cls, text: str) -> StdinFormat:
        """Read a format.

        Raises:
            ValueError: if it is none; the message says what is.
        """
        pattern = r"(?:(mjpeg)|rgb24:(\d{1,5})x(\d{1,5}))(?:@(live|\d+(?:\.\d+)?))?"
        found = re.fullmatch(pattern, text)
        if not found or (found[2] and not int(found[2]) * int(found[3])) or found[4] == "0":
            raise ValueError(
                "Expected mjpeg[@FPS|@live] or rgb24:WIDTHxHEIGHT[@FPS|@live], for example "
                f"mjpeg@30 or rgb24:640x480@25. Received {text!r}."
            )
        rate = {None: cls.frame_rate_hz, "live": None}.get(found[4], found[4])
        return cls(
            "mjpeg" if found[1] else "rgb24",
            int(found[2] or 0),
            int(found[3] or 0),
            None if rate is None else float(rate),
        )


class PipeCapture:
    """Frames from a file descriptor, as another program writes them."""

    finite = True
    caveat = ""

    def __init__(self, descriptor: int, form: StdinFormat) -> None:
        """Take a descriptor that is open for reading; it stays open."""
        self._descriptor = descriptor
        self._form = form
        self.closed = False
        self._ended = False
        self._bytes = bytearray()
        self._frame: Pixels | None = None
        self._frame_bytes = form.width * form.height * 3
        self._pictures = Pictures()
        if form.kind == "mjpeg":
            import_simplejpeg()

    @property
    def corrupt(self) -> int:
        """Frames that were cut off."""
        return self._pictures.corrupt + int(self._ended and bool(self._bytes))

    def grab(self) -> bool:
        """Read until a frame is complete; False at the end of the pipe or after `close`."""
        while not self._next():
            data = self._read()
            if not data:
                return False
            if self._form.kind == "mjpeg":
                self._pictures.feed(data)
            else:
                self._bytes += data
        return True

    def _next(self) -> bool:
        if self._form.kind == "mjpeg":
            return self._pictures.next()
        if len(self._bytes) < self._frame_bytes:
            return False
        shape = (self._form.height, self._form.width, 3)
        pixels = np.frombuffer(bytes(self._bytes[: self._frame_bytes]), np.uint8)
        self._frame = pixels.reshape(shape)
        del self._bytes[: self._frame_bytes]
        return True

    def _read(self) -> bytes:
        # In short waits, so that a silent pipe does not keep `close` from having its effect.
        while not self.closed:
            if select.select([self._descriptor], [], [], 0.2)[0]:
                data = os.read(self._descriptor, 2**20)
                self._ended = not data
                return data
        return b""

    def retrieve(self) -> Pixels | None:
        """Decode the frame."""
        return self._pictures.decode() if self._form.kind == "mjpeg" else self._frame

    def close(self) -> None:
        """Make a waiting `grab` end; for other threads too."""
        self.closed = True
