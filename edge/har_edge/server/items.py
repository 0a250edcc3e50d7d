"""Where the pictures lie in a HEIF or AVIF file: beside them, in the same box, stand its notes.

Source: ISO/IEC 14496-12 (2020), 8.11.3 (`iloc`) and 8.11.6 (`iinf`, `infe`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator

Extent = tuple[int, int]

# Items that hold pixels, or say how to lay those of others; all else are notes: Exif, XMP.
_PIXEL_ITEMS = frozenset(
    {b"hvc1", b"hev1", b"av01", b"avc1", b"vvc1", b"jpeg", b"grid", b"iden", b"iovl", b"tmap"}
)
_IN_FILE = 0


def picture_extents(meta: bytes) -> list[Extent]:
    """Find where in the file the pixels lie.

    Args:
        meta: The content of the box `meta`, behind its header.

    Returns:
        Start and end of each piece, in order, none over another; [] if the box breaks the rules.
    """
    boxes = dict(_boxes(meta[4:]))
    try:
        pixels = _pixel_items(boxes.get(b"iinf", b""))
        found = sorted(e for item, e in _located(boxes.get(b"iloc", b"")) if item in pixels)
    except EOFError:
        return []
    apart, position = list[Extent](), 0
    for start, end in found:
        if max(start, position) < end:
            apart.append((max(start, position), end))
            position = end
    return apart


class _Numbers:
    """Reads numbers, one behind another."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def next(self, size: int) -> int:
        """Read one of so many bytes.

        Raises:
            EOFError: if there are fewer.
        """
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError
        return int.from_bytes(data, "big")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if length < 8:
            return
        yield data[position + 4 : position + 8], data[position + 8 : position + length]
        position += length


def _pixel_items(iinf: bytes) -> set[int]:
    """Numbers of the items that hold pixels."""
    found = set[int]()
    for name, entry in _boxes(iinf[6 if iinf[:1] == b"\0" else 8 :]):
        numbers = _Numbers(entry)
        version = numbers.next(4) >> 24
        if name != b"infe" or version < 2:  # older ones name no type
            continue
        item = numbers.next(2 if version == 2 else 4)
        numbers.next(2)  # protection
        if numbers.next(4).to_bytes(4, "big") in _PIXEL_ITEMS:
            found.add(item)
    return found


def _located(iloc: bytes) -> Iterator[tuple[int, Extent]]:
    """Item and place of each piece that lies in the file itself."""
    numbers = _Numbers(iloc)
    version = numbers.next(4) >> 24
    sizes = numbers.next(2)
    offset, length, base, index = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    for _ in range(numbers.next(2 if version < 2 else 4)):
        item = numbers.next(2 if version < 2 else 4)
        method = numbers.next(2) & 0xF if version else _IN_FILE
        numbers.next(2)  # which file
        first = numbers.next(base)
        for _ in range(numbers.next(2)):
            if version:
                numbers.next(index)
            start = first + numbers.next(offset)
            end = start + numbers.next(length)
            if method == _IN_FILE:
                yield item, (start, end)
