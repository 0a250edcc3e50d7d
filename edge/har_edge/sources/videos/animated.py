"""Whether an animated picture is all there: GIF and PNG say where they end, not how long they are.

FFmpeg shows what is left of one that was cut, and says nothing.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

GIF = (b"GIF87a", b"GIF89a")
PNG = b"\x89PNG\r\n\x1a\n"
# Of a GIF: what begins an image and an extension. Source: GIF89a, appendix A.
_IMAGE, _EXTENSION = b",", b"!"
_HAS_TABLE, _TABLE_BITS = 0x80, 0x07
_PNG_CHUNK = struct.Struct(">I4s")
_CRC_BYTES = 4


def breaks_off(path: Path) -> bool:
    """Whether a GIF or PNG ends before its own end mark; False of all but such files.

    What stands behind the mark does not count.
    """
    if not path.is_file():  # an address
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if head[:6] in GIF:
            file.seek(6)
            return not _gif_ends(file)
        return head == PNG and not _png_ends(file, size)


def _gif_ends(file: BinaryIO) -> bool:
    """Whether the blocks of a GIF lead to its trailer; what is no block ends it, too."""
    screen = file.read(7)
    if len(screen) < 7:
        return False
    _skip_table(file, screen[4])
    while (kind := file.read(1)) in (_IMAGE, _EXTENSION):
        if kind == _IMAGE:
            place = file.read(9)
            if len(place) < 9:
                return False
            _skip_table(file, place[8])
        file.seek(1, os.SEEK_CUR)  # the bits of a code, or which extension it is
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], os.SEEK_CUR)
        else:
            return False
    return bool(kind)


def _skip_table(file: BinaryIO, flags: int) -> None:
    if flags & _HAS_TABLE:
        file.seek(3 << ((flags & _TABLE_BITS) + 1), os.SEEK_CUR)


def _png_ends(file: BinaryIO, size: int) -> bool:
    """Whether all chunks of a PNG up to the last one are in the file."""
    while len(head := file.read(_PNG_CHUNK.size)) == _PNG_CHUNK.size:
        length, name = _PNG_CHUNK.unpack(head)
        end = file.tell() + length + _CRC_BYTES
        if name == b"IEND":
            return True
        if end > size:
            return False
        file.seek(end)
    return False
