"""Pictures that carry the time at which they were drawn, and a checksum of it.

Whoever gets such a picture out of a stream can tell from its pixels alone whether it is genuine
and how old it is: a picture patched together from two has no valid checksum. The clock is the
system's monotonic one, which all processes share.

Standard library only: the RTSP server runs in the system's Python.
"""

from __future__ import annotations

import binascii
import time

COLUMNS, ROWS = 8, 6
DARK, LIGHT = 60, 200
BITS = COLUMNS * ROWS  # 32 for the time, 16 for the checksum


def now_ms() -> int:
    """Monotonic time, as 32 bits of milliseconds."""
    return int(time.monotonic() * 1e3) % 2**32


def draw(stamp_ms: int, width: int, height: int) -> bytes:
    """Draw a stamp over a whole grey picture, (height, width) bytes."""
    time_bytes = stamp_ms.to_bytes(4, "big")
    code = stamp_ms << 16 | binascii.crc_hqx(time_bytes, 0xFFFF)
    bits = [code >> (BITS - 1 - i) & 1 for i in range(BITS)]
    column, row = width // COLUMNS, height // ROWS
    lines = []
    for r in range(ROWS):
        cells = bits[r * COLUMNS : (r + 1) * COLUMNS]
        line = b"".join(bytes([LIGHT if bit else DARK]) * column for bit in cells)
        lines.append(line.ljust(width, bytes([DARK])) * row)
    return b"".join(lines).ljust(width * height, bytes([DARK]))


def read(pixels) -> int | None:  # type: ignore[no-untyped-def]
    """Read the stamp of a picture, (H, W, 3) uint8; None if any part of it is not as drawn.

    Each cell must be of one of the two greys all over, its rim apart, where codecs blur.
    """
    height, width = pixels.shape[:2]
    column, row = width // COLUMNS, height // ROWS
    code = 0
    for i in range(BITS):
        top, left = i // COLUMNS * row, i % COLUMNS * column
        cell = pixels[
            top + row // 5 : top + row - row // 5, left + column // 5 : left + column - column // 5
        ]
        low, high = int(cell.min()), int(cell.max())
        if high > DARK + 45 and low < LIGHT - 45:
            return None
        code = code << 1 | (low > (DARK + LIGHT) // 2)
    stamp_ms = code >> 16
    checksum = binascii.crc_hqx(stamp_ms.to_bytes(4, "big"), 0xFFFF)
    return stamp_ms if checksum == code & 0xFFFF else None


def age_s(stamp_ms: int) -> float:
    """How long ago a stamp was drawn, in seconds."""
    return ((now_ms() - stamp_ms) % 2**32) / 1e3
