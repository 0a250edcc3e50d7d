"""Boxes: how much two have in common, and which of several is a double."""

from __future__ import annotations

import math
from collections.abc import Iterable

from har_edge.arrays import Box
from har_edge.frames.frame import Person

# Finds of one person that share more than this are one find; two people hardly ever do.
DOUBLE_SHARE = 0.7


def overlap(one: Box, other: Box) -> float:
    """Area that two boxes share, in that of both together (IoU); 0 where both are empty.

    Example:
        >>> overlap((0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 0.75, 1.0))
        0.3333333333333333
    """
    shared = _shared(one, other)
    return shared / (area(one) + area(other) - shared) if shared else 0.0


def share(one: Box, other: Box) -> float:
    """Area that two boxes share, in that of the smaller one; 1 where it lies inside the other.

    Example:
        >>> share((0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 0.75, 1.0))
        0.5
    """
    shared = _shared(one, other)
    return shared / min(area(one), area(other)) if shared else 0.0


def _shared(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def area(box: Box) -> float:
    """Share of the picture that a box covers."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def clip_box(box: Box) -> Box | None:
    """Cut a box off at the edges of the picture; None if nothing is left, or it is none."""
    if not all(map(math.isfinite, box)):
        return None
    left, top, right, bottom = (min(1.0, max(0.0, float(edge))) for edge in box)
    return (left, top, right, bottom) if left < right and top < bottom else None


def tidy(found: Iterable[Person]) -> tuple[Person, ...]:
    """Leave the doubles out of what a network finds.

    Args:
        found: With boxes inside the picture.

    Returns:
        Best first.
    """
    kept: list[Person] = []
    for person in sorted(found, key=lambda p: (-p.score, p.box)):
        if all(overlap(person.box, other.box) <= DOUBLE_SHARE for other in kept):
            kept.append(person)
    return tuple(kept)
