"""One answer for a whole file, added up while it is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.decide import Decider
from har_edge.recognition.prediction import NOBODY, Prediction

# What a file has left behind its last prediction, or behind the step before that.
LONGEST_REST_S = 1.0


class FileTally:
    """Adds up the predictions of one file.

    As for an upload: the answer is that of the mean of the model's own probabilities, each window
    counting alike. A window's action holds from the one before to its last frame, the first one's
    from the start; that of a single frame holds until the next frame. Where people are told apart,
    each one's windows count, and each one's seconds; those without anybody are `nobody`'s.
    """

    def __init__(self, source: str, decider: Decider, *, windowed: bool) -> None:
        """Begin.

        Args:
            source: Name of the file.
            decider: One that has seen nothing yet.
            windowed: Whether the model looks at more than one frame.
        """
        self._source, self._decider, self._windowed = source, decider, windowed
        self._sum: FloatArray | None = None
        self._last: Prediction | None = None
        self._windows = 0
        self._step_s = 0.0
        self._seconds = defaultdict[str, float](float)
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
        if not raw.is_nobody:
            self._sum = raw.probabilities if self._sum is None else self._sum + raw.probabilities
            self._last = raw
            self._windows += 1
        action, since_s = self._holds.get(person, ("", 0.0 if person is None else now_s))
        if raw.is_nobody or action == NOBODY:
            since_s = max(since_s, self._before_s)  # somebody was there in between
        if self._windowed:
            self._seconds[decided.action] += now_s - since_s
        elif action:
            self._seconds[action] += now_s - since_s
        self._holds[person] = (decided.action, now_s)

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
        for action, since_s in self._holds.values():
            self._seconds[action] += rest_s if believed and since_s == self._now_s else 0.0
        seconds = dict(sorted(self._seconds.items(), key=lambda item: -item[1]))
        if self._last is None or self._sum is None:
            return FileAnswer(self._source, NOBODY, 1.0, seconds, 0, error)
        mean = np.asarray(self._sum / self._windows, np.float32)
        whole = self._decider.decide(replace(self._last, probabilities=mean))
        return FileAnswer(
            self._source, whole.action, whole.confidence, seconds, self._windows, error
        )
