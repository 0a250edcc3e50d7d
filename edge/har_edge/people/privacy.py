"""Cover people in pictures, before anything that stores, shows or sends pictures sees them.

`skeletons` gives lines on black: no pixel of the camera is in the picture at all, so nobody who is
overlooked can show. `blur` leaves the room in view, and covers where people are, were until a
moment ago, and may have moved to; somebody whom the detector does not find at all stays visible.
Where nobody has looked for people, and where more may be there than are followed, the picture is
black with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from har_edge.arrays import Box, Pixels
from har_edge.config import Private
from har_edge.frames.frame import Frame, Person
from har_edge.frames.opencv import import_cv2
from har_edge.people.draw import colour_of, draw_box, draw_skeleton

# How long a place stays covered after somebody was there, and by which share of its own size it
# grows each second: people walk about their own width in a second, in any picture.
HOLD_S = 3.0
GROWTH_PER_S = 0.5
# What sticks out of a detector's box: hands, hair, bags.
MARGIN = 0.25
# A covered place is averaged to so many cells along its longer side, and smoothed.
CELLS = 6
MAX_HELD = 64


@dataclass(frozen=True)
class _Held:
    """A place where somebody was seen."""

    box: Box
    seen_s: float


class PrivacyCover:
    """Covers the people of any number of sources.

    Args:
        cover: `skeletons` or `blur`.
        max_people: Of how many people a frame tells at most; with so many, more may be there.

    Example:
        >>> import numpy as np
        >>> white = np.full((120, 160, 3), 255, np.uint8)
        >>> covered = PrivacyCover("skeletons")(Frame(white, 0.0, 0, "camera:0", 0.0, people=()))
        >>> int(covered.pixels.max())
        0
    """

    def __init__(self, cover: Private, max_people: int | None = None) -> None:
        self.cover = cover
        self.max_people = max_people
        self._held: dict[str, list[_Held]] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Give the frame with covered pixels, and without any that were made of them."""
        return replace(frame, pixels=self._covered(frame), resized=None)

    def _covered(self, frame: Frame) -> Pixels:
        people = frame.people
        if self.cover == "skeletons" or people is None:
            return _skeletons(frame.pixels, people or ())
        held = self._remember(frame, people)
        if self.max_people is not None and len(people) >= self.max_people:
            return np.zeros_like(frame.pixels, order="C")
        return _blur(frame.pixels, [_grown(place, frame.timestamp_s) for place in held])

    def _remember(self, frame: Frame, people: Sequence[Person]) -> list[_Held]:
        """The places to cover: those of now, and those of the last seconds."""
        now_s = frame.timestamp_s
        before = [] if frame.after_gap else self._held.get(frame.source, [])
        held = [place for place in before if 0 <= now_s - place.seen_s <= HOLD_S]
        held += [_Held(person.box, now_s) for person in people]
        self._held[frame.source] = held[-MAX_HELD:]
        return self._held[frame.source]


def _skeletons(pixels: Pixels, people: Sequence[Person]) -> Pixels:
    """Skeletons on black, boxes where no keypoints are known; RGB, (H, W, 3)."""
    picture = np.zeros(pixels.shape, np.uint8)
    for person in people:
        colour = colour_of(person.id)
        if person.keypoints is None:
            draw_box(picture, person.box, colour, thin=not person.located)
        else:
            draw_skeleton(picture, person.keypoints, colour)
    return picture


def _grown(place: _Held, now_s: float) -> Box:
    """A box with its margin, and larger the longer ago somebody was seen in it."""
    left, top, right, bottom = place.box
    share = MARGIN + GROWTH_PER_S * (now_s - place.seen_s)
    # A narrow box of somebody who stands, seen from the side, may be a wide one in a moment.
    more_x = share * max(right - left, (bottom - top) / 2)
    more_y = share * (bottom - top)
    return (left - more_x, top - more_y, right + more_x, bottom + more_y)


def _blur(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """Average boxes to a few cells, those that overlap more than once; RGB, (H, W, 3)."""
    cv2 = import_cv2()
    picture = np.array(pixels, order="C")
    height, width = picture.shape[:2]
    for left, top, right, bottom in boxes:
        x0, x1 = _span(left, right, width)
        y0, y1 = _span(top, bottom, height)
        if x0 >= x1 or y0 >= y1:
            continue
        share = CELLS / max(x1 - x0, y1 - y0)
        cells = max(1, round((x1 - x0) * share)), max(1, round((y1 - y0) * share))
        small = cv2.resize(picture[y0:y1, x0:x1], cells, interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        picture[y0:y1, x0:x1] = large
    return picture


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    """Whole pixels between two fractions of a side."""
    first = int(np.floor(start * length))
    return max(0, first), min(length, max(first, int(np.ceil(end * length))))
