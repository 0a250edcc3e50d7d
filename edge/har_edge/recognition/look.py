"""What a source is looked at with: as whole pictures, or person by person; one interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from har_edge.frames.frame import Frame
from har_edge.recognition.prediction import Prediction


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


class Looker(Protocol):
    """Recognises one source frame by frame, as whole pictures or person by person."""

    @property
    def skipped(self) -> int:
        """Pictures and crops that a motion gate spared the encoder."""

    def look(self, frame: Frame, *, predict: bool = True) -> Seen:
        """Take the next frame; `predict` says whether predictions are wanted."""

    def finish(self) -> tuple[Prediction, ...]:
        """End the source: predictions for what was shorter than a window."""
