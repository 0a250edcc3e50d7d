"""Frames out of a file descriptor, as another program writes them."""

from __future__ import annotations

import os
import select

import numpy as np

from har_edge.arrays import Pixels
from har_edge.config import StdinFormat
from har_edge.sources.captures.mjpeg import Pictures, import_simplejpeg


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
