"""What the fields of a spec may be; a spec comes out of files that anybody may have written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

MAX_TEXT = 10_000  # characters of a description, a licence
MAX_NAME = 100  # of what becomes part of a file name or of a line
MAX_LABELS = 10_000
MAX_ENTRIES = 10_000  # of a list or a table
# Far beyond any network for a small machine, far below what takes its memory.
MAX_FRAMES = 10_000
MAX_SIDE = 8192  # pixels
MAX_FEATURES = 1_000_000
MAX_WINDOW = 50_000_000  # numbers in one window of features
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.001, 1000.0
MAX_BYTES = 2**31  # of a network; a flatbuffer cannot be larger

_CHECKSUM = re.compile(r"(?:[0-9a-f]{64})?\Z")


def check_whole(name: str, value: object, least: int, most: int) -> None:
    """Check a whole number.

    Raises:
        ValueError: if it is none, or out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}. Received {shorten(value)}."
        )
    if value > most:
        raise ValueError(f"{name} must be at most {most}. Received {shorten(value)}.")


def check_number(name: str, value: object, least: float, most: float) -> None:
    """Check a finite number.

    Raises:
        ValueError: if it is none, not finite, or out of range.
    """
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    # Anything but a number fails here, as NaN is in no range.
    if not least <= number <= most:
        raise ValueError(
            f"{name} must be a number from {least:g} to {most:g}. Received {shorten(value)}."
        )


def check_text(name: str, value: object, most: int = MAX_TEXT) -> None:
    """Check a text that can be written as UTF-8.

    Raises:
        ValueError: if it is none, or too long.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text. Received {shorten(value)}.")
    if len(value) > most:
        raise ValueError(f"{name} must have at most {most} characters. Received {len(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode. Received {shorten(value)}.") from None


def check_checksum(name: str, value: object) -> None:
    """Check a SHA-256 in hexadecimal digits, or "" where it is unknown.

    Raises:
        ValueError: if it is neither.
    """
    if not isinstance(value, str) or not _CHECKSUM.match(value):
        raise ValueError(f"{name} must be 64 hexadecimal digits. Received {shorten(value)}.")


def check_texts(name: str, values: object) -> None:
    """Check a tuple of texts.

    Raises:
        ValueError: if it is none, or too long.
    """
    if not isinstance(values, tuple) or len(values) > MAX_ENTRIES:
        raise ValueError(f"{name} must be a list of texts. Received {shorten(values)}.")
    for value in values:
        check_text(f"Each of {name}", value)


def check_table(name: str, table: object, *, numbers: bool) -> None:
    """Check a table of names to finite numbers, or to texts.

    Raises:
        ValueError: if it is none, or too long.
    """
    if not isinstance(table, Mapping) or len(table) > MAX_ENTRIES:
        raise ValueError(f"{name} must be a table. Received {shorten(table)}.")
    for key, value in table.items():
        check_text(f"A name in {name}", key, MAX_NAME)
        if numbers:
            check_number(f"{name}[{key!r}]", value, -1e300, 1e300)
        else:
            check_text(f"{name}[{key!r}]", value)


def check_labels(labels: object) -> None:
    """Check the labels of a model, in output order.

    Raises:
        ValueError: if they are fewer than two, not different, or no single lines.
    """
    if not isinstance(labels, tuple) or len(labels) > MAX_LABELS:
        raise ValueError(f"labels must be a list of {MAX_LABELS} at most.")
    if len(labels) < 2:
        raise ValueError(f"A model needs at least 2 labels. Received {list(labels)}.")
    for label in labels:
        check_text("A label", label, MAX_TEXT)
        if not label or "\n" in label:
            raise ValueError(f"Labels must be non-empty single lines. Received {shorten(labels)}.")
    if len(set(labels)) != len(labels):
        raise ValueError(f"Labels must differ from each other. Received {shorten(labels)}.")


def shorten(value: object) -> str:
    """Show a value that may be of any kind and length."""
    try:
        text = ascii(value)
    except ValueError:  # more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}…"
