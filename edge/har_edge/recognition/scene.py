"""What zones, rules and the alarm for falls make of the people in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace

from har_edge.frames.frame import Frame
from har_edge.people.zones import Zones
from har_edge.recognition.events import Event
from har_edge.recognition.fall_settings import FallSettings
from har_edge.recognition.falls import Alarm, FallAlarms
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.rules import FALL
from har_edge.recognition.visits import Visit, VisitTracker
from har_edge.recognition.zones_file import ZonesFile


class Scene:
    """Looks at the people of any number of sources, frame by frame.

    Attributes:
        zones: The zones; may be replaced while a run goes on.

    Args:
        file: Zones, rules and settings of the alarm.
        next_number: Gives the number of an event or a visit.
        fall_alarm: Whether to tell of falls.
        falls: What the model says of falls; single settings, over which the file's go.
    """

    def __init__(
        self,
        file: ZonesFile,
        next_number: Callable[[], int],
        *,
        fall_alarm: bool = False,
        falls: Mapping[str, float] | None = None,
    ) -> None:
        self.zones: Zones = file.zones
        self._rules = file.rules
        self._next_number = next_number
        self._visits = VisitTracker(next_number)
        self._falls = _fall_settings({**(falls or {}), **file.falls}) if fall_alarm else None
        self._alarms: dict[str, FallAlarms] = {}
        # The alarms that were told, by source and person, and the last frame's time of each source.
        self._told: dict[tuple[str, int], Event] = {}
        self._last: dict[str, tuple[float, float | None]] = {}

    @property
    def told_after_s(self) -> float:
        """How long after its start the latest of an alarm or a rule's action is told."""
        falls = self._falls
        longest = 0.0 if falls is None else falls.descent_s + falls.settle_s + falls.low_s
        return max([longest, *self._rules.min_durations().values()])

    def place(self, prediction: Prediction) -> Prediction:
        """Say in which zone somebody is; a prediction of a whole picture stays as it is."""
        if prediction.box is None or not len(self.zones):
            return prediction
        zone = self.zones.find(prediction.source, prediction.box, prediction.keypoints)
        return replace(prediction, zone=zone)

    def permit(self, prediction: Prediction) -> Prediction:
        """Make what a rule forbids `unknown`."""
        return self._rules.apply(prediction)

    def watch(self, frame: Frame, gone: Iterable[int] = ()) -> list[Event | Visit]:
        """Look at everybody in a frame; gives who came and went, who fell and got up.

        Args:
            frame: With the people in it; without any that were looked for, nothing is found.
            gone: Numbers of those who will not come back.
        """
        source, now_s, at_s = frame.source, frame.timestamp_s, frame.captured_at_s
        found: list[Event | Visit] = []
        for person in gone:
            found += self._end_person(source, person)
        if frame.people is None:
            return found
        self._last[source] = now_s, at_s
        zones: dict[int, str | None] = {}
        for each in frame.people:
            if each.id is not None:
                zones[each.id] = self.zones.find(source, each.box, each.keypoints)
                if len(self.zones):
                    found += self._visits.see(source, each.id, zones[each.id], now_s, at_s)
        if self._falls is not None:
            alarms = self._alarms.setdefault(source, FallAlarms(self._falls))
            shape = frame.pixels.shape[1] / frame.pixels.shape[0]
            for number, alarm in alarms.see(frame.people, now_s, shape):
                found += self._tell(source, number, alarm, zones.get(number))
        return found

    def end(self, source: str) -> list[Event | Visit]:
        """End what goes on in a source, at a gap or for good."""
        now_s, _ = self._last.get(source, (0.0, None))
        found: list[Event | Visit] = [*self._visits.end(source)]
        if (alarms := self._alarms.pop(source, None)) is not None:
            for number, alarm in alarms.leave_all(now_s):
                found += self._tell(source, number, alarm, None)
        self._last.pop(source, None)
        return found

    def _end_person(self, source: str, person: int) -> list[Event | Visit]:
        now_s, _ = self._last.get(source, (0.0, None))
        found: list[Event | Visit] = [*self._visits.end_person(source, person)]
        if (alarms := self._alarms.get(source)) is not None:
            for number, alarm in alarms.leave(person, now_s):
                found += self._tell(source, number, alarm, None)
        return found

    def _tell(self, source: str, person: int, alarm: Alarm, zone: str | None) -> list[Event]:
        """Make an event of an alarm, unless a rule forbids it."""
        now_s, now_at_s = self._last[source]
        if alarm.ended_by is not None:
            began = self._told.pop((source, person), None)
            if began is None:
                return []
            ended = replace(
                began, kind="action_ended", end_s=alarm.at_s, end_at_s=now_at_s, why=alarm.why
            )
            return [ended]
        if not self._rules.permits(FALL, zone, now_at_s):
            return []
        event = Event(
            kind="action_started",
            number=self._next_number(),
            source=source,
            action=FALL,
            start_s=alarm.start_s,
            end_s=None,
            confidence=alarm.share,
            start_at_s=None if now_at_s is None else now_at_s - (now_s - alarm.start_s),
            person=person,
            zone=zone,
            why=alarm.why,
        )
        self._told[source, person] = event
        return [event]


def _fall_settings(values: Mapping[str, float]) -> FallSettings:
    """Settings of the alarm; a model may know some that this release does without."""
    known = {each.name for each in fields(FallSettings)}
    return FallSettings(**{name: value for name, value in values.items() if name in known})
