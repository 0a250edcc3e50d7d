"""Numbers of things, spelt for people."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "", *, spec: str = "") -> str:
    """Spell a number with the noun in the form that goes with it.

    Args:
        number: How many there are.
        one: The noun for one of them.
        several: For any other number; by default with an `s` behind it.
        spec: How the number is formatted, such as `,`.

    Example:
        >>> counted(1, "frame"), counted(0, "frame"), counted(2, "person", "people")
        ('1 frame', '0 frames', '2 people')
    """
    return f"{number:{spec}} {one if number == 1 else several or f'{one}s'}"
