"""One answer for a whole file, added up while it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.recognition.answer import FileAnswer, PersonAnswer
from har_edge.recognition.decide import Decider
from har_edge.recognition.prediction import NOBODY, Prediction

# What a file has left behind its last prediction, or behind the step before that.
LONGEST_REST_S = 1.0
# People of a file whose windows are kept, those seen longest.
MOST_PEOPLE = 200


@dataclass
class _Part:
    """Windows of a whole file, or of one person in it, and how long each action held."""

    total: FloatArray | None = None
    last: Prediction | None = None
    windows: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, raw: Prediction) -> None:
        """Count a window."""
        self.total = raw.probabilities if self.total is None else self.total + raw.probabilities
        self.last = raw
        self.windows += 1

    def decide(self, decider: Decider) -> Prediction | None:
        """Decide on the mean of all windows; None without any."""
        if self.last is None or self.total is None:
            return None
        mean = np.asarray(self.total / self.windows, np.float32)
        return decider.decide(replace(self.last, probabilities=mean))

    def longest_first(self) -> dict[str, float]:
        """Seconds by action."""
        return dict(sorted(self.seconds.items(), key=lambda item: -item[1]))


class FileTally:
    """Adds up the predictions of one file.

    As for an upload: the answer is that of the mean of the model's own probabilities, each window
    counting alike. A window's action holds from the one before to its last frame, the first one's
    from the start; that of a single frame holds until the next frame. Where people are told apart,
    each one's windows count, and each one's seconds; those without anybody are `nobody`'s. What
    each of them does is told beside, by the same rules.
    """

    def __init__(self, source: str, new_decider: Callable[[], Decider], *, windowed: bool) -> None:
        """Begin.

        Args:
            source: Name of the file.
            new_decider: Makes what decides on all of the file, or of a person.
            windowed: Whether the model looks at more than one frame.
        """
        self._source, self._new_decider, self._windowed = source, new_decider, windowed
        self._whole = _Part()
        # By number; None until somebody looked for people.
        self._people: dict[int, _Part] | None = None
        self._step_s = 0.0
        # By person, None for the whole picture: the action that holds, since when.
        self._holds: dict[int | None, tuple[str, float]] = {}
        # Times of the last two frames that there were predictions for.
        self._before_s, self._now_s = 0.0, 0.0

    def add(self, raw: Prediction, decided: Prediction) -> None:
        """Count a prediction as the model gave it, and as it was said."""
        now_s, person = decided.timestamp_s, decided.person
        if now_s != self._now_s:
            self._step_s = now_s - self._now_s if self._holds else 0.0
            self._before_s, self._now_s = self._now_s, now_s
        if raw.is_nobody or person is not None:
            self._people = self._people or {}
        if not raw.is_nobody:
            self._whole.add(raw)
        if person is not None:
            self._part_of(person).add(raw)
        action, since_s = self._holds.get(person, ("", 0.0 if person is None else now_s))
        if raw.is_nobody or action == NOBODY:
            since_s = max(since_s, self._before_s)  # somebody was there in between
        if self._windowed:
            self._count(person, decided.action, now_s - since_s)
        elif action:
            self._count(person, action, now_s - since_s)
        self._holds[person] = (decided.action, now_s)

    def _part_of(self, person: int) -> _Part:
        """What is kept of a person; of too many, whoever was seen shortest is forgotten."""
        people = self._people
        assert people is not None
        if person not in people and len(people) >= MOST_PEOPLE:
            del people[min(people, key=lambda number: people[number].windows)]
        return people.setdefault(person, _Part())

    def _count(self, person: int | None, action: str, time_s: float) -> None:
        self._whole.seconds[action] += time_s
        if person is not None and self._people is not None and person in self._people:
            self._people[person].seconds[action] += time_s

    def answer(self, end_s: float | None, error: str | None = None) -> FileAnswer:
        """Give the answer.

        Args:
            end_s: Length of the file; None if it is not known.
            error: Why it could not be read in full.
        """
        if not self._holds:
            return FileAnswer(self._source, None, None, error=error)
        rest_s = (end_s or self._now_s) - self._now_s
        # Lengths are what a file states: that of a sound that goes on, or of a first part.
        believed = 0 < rest_s <= max(self._step_s, LONGEST_REST_S)
        for person, (action, since_s) in self._holds.items():
            self._count(person, action, rest_s if believed and since_s == self._now_s else 0.0)
        whole, seconds = self._whole.decide(self._new_decider()), self._whole.longest_first()
        people = self._tell_people()
        if whole is None:
            return FileAnswer(self._source, NOBODY, 1.0, seconds, 0, error, people)
        return FileAnswer(
            self._source,
            whole.action,
            whole.confidence,
            seconds,
            self._whole.windows,
            error,
            people,
        )

    def _tell_people(self) -> tuple[PersonAnswer, ...] | None:
        """What each person does, by number; None where nobody looked for people."""
        if self._people is None:
            return None
        told = []
        for person, part in sorted(self._people.items()):
            if (said := part.decide(self._new_decider())) is not None:
                seconds = part.longest_first()
                told.append(
                    PersonAnswer(person, said.action, said.confidence, seconds, part.windows)
                )
        return tuple(told)
