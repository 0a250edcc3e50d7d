"""Who is who from one frame to the next: boxes with a number that stays.

Each track has a Kalman filter for the middle and the sides of its box, with constant velocity and
noise in proportion to the box. Finds are given to tracks by how much they overlap with where the
filter expects them; those that nothing overlaps with, by how near they are. Sure finds come first:
weak ones, as of a person half hidden, only continue what is known. Two tracks never change
places silently: whoever was seen last time chooses before who is hidden.

- A sure find that is no known person, nor a part of one, begins a track; with some networks only
  from a higher score on, which people reach within some frames and furniture does not. Numbers
  rise from 1 in each source.
- Between two looks, and for `CARRY_S` after the last find, the box is carried on
  (`located=False`); then the person is hidden, and comes back with the old number.
- After `END_S` without a find a track ends; its number is never given again.

All of it goes by the time of frames, never by a clock: equal finds give equal tracks.
Sources: Bewley et al., Simple Online and Realtime Tracking (2016), for the filter on boxes; Zhang
et al., ByteTrack (2022), for the second round with weak finds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from har_edge.arrays import Box, FloatArray
from har_edge.frames.frame import Person
from har_edge.frames.sampling import TOLERANCE_S
from har_edge.people.boxes import clip_box, overlap, share

# How long a person who is not found is still shown where the filter expects them.
CARRY_S = 0.6
# How long a person may be hidden and still be the same one.
END_S = 2.0
# Tracks that are kept at most; a crowd's smallest are not numbered.
MAX_TRACKS = 64
# Overlap from which a find may be a track's.
LEAST_OVERLAP = 0.3
# Where nothing overlaps: distance of middles, in sides of the box, and how unlike sizes may be.
NEAR, ALIKE = 0.8, 0.5
# Spread of what a network says of a box, and of how a person's speed changes in a second, in sides.
MEASURED_SPREAD, SPEED_SPREAD = 0.15, 1.0
# A find of which so much shares its place with somebody who was just found is a part of them, and
# nobody new. These are measured, see `har-bench experiment tracks`.
PART = 0.7
# A hidden person's speed falls to 37 % in this time: nobody walks on for long unseen.
SLOWING_S = 0.8


@dataclass
class _Filter:
    """A Kalman filter of one number with a speed; `spread` is what the number is measured by."""

    value: float
    speed: float = 0.0
    # Covariance: of the value, of both, of the speed.
    values: float = 0.0
    both: float = 0.0
    speeds: float = 0.0

    @classmethod
    def begin(cls, value: float, spread: float) -> _Filter:
        measured = (MEASURED_SPREAD * spread) ** 2
        return cls(value, 0.0, measured, 0.0, spread**2)

    def step(self, step_s: float, spread: float) -> None:
        """Let time pass; the speed changes by white noise."""
        noise = (SPEED_SPREAD * spread) ** 2
        self.value += self.speed * step_s
        self.values += 2 * step_s * self.both + step_s**2 * self.speeds + noise * step_s**3 / 3
        self.both += step_s * self.speeds + noise * step_s**2 / 2
        self.speeds += noise * step_s

    def see(self, value: float, spread: float) -> None:
        """Take a measurement."""
        measured = (MEASURED_SPREAD * spread) ** 2
        gain = self.values / (self.values + measured)
        speed_gain = self.both / (self.values + measured)
        miss = value - self.value
        self.value += gain * miss
        self.speed += speed_gain * miss
        self.speeds -= speed_gain * self.both
        self.values *= 1 - gain
        self.both *= 1 - gain


class _Track:
    """One person: where they are expected, and when they were last found."""

    def __init__(self, number: int, person: Person, now_s: float) -> None:
        self.number = number
        self.found = person
        self.seen_s = self.now_s = now_s
        self.missed = 0
        x, y, wide, high = _middle(person.box)
        self._filters = tuple(
            _Filter.begin(value, spread)
            for value, spread in ((x, wide), (y, high), (wide, wide), (high, high))
        )

    def step(self, now_s: float) -> None:
        """Expect the person where they are by now."""
        step_s, self.now_s = now_s - self.now_s, now_s
        _, _, wide, high = _middle(self.found.box)
        for each, spread in zip(self._filters, (wide, high, wide, high), strict=True):
            each.step(step_s, spread)
            if self.missed:
                each.speed *= math.exp(-step_s / SLOWING_S)

    def see(self, person: Person) -> None:
        """Take a find."""
        measured = _middle(person.box)
        spreads = (measured[2], measured[3], measured[2], measured[3])
        for each, value, spread in zip(self._filters, measured, spreads, strict=True):
            each.see(value, spread)
        self.found, self.seen_s, self.missed = person, self.now_s, 0

    @property
    def box(self) -> Box:
        """Where the person is expected; sides never vanish."""
        x, y, wide, high = (each.value for each in self._filters)
        _, _, last_wide, last_high = _middle(self.found.box)
        wide, high = max(wide, last_wide / 2), max(high, last_high / 2)
        return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)

    @property
    def hidden(self) -> bool:
        """Whether the person is not shown any more."""
        return self.missed > 0 and self.now_s - self.seen_s > CARRY_S + TOLERANCE_S

    def show(self) -> Person | None:
        """The person now; None while hidden or outside the picture."""
        if self.now_s == self.seen_s and not self.missed:
            return replace(self.found, id=self.number)
        box = None if self.hidden else clip_box(self.box)
        if box is None:
            return None
        points = _moved(self.found.keypoints, self.found.box, box)
        return Person(self.found.score, box, points, self.number, located=False)


class Tracker:
    """Numbers the people of one source.

    Example:
        >>> tracker = Tracker()
        >>> [p.id for p in tracker.update([Person(0.9, (0.1, 0.1, 0.3, 0.9))], 0.0)]
        [1]
        >>> [(p.id, p.located) for p in tracker.carry(0.125)]
        [(1, False)]

    Attributes:
        ended: Numbers of the tracks that ended at the last step.
    """

    def __init__(self, sure_score: float = 0.5, begin_score: float = 0.0) -> None:
        """Begin with nobody.

        Args:
            sure_score: Score from which a find is a person; weaker ones only continue a track.
            begin_score: Score from which it begins a track, if that is higher.
        """
        self._sure_score = sure_score
        self._begin_score = begin_score
        self._tracks: list[_Track] = []
        self._count = 0
        self.ended: tuple[int, ...] = ()

    def reset(self) -> None:
        """Forget everybody, as after a gap; numbers go on."""
        self.ended = tuple(track.number for track in self._tracks)
        self._tracks = []

    def update(self, found: Sequence[Person], now_s: float) -> tuple[Person, ...]:
        """Take what was found in a frame.

        Args:
            found: Best first.
            now_s: Time of the frame; must not fall.

        Returns:
            Everybody who is in view, with numbers, in their order.
        """
        self._step(now_s)
        for track in self._tracks:
            track.missed += 1
        left = list(found)
        seen = [track for track in self._tracks if track.missed == 1]
        hidden = [track for track in self._tracks if track.missed > 1]
        sure = [person for person in left if person.score >= self._sure_score]
        for tracks, finds, likeness in (
            (seen, sure, _overlapping),
            (seen, left, _overlapping),
            (hidden, left, _overlapping),
            (seen, sure, _near),
            (hidden, sure, _near),
        ):
            for track, person in _pairs(tracks, finds, likeness):
                track.see(person)
                tracks.remove(track)
                _take_out(person, left, sure)
        for person in sure:
            if person.score >= self._begin_score:
                self._begin(person, now_s)
        self._end(now_s)
        return self._show()

    def carry(self, now_s: float) -> tuple[Person, ...]:
        """Say where everybody is expected in a frame that nobody looked at; see `update`."""
        self._step(now_s)
        self._end(now_s)
        return self._show()

    def _begin(self, person: Person, now_s: float) -> None:
        """Begin a track, unless there are too many, or it is a part of somebody."""
        known = [track.found.box for track in self._tracks if not track.missed]
        if len(self._tracks) < MAX_TRACKS and all(share(person.box, b) < PART for b in known):
            self._count += 1
            self._tracks.append(_Track(self._count, person, now_s))

    def _step(self, now_s: float) -> None:
        for track in self._tracks:
            track.step(now_s)

    def _end(self, now_s: float) -> None:
        over = [t for t in self._tracks if t.missed and now_s - t.seen_s > END_S + TOLERANCE_S]
        self.ended = tuple(track.number for track in over)
        self._tracks = [track for track in self._tracks if track not in over]

    def _show(self) -> tuple[Person, ...]:
        shown = (track.show() for track in self._tracks)
        return tuple(person for person in shown if person is not None)


def _pairs(
    tracks: Sequence[_Track],
    finds: Sequence[Person],
    likeness: Callable[[Box, Box], float],
) -> list[tuple[_Track, Person]]:
    """Give finds to tracks, the most alike first."""
    rated = [
        (likeness(track.box, person.box), -number, -place)
        for number, track in enumerate(tracks)
        for place, person in enumerate(finds)
    ]
    pairs: list[tuple[_Track, Person]] = []
    taken_tracks, taken_finds = set[int](), set[int]()
    for alike, number, place in sorted(rated, reverse=True):
        if alike <= 0:
            break
        if -number not in taken_tracks and -place not in taken_finds:
            taken_tracks.add(-number)
            taken_finds.add(-place)
            pairs.append((tracks[-number], finds[-place]))
    return pairs


def _take_out(person: Person, *lists: list[Person]) -> None:
    for people in lists:
        people[:] = [other for other in people if other is not person]


def _overlapping(expected: Box, found: Box) -> float:
    shared = overlap(expected, found)
    return shared if shared >= LEAST_OVERLAP else 0.0


def _near(expected: Box, found: Box) -> float:
    """How near two boxes of about one size are, in (0, 1]; 0 if they are not."""
    x, y, wide, high = _middle(expected)
    to_x, to_y, found_wide, found_high = _middle(found)
    sizes = sorted((wide * high, found_wide * found_high))
    if sizes[0] < ALIKE * sizes[1]:
        return 0.0
    distance = math.hypot((x - to_x) / max(wide, found_wide), (y - to_y) / max(high, found_high))
    return max(0.0, 1.0 - distance / NEAR)


def _middle(box: Box) -> tuple[float, float, float, float]:
    """Middle, width and height of a box."""
    left, top, right, bottom = box
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _moved(points: FloatArray | None, before: Box, now: Box) -> FloatArray | None:
    """Carry keypoints on with their box."""
    if points is None:
        return None
    moved = points.copy()
    for axis in (0, 1):
        scale = (now[axis + 2] - now[axis]) / (before[axis + 2] - before[axis])
        moved[:, axis] = (points[:, axis] - before[axis]) * scale + now[axis]
    return moved
