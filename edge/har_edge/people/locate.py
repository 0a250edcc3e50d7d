"""Where people are in a frame: the interface of what finds them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from har_edge.arrays import Pixels
from har_edge.frames.frame import Frame, Person
from har_edge.people.choose import PeopleRule


class Locator(Protocol):
    """Finds people; used by one thread at a time, as runtimes are.

    Attributes:
        name: What the network was taken for.
        sure_score: Score from which a find is a person; weaker ones only continue a known track.
    """

    name: str
    sure_score: float

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people in a picture, RGB, (H, W, 3), uint8; best first, not tracked yet."""


@dataclass(frozen=True)
class PeopleParts:
    """What it takes to look at people one by one.

    Attributes:
        open_locator: Opens what finds them; once a thread, as no two can share one.
        locator: One that is open, for the thread that recognises.
        rule: How often they are looked for, and how many are looked at.
    """

    open_locator: Callable[[], Locator]
    locator: Locator
    rule: PeopleRule


def locate_ahead(frame: Frame, locator: Locator) -> Frame:
    """Look for people in a frame; once is enough."""
    if frame.people is not None:
        return frame
    started = time.perf_counter()
    people = locator.locate(frame.pixels)
    return replace(frame, people=people, locate_ms=(time.perf_counter() - started) * 1e3)
