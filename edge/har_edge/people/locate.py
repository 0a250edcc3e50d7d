"""Where people are in a frame: the interface of what finds them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from har_edge.arrays import Pixels
from har_edge.frames.frame import Frame, Person
from har_edge.people.choose import PeopleRule


class Locator(Protocol):
    """Finds people; used by one thread at a time, as runtimes are.

    Attributes:
        name: What the network was taken for.
        sure_score: Score from which a find is a person; weaker ones only continue a known track.
        begin_score: Score from which a find in a video begins a track.
        gives_keypoints: Whether it says where joints are, and not boxes alone.
    """

    name: str
    sure_score: float
    begin_score: float
    gives_keypoints: bool

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        """Find people in a picture, RGB, (H, W, 3), uint8; best first, not tracked yet."""


class PeopleParts:
    """What it takes to look at people one by one.

    Attributes:
        rule: How often they are looked for, and how many are looked at.
    """

    def __init__(self, open_locator: Callable[[], Locator], rule: PeopleRule) -> None:
        """Keep what is needed.

        Args:
            open_locator: Opens what finds people; called once a thread, as no two can share one.
            rule: See the attributes.
        """
        self._open = open_locator
        self.rule = rule
        self._of_thread = threading.local()

    def open(self) -> None:
        """Open it now: a process that forks then has its copies share the network."""
        self._of_thread.locator = self._open()

    @property
    def locator(self) -> Locator:
        """What finds people on this thread."""
        if not hasattr(self._of_thread, "locator"):
            self.open()
        locator: Locator = self._of_thread.locator
        return locator


def locate_ahead(frame: Frame, locator: Locator) -> Frame:
    """Look for people in a frame; once is enough."""
    if frame.people is not None:
        return frame
    started = time.perf_counter()
    people = locator.locate(frame.pixels)
    return replace(frame, people=people, locate_ms=(time.perf_counter() - started) * 1e3)
