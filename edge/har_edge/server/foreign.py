"""Files of two kinds at once: a picture that is a page, a script, a PDF or an archive, too."""

from __future__ import annotations

import re
from typing import IO

from har_edge.server.parts import parts_beside_pixels

# So much of each part is looked at, at its start and at its end: other programs look no further.
# Source: WHATWG MIME Sniffing (1,445 bytes); APPNOTE.TXT 4.3.16 (64 KiB from the end).
LOOK_BYTES = 64 * 1024
END_BYTES = 22
# Each begins with a plain byte, which is what makes the search quick. What Apple's programs write
# into metadata is XML of a kind that no browser runs: <!DOCTYPE plist, <x:xmpmeta.
_FOREIGN_MARKS = tuple(
    re.compile(mark)
    for mark in (
        rb"<(?i:html|script|svg|iframe|body|object|embed)[\s/>:]",
        rb"<(?i:!doctype\s+(?:html|svg))",
        rb"<\?(?i:php)\s|<\?=",
        rb"%(?i:pdf)-\d",
        rb"__HALT_COMPILER",
        rb"PK\x03\x04[\x00-\x3f][\x00-\x03]",
        rb"PK\x01\x02..[\x00-\x3f][\x00-\x03]",
        rb"PK\x05\x06\x00\x00\x00\x00",
        rb"Rar!\x1a\x07",
        rb"7z\xbc\xaf\x27\x1c",
        rb"MSCF\x00\x00\x00\x00",
    )
)
_ARCHIVE_END = re.compile(rb"PK\x05\x06")


def is_two_faced(file: IO[bytes], size_bytes: int, form: str) -> bool:
    """Whether a picture or a clip is another kind of file, too.

    Args:
        file: An open file; its position is changed.
        size_bytes: Its size.
        form: Its format, as `har_edge.media` calls it.

    Example:
        >>> import io
        >>> from har_edge.paths import sample_path
        >>> photo = sample_path("lying.jpg").read_bytes()
        >>> page = photo + b"<html><script>"
        >>> [is_two_faced(io.BytesIO(d), len(d), "JPEG") for d in (photo, page)]
        [False, True]
    """
    return _ends_as_archive(file, size_bytes) or any(
        mark.search(text)
        for start, end in parts_beside_pixels(file, size_bytes, form)
        for text in _looks(file, start, end)
        for mark in _FOREIGN_MARKS
    )


def _looks(file: IO[bytes], start: int, end: int) -> list[bytes]:
    file.seek(start)
    if end - start <= 2 * LOOK_BYTES:
        return [file.read(end - start)]
    first = file.read(LOOK_BYTES)
    file.seek(end - LOOK_BYTES)
    return [first, file.read(LOOK_BYTES)]


def _ends_as_archive(file: IO[bytes], size_bytes: int) -> bool:
    """Whether a ZIP's directory is where programs look for it, whatever else stands there.

    Four bytes are spelled by pixels once in some thousand pictures; an end that leads to a
    directory is not.
    """
    before = min(size_bytes, LOOK_BYTES + END_BYTES)
    file.seek(size_bytes - before)
    tail = file.read(before)
    for found in _ARCHIVE_END.finditer(tail):
        end = tail[found.start() : found.start() + END_BYTES]
        position = size_bytes - before + found.start()
        if len(end) == END_BYTES and _leads_to_directory(file, end, position):
            return True
    return False


def _leads_to_directory(file: IO[bytes], end: bytes, position: int) -> bool:
    entries, length = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if entries == 0 or length == 0:
        return not any(end[4:16])
    if length == 0xFFFFFFFF:  # ZIP64: a locator of 20 bytes stands before
        mark, place = b"PK\x06\x07", position - 20
    else:
        mark, place = b"PK\x01\x02", position - length
    file.seek(max(0, place))
    return place >= 0 and file.read(4) == mark
