"""Text from outside on a terminal: what would steer it, or turn a line around, is spelled out."""

from __future__ import annotations

import re

# Control characters of ASCII and Latin-1, the separators of lines and paragraphs, and the marks
# that change the direction of writing. Source: Unicode Standard Annex #9, table 1.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BREAKS = re.compile("[\t\n]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""Spell out the characters of a text that a terminal would obey.

    Args:
        text: Labels, file names, descriptions, messages with them.
        lines: Whether it may have tabs and more than one line.

    Example:
        >>> print(visible("fall\x1b[2Jing"))
        fall\x1b[2Jing
    """
    text = _STEERING.sub(_spell, text)
    return text if lines else _BREAKS.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
