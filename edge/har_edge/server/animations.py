"""The size of an animated picture by its first bytes, before any memory is taken for its pixels."""

from __future__ import annotations

import struct

# Format -> where width and height lie, and whether they are one less than meant.
# Source: GIF89a, 18; PNG (third edition), 11.2.1; RFC 9649, 2.7.
_SIZES = {
    "GIF": (struct.Struct("<6xHH"), 0),
    "PNG": (struct.Struct(">16xII"), 0),
    "WEBP": (struct.Struct("<24x3s3s"), 1),
}


def stated_size(head: bytes, form: str) -> tuple[int, int]:
    """Read width and height, which no frame of it exceeds.

    Args:
        head: The first bytes of a file.
        form: Its format, as `har_edge.media` calls it.

    Returns:
        (0, 0) for other formats, and where the bytes are too few.

    Example:
        >>> stated_size(b"GIF89a" + bytes([64, 0, 48, 0]), "GIF")
        (64, 48)
    """
    layout, less = _SIZES.get(form, (None, 0))
    if layout is None or len(head) < layout.size:
        return 0, 0
    width, height = (
        int.from_bytes(each, "little") if isinstance(each, bytes) else int(each)
        for each in layout.unpack_from(head)
    )
    return width + less, height + less
