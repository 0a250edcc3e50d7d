"""What a source is looked at with: as whole pictures, or person by person; one interface."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Frame
from har_edge.recognition.prediction import NOBODY, Prediction


@dataclass(frozen=True)
class Seen:
    """What one frame amounts to.

    Attributes:
        frame: It, with all people in view where people were looked for.
        predictions: For windows that end with it, not decided yet: of the whole picture, or of
            each person who was looked at, the largest first.
        hidden: Numbers of people whose windows were dropped, since they are out of view.
        gone: Numbers of those who will not come back, or whom nobody looks at any more.
        left_out: How many people in view were not looked at.
    """

    frame: Frame
    predictions: tuple[Prediction, ...] = ()
    hidden: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    left_out: int = 0

    @property
    def by_number(self) -> tuple[Prediction, ...]:
        """The predictions as they are told: the picture's, then those of people by number.

        Who is larger changes from frame to frame; in lists, everybody stays in place.
        """
        if len(self.predictions) < 2:
            return self.predictions
        largest, *others = self.predictions
        told = [largest, *(replace(p, largest=False) for p in others)]
        return tuple(sorted(told, key=lambda p: p.person or 0))


class Looker(Protocol):
    """Recognises one source frame by frame, as whole pictures or person by person."""

    @property
    def skipped(self) -> int:
        """Pictures and crops that a motion gate spared the encoder."""

    def look(self, frame: Frame, *, predict: bool = True) -> Seen:
        """Take the next frame; `predict` says whether predictions are wanted."""

    def finish(self) -> tuple[Prediction, ...]:
        """End the source: predictions for what was shorter than a window."""


def prediction_for(
    frame: Frame,
    probabilities: FloatArray,
    labels: tuple[str, ...],
    *,
    window_frames: int = 1,
    classify_ms: float = 0.0,
    reused_frame: int | None = None,
) -> Prediction:
    """Make the prediction for a frame, with what the frame itself says and costs.

    Args:
        frame: The last one of the window.
        probabilities: (C,).
        labels: (C,).
        window_frames, classify_ms, reused_frame: See `Prediction`.
    """
    captured_s = frame.captured_s
    age_s = None if captured_s is None else time.monotonic() - captured_s
    return Prediction(
        source=frame.source,
        frame=frame.index,
        timestamp_s=frame.timestamp_s,
        probabilities=probabilities,
        labels=labels,
        window_frames=window_frames,
        decode_ms=frame.decode_ms,
        preprocess_ms=frame.preprocess_ms,
        encode_ms=frame.encode_ms,
        classify_ms=classify_ms,
        reused_frame=reused_frame,
        age_ms=None if age_s is None else age_s * 1e3,
        captured_at_s=None if age_s is None else time.time() - age_s,
        locate_ms=None if frame.people is None else frame.locate_ms,
    )


def nobody_in(frame: Frame) -> Prediction:
    """Say that nobody is in a frame in which people were looked for; no model was asked."""
    return prediction_for(frame, np.ones(1, np.float32), (NOBODY,))
