"""Who is in view of a live source: what the page draws and lists, and what is counted."""

from __future__ import annotations

from collections import deque

from har_edge.durations import iso_time
from har_edge.frames.frame import Person
from har_edge.recognition.headcount import Headcount, HeadCounter
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Shot

# Rows of what people did in the last minutes: ten of them, once a second, for five minutes.
KEPT_ROWS = 3000
# What each person did is remembered so often.
ROW_S = 1.0


class Crowd:
    """Remembers the people of one source; none until somebody looked for people.

    Not to be used by two threads at once.
    """

    def __init__(self) -> None:
        self.clear()
        # Unix time, person, action, confidence.
        self._rows: deque[tuple[float, int, str, float]] = deque(maxlen=KEPT_ROWS)
        self._row_s = 0.0

    def clear(self) -> None:
        """Forget who is in view, as when the picture is lost."""
        self._heads = HeadCounter()
        self._said: dict[int, Prediction] = {}
        self._now: dict[str, object] | None = None
        self.headcount: Headcount | None = None

    def see(self, shot: Shot, *, told: bool = True) -> dict[str, object] | None:
        """Take the next frame.

        Args:
            shot: With the people in it.
            told: Whether what it amounts to is wanted now.

        Returns:
            Who is in view, as plain values; None if it is not wanted, or nobody looked for people.
        """
        frame = shot.frame
        self.headcount = self._heads.count(frame, shot.people)
        if self.headcount is None:
            return None
        in_view = {person.id for person in frame.people or ()}
        said = self._said | {p.person: p for p in shot.people if p.person is not None}
        self._said = {person: p for person, p in said.items() if person in in_view}
        at_s = frame.captured_at_s or 0.0
        if at_s - self._row_s >= ROW_S:
            self._row_s = at_s
            for person, p in self._said.items():
                self._rows.append((round(at_s, 3), person, p.action, round(p.confidence, 4)))
        self._now = {
            "time": iso_time(at_s),
            "frame": frame.index,
            "people": [self._describe(p) for p in frame.people or () if p.id is not None],
            "count": self.headcount.people,
            "actions": self.headcount.actions,
        }
        return self._now if told else None

    def snapshot(self, since_s: float) -> dict[str, object]:
        """What a page shows of people: null where people are not told apart."""
        now = self._now or {}
        return {
            "people": now.get("people"),
            "count": now.get("count"),
            "actions": now.get("actions"),
            "people_history": [row for row in self._rows if row[0] >= since_s],
        }

    def _describe(self, person: Person) -> dict[str, object]:
        assert person.id is not None
        said = self._said.get(person.id)
        points = person.keypoints
        return {
            "person": person.id,
            "box": [round(edge, 4) for edge in person.box],
            "keypoints": None if points is None else points.astype(float).round(3).tolist(),
            "located": person.located,
            "action": None if said is None else said.action,
            "confidence": None if said is None else round(said.confidence, 4),
            "zone": None if said is None else said.zone,
        }
