"""Where in a picture or a clip other things than its pixels can stand, by the rules of its format.

Compressed pixels spell any mark by chance sooner or later, and plain ones whatever a picture shows.
So foreign content is searched for in headers, notes and unknown parts, and behind the end.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import IO

from har_edge.server.items import picture_extents

# Parts that are walked through at most: a made-up file could have millions. The rest is one part.
MAX_PARTS = 20_000

Part = tuple[int, int]

# Every marker but those inside of a scan: stuffed bytes, fill bytes and restarts.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_PNG_PIXELS = frozenset({b"IDAT", b"fdAT", b"iCCP", b"zTXt", b"PLTE"})
_RIFF_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF", b"ICCP", b"idx1"})
_MP4_PIXELS = frozenset({b"mdat", b"moof", b"sidx"})
# Source: RFC 9559, 5.1: Segment; its Cluster and Cues.
_MKV_SEGMENT, _MKV_PIXELS = 0x18538067, frozenset({0x1F43B675, 0x1C53BB6B})
_UNKNOWN_SIZE = -1
# Of a photo with a hundred tiles it takes some kilobytes.
_META_BYTES = 2**20
_GIF_COLOURS, _GIF_CONTROL = 0x80, 0xF9


def parts_beside_pixels(file: IO[bytes], size_bytes: int, form: str) -> Iterator[Part]:
    """Find the parts of a file that hold no pixels.

    Args:
        file: An open file; its position is changed.
        size_bytes: Its size.
        form: Its format, as `har_edge.media` calls it.

    Returns:
        Start and end of each part. Where the rules of the format are broken, the rest is one part.
        Of formats that are not known here there is none.

    Example:
        >>> import io
        >>> data = b"BM" + bytes(8) + bytes([54, 0, 0, 0]) + bytes(40) + b"behind"
        >>> list(parts_beside_pixels(io.BytesIO(data), len(data), "BMP"))
        [(14, 54), (54, 60)]
    """
    walk = _WALKS.get(form)
    if walk is None:
        return
    position, count = 0, 0
    for start, end, is_pixels in walk(file, size_bytes):
        position, count = end, count + 1
        if count > MAX_PARTS:
            break
        if not is_pixels:
            yield start, min(end, size_bytes)
    if position < size_bytes:
        yield position, size_bytes


Step = tuple[int, int, bool]
Walk = Callable[[IO[bytes], int], Iterator[Step]]


def _walk_jpeg(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    """Segments; scans; and further pictures behind the first, as phones put them there."""
    file.seek(0)
    data = file.read(size_bytes)
    position = 0
    while data.startswith(b"\xff\xd8\xff", position):
        position += 2
        yield position - 2, position, True
        for step in _walk_one_jpeg(data, position):
            position = step[1]
            yield step
        if data[position - 2 : position] != b"\xff\xd9":
            return


def _walk_one_jpeg(data: bytes, position: int) -> Iterator[Step]:
    while position + 2 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF:
            return
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xD9:
            yield position, position + 2, True
            return
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if end < position + 4 or end > len(data):
            return
        # Tables are as good as pixels: their bytes are numbers.
        yield position, end, not (0xE0 <= marker <= 0xEF or marker == 0xFE)
        position = end
        if marker == 0xDA:
            found = _JPEG_MARKER.search(data, position)
            end = found.start() if found else len(data)
            yield position, end, True
            position = end


def _walk_png(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    position = 8
    yield 0, position, True
    while position + 12 <= size_bytes:
        file.seek(position)
        head = file.read(8)
        end = position + 12 + int.from_bytes(head[:4], "big")
        if end > size_bytes or not head[4:].isalpha():
            return
        yield position, end, head[4:] in _PNG_PIXELS
        position = end
        if head[4:] == b"IEND":
            return


def _walk_riff(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    """WebP and AVI, which may go on in a further RIFF; lists of frames are passed over."""
    position = 0
    while position + 12 <= size_bytes:
        file.seek(position)
        head = file.read(12)
        whole = position + 8 + int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF":
            return
        yield position, position + 12, True
        position += 12
        while position + 8 <= min(whole, size_bytes):
            file.seek(position)
            head = file.read(12)
            length = int.from_bytes(head[4:8], "little")
            end = position + 8 + length + length % 2
            if end > size_bytes and position + 8 + length != size_bytes:
                return
            frames = head[:4] in _RIFF_PIXELS or (head[:4] == b"LIST" and head[8:] == b"movi")
            yield position, min(end, size_bytes), frames
            position = min(end, size_bytes)


def _walk_bmp(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    file.seek(0)
    head = file.read(54).ljust(54, b"\0")

    def number(start: int, count: int = 4, *, signed: bool = False) -> int:
        return int.from_bytes(head[start : start + count], "little", signed=signed)

    pixels = min(max(14, number(10)), size_bytes)
    yield 0, min(14, size_bytes), True
    yield min(14, size_bytes), pixels, False
    width, height = abs(number(18, signed=True)), abs(number(22, signed=True))
    length = (width * number(28, 2) + 31) // 32 * 4 * height
    if number(30) not in (0, 3):  # packed: the header says how much it is
        length = number(34)
    yield pixels, min(pixels + length, size_bytes), True


def _walk_mp4(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    position = 0
    while position + 8 <= size_bytes:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:  # up to the end
            length = size_bytes - position
        if length < 8 or position + length > size_bytes:
            return
        yield position, position + length, head[4:8] in _MP4_PIXELS
        position += length


def _walk_heif(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    """HEIF and AVIF: boxes as in MP4, but notes lie beside the pixels in one of them."""
    extents, is_sequence = list[Part](), False
    for start, end, _ in _walk_mp4(file, size_bytes):
        file.seek(start + 4)
        name = file.read(4)
        is_sequence = is_sequence or name == b"moov"
        if name == b"meta" and end - start <= _META_BYTES:
            extents = picture_extents(file.read(end - start - 8))
    for start, end, is_pixels in _walk_mp4(file, size_bytes):
        # Samples of a sequence are located elsewhere.
        if not is_pixels or is_sequence:
            yield start, end, is_pixels
            continue
        position = start + 8
        yield start, position, True
        for first, last in extents:
            if start < last and first < end:
                if position < first:
                    yield position, first, False
                yield max(position, first), min(last, end), True
                position = min(last, end)
        if position < end:
            yield position, end, False


def _walk_gif(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    """Pictures, and notes of other kinds, both in pieces of up to 255 bytes."""
    file.seek(0)
    data = file.read(size_bytes)
    position = 13 + _colours_bytes(data[10:11])
    yield 0, min(position, size_bytes), True
    while position < size_bytes:
        kind, start = data[position], position
        if kind == 0x3B:
            yield start, start + 1, True
            return
        if kind == 0x2C:
            position += 11 + _colours_bytes(data[position + 9 : position + 10])
        elif kind == 0x21:
            position += 2
        else:
            return
        while position < size_bytes and data[position]:
            position += 1 + data[position]
        position += 1
        if position > size_bytes:
            return
        yield start, position, kind == 0x2C or data[start + 1] == _GIF_CONTROL


def _colours_bytes(flags: bytes) -> int:
    """Size of the table of colours that a byte of flags announces."""
    return 3 * (2 << (flags[0] & 7)) if flags and flags[0] & _GIF_COLOURS else 0


def _walk_mkv(file: IO[bytes], size_bytes: int) -> Iterator[Step]:
    position, segment_end = 0, size_bytes
    while position + 2 <= size_bytes:
        file.seek(position)
        head = io.BytesIO(file.read(12))
        name = _read_vint(head, keep_marker=True)
        length = _read_vint(head, keep_marker=False)
        start = position + head.tell()
        if name is None or length is None or position >= segment_end:
            return
        if name == _MKV_SEGMENT:
            segment_end = size_bytes if length == _UNKNOWN_SIZE else start + length
            yield position, start, True
            position = start
            continue
        end = size_bytes if length == _UNKNOWN_SIZE else start + length
        if end > size_bytes:
            return
        yield position, end, name in _MKV_PIXELS
        position = end


def _read_vint(file: IO[bytes], *, keep_marker: bool) -> int | None:
    """Read a number of variable length. Source: RFC 8794, 4."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    if keep_marker:
        return value
    value &= (1 << 7 * length) - 1
    return _UNKNOWN_SIZE if value == (1 << 7 * length) - 1 else value


_WALKS: dict[str, Walk] = {
    "JPEG": _walk_jpeg,
    "PNG": _walk_png,
    "WEBP": _walk_riff,
    "AVI": _walk_riff,
    "BMP": _walk_bmp,
    "MP4": _walk_mp4,
    "AVIF": _walk_heif,
    "HEIF": _walk_heif,
    "GIF": _walk_gif,
    "MKV": _walk_mkv,
}
