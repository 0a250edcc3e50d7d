"""Uploads that mean harm: they cost much, of which their headers say nothing, or hold others."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

from PIL import Image

from tests.support.serving import encode_picture

MEBIBYTE = 2**20
PAGE = b"<!doctype html><html><script>alert(1)</script></html>"


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


def png(width: int, height: int, *rest: bytes) -> bytes:
    """A PNG of stated size; `rest` are its other chunks, kind and content in one."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (header, *rest, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )


def bomb() -> bytes:
    """A picture of 12,000 x 12,000 pixels in two megabytes."""
    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * 12_000)
    packed = b"".join(packer.compress(row) for _ in range(12_000)) + packer.flush()
    return png(12_000, 12_000, b"IDAT" + packed)


def text_bomb() -> bytes:
    """A small picture with a note of 512 MB in 2 MB."""
    packer = zlib.compressobj(1)
    note = b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(512)) + packer.flush()
    pixels = zlib.compress(bytes(8 * 25))
    return png(8, 8, b"zTXtComment\0\0" + note, b"IDAT" + pixels)


def a_thousand_scans() -> bytes:
    """A small JPEG that repeats its last scan."""
    return many_scans((320, 240), 1000)


def zipped() -> bytes:
    """An archive of one file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Main.class", b"\xca\xfe\xba\xbe")
    return packed.getvalue()


def comment(content: bytes) -> bytes:
    """A segment of a JPEG for notes."""
    return b"\xff\xfe" + struct.pack(">H", len(content) + 2) + content


def animated(form: str, count: int, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """Pictures of a tenth of a second that grow brighter."""
    frames = [Image.new("RGB", size, (2 * i, 2 * i, 2 * i)) for i in range(count)]
    stream = io.BytesIO()
    frames[0].save(stream, form, save_all=True, append_images=frames[1:], duration=100, **options)
    return stream.getvalue()


def printer_settings() -> bytes:
    """Metadata as Photoshop on a Mac writes it: a property list, which no browser runs."""
    note = b"Photoshop 3.0\x008BIM\x04\x25" + b'<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "x">'
    return b"\xff\xed" + struct.pack(">H", len(note) + 2) + note


def bitmap_of(text: bytes) -> bytes:
    """A bitmap whose pixels spell a text."""
    data = bytearray(encode_picture("BMP"))
    start = int.from_bytes(data[10:14], "little")
    data[start : start + len(text)] = text
    return bytes(data)


def png_of(text: bytes) -> bytes:
    """A picture whose pixels, which are not compressed, spell a text."""
    rows = b"".join(b"\0" + text.ljust(3 * 64)[: 3 * 64] for _ in range(64))
    return png(64, 64, b"IDAT" + zlib.compress(rows, 0))
