"""One answer for a whole file, added up while it is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.decide import Decider
from har_edge.recognition.prediction import Prediction

# What a file has left behind its last prediction, or behind the step before that.
LONGEST_REST_S = 1.0


class FileTally:
    """Adds up the predictions of one file.

    As for an upload: the answer is that of the mean of the model's own probabilities, each window
    counting alike. A window's action holds from the one before to its last frame, the first one's
    from the start; that of a single frame holds until the next frame.
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
        # The action that holds, since when.
        self._holds: tuple[str, float] | None = None

    def add(self, raw: Prediction, decided: Prediction) -> None:
        """Count a prediction as the model gave it, and as it was said."""
        self._sum = raw.probabilities if self._sum is None else self._sum + raw.probabilities
        self._last = raw
        self._windows += 1
        now_s = decided.timestamp_s
        self._step_s = now_s - (self._holds[1] if self._holds else now_s)
        if self._windowed:
            since_s = self._holds[1] if self._holds else 0.0
            self._seconds[decided.action] += now_s - since_s
        elif self._holds is not None:
            self._seconds[self._holds[0]] += now_s - self._holds[1]
        self._holds = (decided.action, now_s)

    def answer(self, end_s: float | None, error: str | None = None) -> FileAnswer:
        """Give the answer.

        Args:
            end_s: Length of the file; None if it is not known.
            error: Why it could not be read in full.
        """
        if self._last is None or self._sum is None or self._holds is None:
            return FileAnswer(self._source, None, None, error=error)
        action, since_s = self._holds
        rest_s = (end_s or since_s) - since_s
        # Lengths are what a file states: that of a sound that goes on, or of a first part.
        believed = 0 < rest_s <= max(self._step_s, LONGEST_REST_S)
        self._seconds[action] += rest_s if believed else 0.0
        mean = np.asarray(self._sum / self._windows, np.float32)
        whole = self._decider.decide(replace(self._last, probabilities=mean))
        seconds = dict(sorted(self._seconds.items(), key=lambda item: -item[1]))
        return FileAnswer(
            self._source, whole.action, whole.confidence, seconds, self._windows, error
        )
