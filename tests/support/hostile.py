"""Pictures and clips that are made to cost much, of which their headers say nothing."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

from tests.support.serving import encode_picture


def avi(frames: Sequence[bytes], size: tuple[int, int], rate_hz: int = 25) -> bytes:
    """A clip of JPEG pictures, which need not be of the size that its header says."""
    width, height = size
    longest = max(map(len, frames))
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, len(frames), 0, 1, longest, *size, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack(
        "<I2H8I4H", 0, 0, 0, 0, 1, rate_hz, 0, len(frames), longest, 0, 0, 0, 0, width, height
    )
    form = struct.pack("<I2i2H4sI4i", 40, width, height, 1, 24, b"MJPG", longest, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", form))
    header = _list(b"hdrl", _chunk(b"avih", main) + streams)
    movie = _list(b"movi", b"".join(_chunk(b"00dc", frame) for frame in frames))
    return _chunk(b"RIFF", b"AVI " + header + movie)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _list(name: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", name + content)


def of_size(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size: decoders take the memory for it first."""
    start = min(at for mark in (b"\xff\xc0", b"\xff\xc2") if (at := jpeg.find(mark)) >= 0)
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def growing_clip() -> bytes:
    """A clip of small frames, of which some say that they are 16,000 pixels wide and high."""
    small = encode_picture("JPEG")
    return avi([small] * 5 + [of_size(small, 16_000, 16_000)] * 20, (320, 240))


def standing_clip(count: int = 1000) -> bytes:
    """A clip whose time stands still: all of its frames within a few milliseconds."""
    frame = encode_picture("JPEG", (1000, 1000), quality=1)
    return avi([frame] * count, (1000, 1000), rate_hz=1_000_000)


def slow_clip() -> bytes:
    """A clip of large frames, so far apart that each of them is taken: seconds of work."""
    return avi([encode_picture("JPEG", (2000, 2000), quality=1)] * 230, (2000, 2000), rate_hz=2)


def many_scans(size: tuple[int, int], scans: int) -> bytes:
    """A progressive JPEG that repeats its last scan, each time at the cost of decoding it anew."""
    data = encode_picture("JPEG", size, progressive=True)
    start, own = data.rindex(b"\xff\xda"), data.count(b"\xff\xda")
    return data[:start] + data[start:-2] * max(1, scans - own + 1) + data[-2:]


def large_picture(form: str, mode: str, side: int) -> bytes:
    """A plain picture: small in the file, and as many bytes as its mode has when decoded."""
    from PIL import Image

    stream = io.BytesIO()
    options: dict[str, object] = {"compress_level": 1} if form == "PNG" else {}
    if form == "WEBP":
        options = {"lossless": True, "method": 0}
    Image.new(mode, (side, side)).save(stream, form, **options)
    return stream.getvalue()
