"""Motion JPEG: pictures cut out of a stream of bytes, and only those that are whole.

What comes over HTTP as `multipart/x-mixed-replace` and what comes through a pipe is cut by the
same rule, JPEG's own markers. They say more than a multipart header: a picture is complete when
its last byte is there, without waiting for the next boundary, and one that was cut off is
recognised by the next one's start, whatever its header had announced.
"""

from __future__ import annotations

import re
from collections import deque
from types import ModuleType

from har_edge.arrays import Pixels
from har_edge.errors import SourceError

# More than any camera sends; a stream without an end marker must not fill the memory.
MAX_PICTURE_BYTES = 32 * 2**20
MAX_PICTURE_PIXELS = 64 * 10**6

_START = b"\xff\xd8\xff"
_SOI, _EOI, _SOS, _FILL = 0xD8, 0xD9, 0xDA, 0xFF
# In coded data, 0xff is followed by 0x00 (a plain 0xff) or a restart marker. Anything else ends it.
# Source: ITU-T T.81 (1992), annex B.1.1.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


class JpegSplitter:
    """Cuts a stream of bytes into JPEG pictures; what lies between them is passed over."""

    def __init__(self, max_bytes: int = MAX_PICTURE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._data = bytearray()
        self._begin()

    def feed(self, data: bytes) -> list[bytes | None]:
        """Take the next bytes.

        Returns:
            The pictures that end in them, in order; None in place of each that is damaged: cut
            off, too long, or with markers where none can be.
        """
        self._data += data
        pictures: list[bytes | None] = []
        while self._find_start():
            end = self._find_end()
            if end is None:
                break
            # The search goes on where damage was seen, not before: a picture's header may hold
            # a small picture of its own.
            pictures.append(bytes(self._data[:end]) if end else None)
            del self._data[: end or self._at]
            self._begin()
        if len(self._data) > self._max_bytes:
            pictures.append(None)
            self._data.clear()
            self._begin()
        return pictures

    def _begin(self) -> None:
        self._at = 2
        self._in_scan = False
        self._started = False

    def _find_start(self) -> bool:
        if not self._started:
            start = self._data.find(_START)
            # The marker's first bytes may be here and its last one still on its way.
            del self._data[: start if start >= 0 else max(0, len(self._data) - 2)]
            self._started = start >= 0
        return self._started

    def _find_end(self) -> int | None:
        """Walk the markers: the picture's length, 0 if it is damaged, None if more must come."""
        data = self._data
        while True:
            if self._in_scan:
                found = _MARKER.search(data, self._at)
                if not found:
                    self._at = max(self._at, len(data) - 1)
                    return None
                self._at = found.start()
                self._in_scan = False
            if len(data) < self._at + 4:
                whole = data[self._at : self._at + 2] == bytes((0xFF, _EOI))
                return self._at + 2 if whole else None
            marker = data[self._at + 1]
            if data[self._at] != 0xFF or marker == _SOI:
                return 0
            if marker == _EOI:
                return self._at + 2
            if marker == _FILL:
                self._at += 1
                continue
            length = int.from_bytes(data[self._at + 2 : self._at + 4], "big")
            if length < 2:
                return 0
            self._at += 2 + length
            self._in_scan = marker == _SOS


def import_simplejpeg() -> ModuleType:
    """Import the JPEG decoder that refuses what it cannot decode cleanly.

    OpenCV and Pillow fill the missing part of a damaged picture with grey and call it decoded.

    Raises:
        SourceError: if it is not installed.
    """
    try:
        import simplejpeg
    except ImportError as error:
        raise SourceError(
            "Motion JPEG needs the package 'simplejpeg', which refuses damaged pictures. It is "
            "not installed. Run: pip install simplejpeg"
        ) from error
    module: ModuleType = simplejpeg
    return module


def decode_jpeg(data: bytes) -> Pixels | None:
    """Decode a JPEG picture, if it is whole.

    JPEG has no checksum. What is cut off, or lacks as much as a network packet holds, is refused;
    a few changed bytes may go unnoticed, which TCP's own checksums leave to a camera's faults.

    Args:
        data: The file's bytes.

    Returns:
        RGB pixels, (H, W, 3), uint8, or None if anything in it is missing or left over.
    """
    simplejpeg = import_simplejpeg()
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if height * width > MAX_PICTURE_PIXELS:
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except ValueError:
        return None
    return pixels


class Pictures:
    """Pictures of a stream of bytes, in order; the current one is decoded on demand.

    Attributes:
        corrupt: Damaged pictures that were passed over.
    """

    def __init__(self) -> None:
        self.corrupt = 0
        self._splitter = JpegSplitter()
        self._waiting: deque[bytes | None] = deque()
        self._current = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._waiting.extend(self._splitter.feed(data))

    def next(self) -> bool:
        """Go on to the next whole picture; False if none is complete."""
        while self._waiting:
            picture = self._waiting.popleft()
            if picture is not None:
                self._current = picture
                return True
            self.corrupt += 1
        return False

    def decode(self) -> Pixels | None:
        """Decode the current picture, RGB (H, W, 3) uint8; None if it is damaged."""
        return decode_jpeg(self._current)
