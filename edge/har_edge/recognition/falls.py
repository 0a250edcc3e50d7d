"""Falls: an alarm for a fast descent that ends low, and stays there.

A classifier that sees a window cannot know what comes after it, and so takes who sits down fast
for who falls. The alarm looks twice, at the box and the hips of one person over time:

1. The descent: within `descent_s` the hips come down by `drop` body heights or more, at
   `speed` body heights a second or more at its fastest.
2. The second look: from then on the person is low, lying or sitting on the floor, for `low_s`.
   Low is a box below `low_height` body heights, or wider than `wide` times its height. Getting up
   before that, over `up_height` body heights for `up_s`, calls it off.

The alarm begins with the descent, is told `low_s` after it at the earliest, and ends when the
person has got up, or is not seen any more.

The body height is that of the person's box while they stood: its largest of the last `memory_s`,
but for the largest tenth, which are slips of the detector. Widths are put in picture heights, so
that the shape of the picture does not matter. What the numbers were is told with the event (`why`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from har_edge.arrays import Box, FloatArray
from har_edge.frames.frame import Person
from har_edge.people.zones import person_point
from har_edge.recognition.fall_settings import FallSettings

EndedBy = Literal["got_up", "left"]

# The speed is that over so long: boxes of single frames jump about.
SPEED_OVER_S = 0.35
SWAY = 0.05
# Two boxes that share so much of the smaller one are of one person; if that of the first is lost,
# less is enough: who falls takes another shape. A box counts for so long.
SAME, SAME_IF_LOST, HAND_ON_S = 0.5, 0.1, 1.5


@dataclass(frozen=True)
class Descent:
    """How somebody came down.

    Attributes:
        start_s: When it began.
        end_s: When it was over.
        drop: How far the hips came down, in body heights.
        speed: How fast at the fastest, in body heights a second.
    """

    start_s: float
    end_s: float
    drop: float
    speed: float


@dataclass(frozen=True)
class Alarm:
    """A fall began or ended, with the numbers that led to it.

    Attributes:
        start_s: When the descent began.
        at_s: When this was certain.
        why: The numbers, and for an end what ended it.
        share: Share of the second look in which the person looked low.
        ended_by: What ended it; None while it goes on.
    """

    start_s: float
    at_s: float
    why: dict[str, float | str]
    share: float
    ended_by: EndedBy | None = None


@dataclass(frozen=True)
class Posture:
    """One look at a person; lengths in picture heights, y down.

    Attributes:
        at_s: When.
        hips_y: How far down the hips are.
        height, width: Of the box.
    """

    at_s: float
    hips_y: float
    height: float
    width: float

    @classmethod
    def of(
        cls, at_s: float, box: Box, keypoints: FloatArray | None = None, *, shape: float = 1.0
    ) -> Posture:
        """Read it off a box and keypoints; `shape` is the picture's width over its height."""
        left, top, right, bottom = box
        hips_y = person_point("hips", box, keypoints)[1]
        # Hips that lie outside of the box are another person's.
        hips_y = hips_y if top <= hips_y <= bottom else (top + bottom) / 2
        return cls(at_s, hips_y, bottom - top, (right - left) * shape)


class FallWatch:
    """Watches one person.

    Args:
        settings: What a fall is.

    Example:
        >>> watch = FallWatch(FallSettings(low_s=1.0))
        >>> standing = [(s / 8, (0.4, 0.2, 0.5, 0.8)) for s in range(8)]
        >>> lying = [(1 + s / 8, (0.3, 0.7, 0.7, 0.85)) for s in range(16)]
        >>> looks = [Posture.of(at_s, box) for at_s, box in standing + lying]
        >>> [alarm.at_s for look in looks if (alarm := watch.see(look))]
        [2.0]
    """

    def __init__(self, settings: FallSettings | None = None) -> None:
        self.settings = settings or FallSettings()
        self._looks: deque[Posture] = deque()
        self._descent: Descent | None = None
        self._body = 0.0
        self._alarm: Alarm | None = None

    @property
    def seen_for_s(self) -> float:
        """How far back looks go."""
        return self._looks[-1].at_s - self._looks[0].at_s if self._looks else 0.0

    def see(self, look: Posture) -> Alarm | None:
        """Take the next look; gives what it makes certain: an alarm that begins, or its end.

        A time that does not grow starts anew.
        """
        if self._looks and look.at_s <= self._looks[-1].at_s:
            self._looks.clear()
            self._descent = None
        self._looks.append(look)
        while self._looks[0].at_s < look.at_s - self.settings.memory_s:
            self._looks.popleft()
        if self._alarm is not None:
            return self._see_end(self._alarm, look)
        if self._descent is None or self._is_up(look):
            self._descent = self._find_descent(look) or self._descent
        if self._descent is None:
            return None
        return self._second_look(self._descent, look)

    def hand_on(self, now_s: float) -> FallWatch:
        """A watch that knows what this one saw before now, for the same person's new number."""
        other = FallWatch(self.settings)
        other._looks = deque(look for look in self._looks if look.at_s < now_s)
        other._descent, other._body = self._descent, self._body
        return other

    def leave(self, at_s: float) -> Alarm | None:
        """End what goes on when the person is not seen any more."""
        alarm, self._alarm, self._descent = self._alarm, None, None
        return None if alarm is None else self._ended(alarm, at_s, "left")

    def _find_descent(self, look: Posture) -> Descent | None:
        """The descent that ends with this look, if there is one."""
        limits = self.settings
        recent = [p for p in self._looks if p.at_s >= look.at_s - limits.descent_s]
        if look.hips_y - min(p.hips_y for p in recent) < limits.drop * look.height:
            return None  # who comes down does not grow; most looks end here
        body = self._body_height()
        # Somebody who stands sways: the descent begins when they last were about as high.
        up_y = min(p.hips_y for p in recent) + SWAY * body
        highest = next(p for p in reversed(recent) if p.hips_y <= up_y)
        drop = (look.hips_y - highest.hips_y) / body
        if drop < limits.drop:
            return None
        on_the_way = [p for p in recent if p.at_s >= highest.at_s]
        speed = _fastest(on_the_way) / body
        if speed < limits.speed:
            return None
        self._body = body
        return Descent(highest.at_s, look.at_s, drop, speed)

    def _second_look(self, descent: Descent, look: Posture) -> Alarm | None:
        limits = self.settings
        after = [p for p in self._looks if p.at_s >= descent.end_s]
        first_low = next((p.at_s for p in after if self._is_low(p)), None)
        if first_low is None:
            if look.at_s - descent.end_s > limits.settle_s:
                self._descent = None
            return None
        low = [p for p in after if p.at_s >= first_low]
        share = sum(map(self._is_low, low)) / len(low)
        if self._was_up(look.at_s, since_s=first_low):
            self._descent = None
            return None
        if look.at_s - first_low < limits.low_s - 1e-6:
            return None
        if share < limits.low_share:
            self._descent = None
            return None
        why: dict[str, float | str] = {
            "drop": round(descent.drop, 2),
            "speed": round(descent.speed, 2),
            "descent_s": round(descent.end_s - descent.start_s, 2),
            "height": round(median(p.height for p in low) / self._body, 2),
            "wide": round(median(p.width / p.height for p in low), 2),
            "low_s": round(look.at_s - first_low, 2),
        }
        self._alarm = Alarm(descent.start_s, look.at_s, why, share)
        return self._alarm

    def _see_end(self, alarm: Alarm, look: Posture) -> Alarm | None:
        if not self._was_up(look.at_s, since_s=alarm.at_s):
            return None
        self._alarm = self._descent = None
        return self._ended(alarm, look.at_s, "got_up")

    def _ended(self, alarm: Alarm, at_s: float, ended_by: EndedBy) -> Alarm:
        return Alarm(
            alarm.start_s, at_s, {**alarm.why, "ended_by": ended_by}, alarm.share, ended_by
        )

    def _body_height(self) -> float:
        heights = sorted(p.height for p in self._looks)
        return max(1e-6, heights[round(0.9 * (len(heights) - 1))])

    def _is_low(self, look: Posture) -> bool:
        limits = self.settings
        return (
            look.height < limits.low_height * self._body or look.width > limits.wide * look.height
        )

    def _is_up(self, look: Posture) -> bool:
        upright = look.width <= self.settings.wide * look.height
        return upright and look.height >= self.settings.up_height * self._body

    def _was_up(self, now_s: float, *, since_s: float) -> bool:
        """Whether the last `up_s` were spent up."""
        start_s = now_s - self.settings.up_s
        if start_s < since_s:
            return False
        last = [p for p in self._looks if p.at_s >= start_s - 1e-6]
        return len(last) > 1 and all(map(self._is_up, last))


def _fastest(looks: list[Posture]) -> float:
    """The largest speed down over about `SPEED_OVER_S`, in picture heights a second."""
    best = 0.0
    for i, start in enumerate(looks):
        end = next((p for p in looks[i + 1 :] if p.at_s - start.at_s >= SPEED_OVER_S), looks[-1])
        if end.at_s > start.at_s:
            # A shorter way than that counts as if it had taken so long.
            taken_s = max(SPEED_OVER_S, end.at_s - start.at_s)
            best = max(best, (end.hips_y - start.hips_y) / taken_s)
    return best


@dataclass
class _Watched:
    """A person's watch, and where they were last."""

    watch: FallWatch
    box: Box
    seen_s: float
    # The person whose alarm this one's would repeat.
    alarm_of: int | None = None


class FallAlarms:
    """Watches all people of one source.

    Detectors lose people who fall, or see two where one lies. So a number that comes up where
    another was a moment ago takes over what was seen of that one, and of people who overlap one
    alarm is told.

    Args:
        settings: What a fall is.
    """

    def __init__(self, settings: FallSettings) -> None:
        self._settings = settings
        self._watched: dict[int, _Watched] = {}

    def see(self, people: Sequence[Person], now_s: float, shape: float) -> list[tuple[int, Alarm]]:
        """Take the people of the next frame.

        Args:
            people: With numbers.
            now_s: Its time.
            shape: Its width over its height.

        Returns:
            The alarms that begin or end, each with the number of the person.
        """
        found = []
        in_view = {person.id for person in people if person.located}
        for person in people:
            # Where a box is carried on, it goes on down with whoever comes down.
            if person.id is None or not person.located:
                continue
            watched = self._watched.get(person.id) or self._begin(person, now_s, in_view)
            watched.box, watched.seen_s = person.box, now_s
            self._watched[person.id] = watched
            look = Posture.of(now_s, person.box, person.keypoints, shape=shape)
            alarm = watched.watch.see(look)
            if alarm is not None:
                found += self._tell(person.id, watched, alarm)
        return found

    def leave(self, person: int, now_s: float) -> list[tuple[int, Alarm]]:
        """End what goes on with somebody who is not seen any more."""
        watched = self._watched.pop(person, None)
        alarm = watched.watch.leave(now_s) if watched else None
        return self._tell(person, watched, alarm) if watched and alarm else []

    def leave_all(self, now_s: float) -> list[tuple[int, Alarm]]:
        """End everything, at a gap or at the end of the source."""
        return [told for person in list(self._watched) for told in self.leave(person, now_s)]

    def _begin(self, person: Person, now_s: float, in_view: Container[int | None]) -> _Watched:
        """A new watch, which takes over from one that saw somebody here a moment ago."""
        before = [
            watched
            for number, watched in self._watched.items()
            if now_s - watched.seen_s <= HAND_ON_S
            and _shared(watched.box, person.box) >= (SAME if number in in_view else SAME_IF_LOST)
        ]
        if not before:
            return _Watched(FallWatch(self._settings), person.box, now_s)
        longest = max(before, key=lambda watched: watched.watch.seen_for_s)
        return _Watched(longest.watch.hand_on(now_s), person.box, now_s)

    def _tell(self, person: int, watched: _Watched, alarm: Alarm) -> list[tuple[int, Alarm]]:
        if alarm.ended_by is not None:
            told = watched.alarm_of == person
            watched.alarm_of = None
            return [(person, alarm)] if told else []
        for number, other in self._watched.items():
            goes_on = other.alarm_of == number != person
            if goes_on and _shared(other.box, watched.box) >= SAME:
                watched.alarm_of = number
                return []
        watched.alarm_of = person
        return [(person, alarm)]


def _shared(one: Box, other: Box) -> float:
    """Area that two boxes share, in that of the smaller one."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return wide * high / max(1e-9, min(areas)) if wide > 0 and high > 0 else 0.0
