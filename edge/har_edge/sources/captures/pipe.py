"""Frames out of a file descriptor, as another program writes them."""

from __future__ import annotations

import os
import re
import select
from dataclasses import dataclass
from typing import Literal

import numpy as np

from har_edge.arrays import Pixels
from har_edge.sources.captures.mjpeg import Pictures, import_simplejpeg


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
