"""Whom to look at, where there are more people than there is time for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from har_edge.frames.frame import Person

# So much larger must somebody be than the smallest who is looked at, to take that one's place:
# windows begin anew with each change.
TAKES_OVER = 1.5


# Sampled frames from one look for people to the next. What a model of poses alone sees comes from
# these looks, so that it has one in each frame.
LOCATE_EVERY, LOCATE_EVERY_POSE = 2, 1


@dataclass(frozen=True)
class PeopleRule:
    """How often people are looked for, and how many of them are looked at.

    Attributes:
        locate_every: People are looked for in the first of so many sampled frames; in those
            between, boxes are carried on.
        max_people: Most people who are looked at in one source, the largest.
    """

    locate_every: int = LOCATE_EVERY
    max_people: int = 5


class Chooser:
    """Chooses the largest, who are mostly the nearest, and stays with them while they are there.

    Attributes:
        chosen: Numbers of those who are looked at.
        left_out: How many others there were last time.
    """

    def __init__(self, max_people: int) -> None:
        self.max_people = max_people
        self.chosen: set[int] = set()
        self.left_out = 0

    def choose(self, people: Sequence[Person]) -> list[Person]:
        """Choose among the people in view, who have numbers; the largest first."""
        by_size = sorted(people, key=lambda person: (-person.size, person.id or 0))
        kept = [person for person in by_size if person.id in self.chosen][: self.max_people]
        others = [person for person in by_size if person not in kept]
        while others and len(kept) < self.max_people:
            kept.append(others.pop(0))
        kept.sort(key=lambda person: (-person.size, person.id or 0))
        if others and others[0].size > TAKES_OVER * kept[-1].size:
            kept[-1] = others[0]
            kept.sort(key=lambda person: (-person.size, person.id or 0))
        self.chosen = {person.id for person in kept if person.id is not None}
        self.left_out = len(people) - len(kept)
        return kept
