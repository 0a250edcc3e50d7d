"""From predictions to events: which action began, and which one ended.

Hysteresis, with one time d = `min_duration_s` for both ways:

- An action starts once it was the answer of every prediction for d. It started when it first was.
- It ends once it was not the answer for d. It ended when it last was. Shorter lapses, `unknown`
  among them, do not interrupt it.
- `unknown` and `nobody` never start.
- At a gap and at the end of a source an open action ends, when it last was the answer.

So actions of a person never overlap, each lasts at least d, and an event comes d after the fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from har_edge.durations import format_duration, format_time, iso_time
from har_edge.frames.sampling import TOLERANCE_S
from har_edge.notebook import html_table
from har_edge.recognition.prediction import UNKNOWN, Prediction

EventKind = Literal["action_started", "action_ended"]


@dataclass(frozen=True)
class Event:
    """An action began or ended.

    Example:
        >>> event = Event("action_ended", 1, "a.mp4", "falling", 1.5, 3.0, 0.9)
        >>> print(event)
        falling ended after 1.5 s, 0:03.00 of a.mp4
        >>> event.duration_s
        1.5

    Attributes:
        kind: `action_started` or `action_ended`.
        number: Counts the actions of a run from 1; the same for both events of an action.
        source: Name of the source.
        action: The label.
        start_s: Source time at which the action began.
        end_s: Source time at which it ended, None while it goes on.
        confidence: Mean probability of the action from its start until this event, or until
            its end.
        start_at_s: Live sources: Unix time of `start_s`, else None.
        end_at_s: Live sources: Unix time of `end_s`, else None.
        person: Number of the person's track in the source; None if whole pictures are classified.
        zone: Name of the zone that the person was in when the action began, if any.
        why: Of an alarm: the numbers that led to it, and what ended it; see
            `har_edge.recognition.falls`.
    """

    kind: EventKind
    number: int
    source: str
    action: str
    start_s: float
    end_s: float | None
    confidence: float
    start_at_s: float | None = None
    end_at_s: float | None = None
    person: int | None = None
    zone: str | None = None
    why: Mapping[str, float | str] | None = None

    @property
    def duration_s(self) -> float | None:
        """Length of an action that ended."""
        return None if self.end_s is None else self.end_s - self.start_s

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see in files and on the network.

        Example:
            >>> Event("action_started", 1, "a.mp4", "falling", 1.5, None, 0.9).as_dict()["event"]
            'action_started'
        """
        record: dict[str, object] = {
            "event": self.kind,
            "number": self.number,
            "source": self.source,
            "action": self.action,
            "start_s": round(self.start_s, 3),
            "end_s": None if self.end_s is None else round(self.end_s, 3),
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "confidence": round(self.confidence, 4),
        }
        if self.start_at_s is not None:
            record["start_time"] = iso_time(self.start_at_s)
            record["end_time"] = None if self.end_at_s is None else iso_time(self.end_at_s)
        if self.person is not None:
            record |= {"person": self.person, "zone": self.zone}
        if self.why is not None:
            record["why"] = dict(self.why)
        return record

    def __str__(self) -> str:
        who = "" if self.person is None else f"person {self.person}: "
        if self.end_s is None or self.duration_s is None:
            return f"{who}{self.action} began, {format_time(self.start_s)} of {self.source}"
        lasted, when = format_duration(self.duration_s), format_time(self.end_s)
        return f"{who}{self.action} ended after {lasted}, {when} of {self.source}"

    def _repr_html_(self) -> str:
        return html_table(str(self), ("field", "value"), self.as_dict().items())


class EventTracker:
    """Follows any number of sources, and of people in each, independently.

    Args:
        min_duration_s: How long an action must last to be reported, and be absent to end.
        longer: Actions that must last longer than that to be reported, and how long.
    """

    def __init__(
        self, min_duration_s: float = 0.5, longer: Mapping[str, float] | None = None
    ) -> None:
        self.min_duration_s = min_duration_s
        self.longer = dict(longer or {})
        # By source, then by person; None is the whole picture.
        self._tracks: dict[str, dict[int | None, _Track]] = {}
        self._count = 0

    def add(self, prediction: Prediction) -> list[Event]:
        """Take the next prediction of a source; return the events that it makes certain, in order.

        A time before the person's last one counts as a gap of the source.
        """
        if prediction.is_nobody:
            return []
        source, person = prediction.source, prediction.person
        before = self._tracks.get(source, {}).get(person)
        fell_back = before is not None and prediction.timestamp_s < before.now_s
        events = self.end(source) if fell_back else []
        track = self._tracks.setdefault(source, {}).setdefault(person, _Track())
        track.see(prediction)
        return events + self._settle(source, track)

    def end_person(self, source: str, person: int) -> list[Event]:
        """Close the track of a person who left: an open action ends when it last was seen."""
        track = self._tracks.get(source, {}).pop(person, None)
        return _ended(source, [track] if track else [])

    def end(self, source: str) -> list[Event]:
        """Close a source, at a gap or for good: open actions end when they last were seen."""
        return _ended(source, self._tracks.pop(source, {}).values())

    def end_all(self) -> list[Event]:
        """Close all sources, at the end of a run or when it is interrupted."""
        return [event for source in list(self._tracks) for event in self.end(source)]

    def next_number(self) -> int:
        """The number of the next action, or of what else counts with actions."""
        self._count += 1
        return self._count

    def _settle(self, source: str, track: _Track) -> list[Event]:
        enough_s = self.min_duration_s - TOLERANCE_S
        events = []
        current, waiting = track.open, track.candidate
        if current and track.now_s > current.last_s and track.now_s - current.last_s >= enough_s:
            events.append(_event("action_ended", source, current))
            track.open = current = None
        if (
            current is None
            and waiting
            and waiting.last_s - waiting.start_s
            >= max(enough_s, self.longer.get(waiting.action, 0.0) - TOLERANCE_S)
        ):
            waiting.number = self.next_number()
            track.open, track.candidate = waiting, None
            events.append(_event("action_started", source, waiting))
        return events


@dataclass
class _Span:
    """A stretch of time in which an action was the answer, short lapses included.

    Means are over the time until `last_s`; what came after it waits in `later`, to be counted
    if the action comes back.
    """

    action: str
    start_s: float
    start_at_s: float | None
    last_s: float
    person: int | None = None
    zone: str | None = None
    total: float = 0.0
    count: int = 0
    later_total: float = 0.0
    later_count: int = 0
    number: int = 0

    def see(self, prediction: Prediction) -> None:
        """Count a prediction, whether or not it says this action."""
        labels = prediction.labels
        share = prediction.probabilities[labels.index(self.action)] if self.action in labels else 0
        self.later_total += float(share)
        self.later_count += 1
        if prediction.action == self.action:
            self.last_s = prediction.timestamp_s
            self.total += self.later_total
            self.count += self.later_count
            self.later_total, self.later_count = 0.0, 0


@dataclass
class _Track:
    """What is going on with one person or in one picture.

    An action that started, and one that may be about to.
    """

    open: _Span | None = None
    candidate: _Span | None = None
    now_s: float = float("-inf")

    def see(self, prediction: Prediction) -> None:
        """Take a prediction up into the spans."""
        self.now_s = prediction.timestamp_s
        action = prediction.action
        if self.open:
            self.open.see(prediction)
        if action == UNKNOWN or (self.open and self.open.action == action):
            self.candidate = None
            return
        if self.candidate is None or self.candidate.action != action:
            at_s, who, where = prediction.captured_at_s, prediction.person, prediction.zone
            self.candidate = _Span(action, self.now_s, at_s, self.now_s, who, where)
        self.candidate.see(prediction)


def _event(kind: EventKind, source: str, span: _Span) -> Event:
    ended = kind == "action_ended"
    # By the source's own time: the clock of the day may be set meanwhile, even back.
    lasted_s, start_at_s = span.last_s - span.start_s, span.start_at_s
    return Event(
        kind=kind,
        number=span.number,
        source=source,
        action=span.action,
        start_s=span.start_s,
        end_s=span.last_s if ended else None,
        confidence=span.total / span.count,
        start_at_s=span.start_at_s,
        end_at_s=start_at_s + lasted_s if ended and start_at_s is not None else None,
        person=span.person,
        zone=span.zone,
    )


def _ended(source: str, tracks: Iterable[_Track]) -> list[Event]:
    return [_event("action_ended", source, track.open) for track in tracks if track.open]
