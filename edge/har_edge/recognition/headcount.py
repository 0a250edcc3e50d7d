"""How many people are in view, and how many of them do what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from har_edge.durations import iso_time
from har_edge.frames.frame import Frame
from har_edge.recognition.prediction import NOBODY, UNKNOWN, Prediction


@dataclass(frozen=True)
class Headcount:
    """Who is in view at one moment, in numbers.

    Example:
        >>> count = Headcount("camera:0", 1.5, 3, {"walking": 2, "sitting": 1})
        >>> count.action
        'walking'

    Attributes:
        source: Name of the source.
        timestamp_s: Time in the source.
        people: How many are in view.
        actions: How many of them do what, most first; those whose window is not full do nothing
            yet.
        captured_at_s: Live sources: Unix time, else None.
    """

    source: str
    timestamp_s: float
    people: int
    actions: dict[str, int] = field(default_factory=dict)
    captured_at_s: float | None = None

    @property
    def action(self) -> str:
        """What most of them do; `nobody` if nobody is in view."""
        return next(iter(self.actions), UNKNOWN) if self.people else NOBODY

    def as_dict(self) -> dict[str, object]:
        """Plain values with the field names that users see on the network."""
        record: dict[str, object] = {
            "source": self.source,
            "timestamp_s": round(self.timestamp_s, 3),
            "action": self.action,
            "people": self.people,
            "actions": dict(self.actions),
        }
        if self.captured_at_s is not None:
            record["time"] = iso_time(self.captured_at_s)
        return record


class HeadCounter:
    """Counts the people of one source; what somebody does holds until they do something else."""

    def __init__(self) -> None:
        self._doing: dict[int, str] = {}

    def count(self, frame: Frame, predictions: Sequence[Prediction]) -> Headcount | None:
        """Count the people of the next frame.

        Args:
            frame: With the people in it.
            predictions: What was decided of each person with it, if anything.

        Returns:
            None if nobody looked for people.
        """
        if frame.people is None:
            return None
        said = {p.person: p for p in predictions if p.person is not None}
        in_view = [person.id for person in frame.people if person.id is not None]
        before = self._doing
        self._doing = {
            person: said[person].action if person in said else before[person]
            for person in in_view
            if person in said or person in before
        }
        counts = Counter(self._doing.values())
        actions = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        return Headcount(
            frame.source, frame.timestamp_s, len(in_view), actions, frame.captured_at_s
        )
