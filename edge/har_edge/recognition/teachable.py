"""A model that is taught while it runs: it keeps the windows that it classifies, if asked to.

What is learned from is what the model is asked about, frame by frame: whole pictures, or the crops
of the largest person where people are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Frame
from har_edge.model.loaded import LoadedModel
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.taught import Taught, TaughtModel, describe


class TeachableModel(LoadedModel):
    """A model whose taught actions may change between two frames.

    Like the runtimes, it may be used by one thread at a time.

    Attributes:
        base: The model without what was taught.
        listening: Whether classified windows are kept for `heard`.
    """

    def __init__(self, base: LoadedModel, known: LoadedModel) -> None:
        """Begin with what was taught before.

        Args:
            base: The model without what was taught.
            known: The same with it, see `har_edge.recognition.taught_file.load_taught`.
        """
        super().__init__(known.spec, base.path, base.size_bytes, base.backend)
        self.num_classes = base.num_classes
        self.base = base
        self.listening = False
        self._known = known
        self._heard: list[FloatArray] = []

    def know(self, taught: Taught) -> None:
        """Know these taught actions, and no others, from the next window on."""
        self._known = TaughtModel(self.base, taught) if taught.names else self.base
        self.spec = self._known.spec

    def classify(self, window: FloatArray) -> FloatArray:
        """Classify feature vectors in order of time, (T, D), to probabilities, (C + K,)."""
        if self.listening:
            self._heard.append(describe(window))
        return self._known.classify(window)

    def heard(self) -> list[FloatArray]:
        """Take the described windows, (D,), that were classified since the last call."""
        heard, self._heard = self._heard, []
        return heard


class Lesson:
    """Chooses windows to learn from out of those that a live source gives, frame by frame.

    They lie a quarter of a window apart, as `har_edge.recognition.teach.record_windows` has them;
    none reaches back to before the lesson, spans a gap, or shows two people.

    Attributes:
        duration_s: Seconds of the source's own time that it takes.
        recorded_s: Seconds of them that are over.
        windows: What was chosen, each (D,).
    """

    def __init__(self, num_frames: int, duration_s: float) -> None:
        self.duration_s = duration_s
        self.recorded_s = 0.0
        self.windows: list[FloatArray] = []
        self._num_frames = num_frames
        self._start_s: float | None = None
        self._count = 0
        self._subject: int | None = None

    @property
    def over(self) -> bool:
        """Whether all of its time is."""
        return self.recorded_s >= self.duration_s

    def take(self, frame: Frame, people: Sequence[Prediction], heard: Sequence[FloatArray]) -> None:
        """Take the next frame.

        Args:
            frame: It, with the people in view where people are told apart.
            people: What is said of them, in the order in which their windows were classified.
            heard: These windows, described; without people, that of the picture, if there is one.
        """
        if self._start_s is None or frame.timestamp_s < self._start_s:  # its clock began anew
            self._start_s = frame.timestamp_s - self.recorded_s
        self.recorded_s = min(frame.timestamp_s - self._start_s, self.duration_s)
        subject = _largest(frame)
        if frame.after_gap or subject != self._subject:
            self._count = 0
        self._subject = subject
        self._count += 1
        past = self._count - self._num_frames
        if past < 0 or past % max(1, self._num_frames // 4):
            return
        if frame.people is None:
            self.windows += heard[:1]
            return
        # Whoever is followed, but not long enough yet, has no window.
        shown = zip(people, heard, strict=False)
        self.windows += [window for said, window in shown if said.person == subject]

    def take_short(
        self, frame: Frame, people: Sequence[Prediction], heard: Sequence[FloatArray]
    ) -> None:
        """Take the window of the largest person of a source that is shorter than a window.

        Args:
            frame: The last one.
            people: What is said of them at the end.
            heard: Their windows, described.
        """
        shown = zip(people, heard, strict=True)
        self.windows += [window for said, window in shown if said.person == _largest(frame)]

    def stacked(self) -> FloatArray:
        """All chosen windows, (M, D); M at least 1."""
        return np.stack(self.windows)


def _largest(frame: Frame) -> int | None:
    """Number of the largest person; None without people."""
    followed = [person for person in frame.people or () if person.id is not None]
    return max(followed, key=lambda person: person.size).id if followed else None
