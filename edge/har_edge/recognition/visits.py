"""Who came into which zone, and how long they stayed.

Somebody came in once they were in a zone for d, and left once they were elsewhere for d; a track
that ends leaves, too. Times are those at which they first and last were in it, so that a visit is
told d after the fact, and somebody who passes along an edge is not counted again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from har_edge.durations import format_duration, format_time, iso_time
from har_edge.frames.sampling import TOLERANCE_S

VisitKind = Literal["zone_entered", "zone_left"]


@dataclass(frozen=True)
class Visit:
    """Somebody came into a zone, or left it.

    Example:
        >>> visit = Visit("zone_left", 1, "camera:0", "bed", 2, 1.5, 61.5)
        >>> print(visit)
        person 2: left bed after 1 min 0 s, 1:01.50 of camera:0
        >>> visit.dwell_s
        60.0

    Attributes:
        kind: `zone_entered` or `zone_left`.
        number: Counts with the events of a run; the same for both records of a visit.
        source: Name of the source.
        zone: Name of the zone.
        person: Number of the person's track in the source.
        start_s: Source time at which they were first seen in it.
        end_s: Source time at which they were last seen in it; None while they are.
        start_at_s, end_at_s: Live sources: the same as Unix time, else None.
    """

    kind: VisitKind
    number: int
    source: str
    zone: str
    person: int
    start_s: float
    end_s: float | None = None
    start_at_s: float | None = None
    end_at_s: float | None = None

    @property
    def dwell_s(self) -> float | None:
        """How long they stayed, once they left."""
        return None if self.end_s is None else self.end_s - self.start_s

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files and on the network.

        Example:
            >>> Visit("zone_entered", 1, "camera:0", "bed", 2, 1.5).as_dict()["event"]
            'zone_entered'
        """
        record: dict[str, object] = {
            "event": self.kind,
            "number": self.number,
            "source": self.source,
            "zone": self.zone,
            "person": self.person,
            "start_s": round(self.start_s, 3),
            "end_s": None if self.end_s is None else round(self.end_s, 3),
            "duration_s": None if self.dwell_s is None else round(self.dwell_s, 3),
        }
        if self.start_at_s is not None:
            record["start_time"] = iso_time(self.start_at_s)
            record["end_time"] = None if self.end_at_s is None else iso_time(self.end_at_s)
        return record

    def __str__(self) -> str:
        if self.end_s is None or self.dwell_s is None:
            when = format_time(self.start_s)
            return f"person {self.person}: entered {self.zone}, {when} of {self.source}"
        lasted, when = format_duration(self.dwell_s), format_time(self.end_s)
        return f"person {self.person}: left {self.zone} after {lasted}, {when} of {self.source}"


@dataclass
class _Stay:
    """A stretch of time in one zone, short lapses included."""

    zone: str | None
    first_s: float
    first_at_s: float | None
    last_s: float
    last_at_s: float | None
    number: int = 0


class VisitTracker:
    """Follows the people of any number of sources.

    Args:
        next_number: Gives the number of a visit.
        settle_s: How long somebody must be in a zone to have come in, and elsewhere to have left.
    """

    def __init__(self, next_number: Callable[[], int], settle_s: float = 0.5) -> None:
        self.settle_s = settle_s
        self._next_number = next_number
        # By source and person: where they are, and where they may be.
        self._stays: dict[tuple[str, int], list[_Stay]] = {}

    def see(
        self, source: str, person: int, zone: str | None, now_s: float, at_s: float | None = None
    ) -> list[Visit]:
        """Say in which zone somebody is now; gives what that makes certain."""
        stays = self._stays.setdefault((source, person), [_Stay(None, now_s, at_s, now_s, at_s)])
        if stays[-1].zone != zone:
            if len(stays) > 1:
                stays.pop()  # it lasted too short a time to count
            if stays[-1].zone != zone:
                stays.append(_Stay(zone, now_s, at_s, now_s, at_s))
        stays[-1].last_s, stays[-1].last_at_s = now_s, at_s
        if len(stays) == 1 or now_s - stays[-1].first_s < self.settle_s - TOLERANCE_S:
            return []
        before, now = stays
        self._stays[source, person] = [now]
        found = [_visit("zone_left", source, person, before)] if before.zone is not None else []
        if now.zone is not None:
            now.number = self._next_number()
            found.append(_visit("zone_entered", source, person, now))
        return found

    def end_person(self, source: str, person: int) -> list[Visit]:
        """End the visit of somebody who is not seen any more."""
        stay = self._stays.pop((source, person), [_Stay(None, 0.0, None, 0.0, None)])[0]
        return [] if stay.zone is None else [_visit("zone_left", source, person, stay)]

    def end(self, source: str) -> list[Visit]:
        """End all visits of a source, at a gap or for good."""
        people: Iterable[int] = [person for of, person in self._stays if of == source]
        return [visit for person in people for visit in self.end_person(source, person)]


def _visit(kind: VisitKind, source: str, person: int, stay: _Stay) -> Visit:
    assert stay.zone is not None
    left = kind == "zone_left"
    return Visit(
        kind=kind,
        number=stay.number,
        source=source,
        zone=stay.zone,
        person=person,
        start_s=stay.first_s,
        end_s=stay.last_s if left else None,
        start_at_s=stay.first_at_s,
        end_at_s=stay.last_at_s if left else None,
    )
