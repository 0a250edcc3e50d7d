"""What the model says of one window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from har_edge.arrays import FloatArray

# What is said in place of an action that the model is not sure of.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Prediction:
    """What the model says of the window that ends with one frame.

    Attributes:
        source: Name of the source.
        frame: Number of the window's last frame in the source.
        timestamp_s: Its time in the source.
        probabilities: (C,), in the order of `labels`.
        labels: The model's labels, (C,).
        window_frames: Frames of this source in the window; fewer than T only where the
            whole source is shorter than a window.
        decode_ms, preprocess_ms, encode_ms, classify_ms: Time spent on this frame.
        age_ms: Live sources: time from capture to decision, else None.
        captured_at_s: Live sources: Unix time of capture, else None.
        rejected: Whether no action is claimed, because none is probable enough.
        reused_frame: With a motion gate: number of the earlier frame whose features stand for
            this one's, since nothing moved in between; None if it was encoded itself.
    """

    source: str
    frame: int
    timestamp_s: float
    probabilities: FloatArray
    labels: tuple[str, ...]
    window_frames: int
    decode_ms: float
    preprocess_ms: float
    encode_ms: float
    classify_ms: float
    age_ms: float | None = None
    captured_at_s: float | None = None
    rejected: bool = False
    reused_frame: int | None = None

    @property
    def encoded(self) -> bool:
        """Whether the frame itself was encoded."""
        return self.reused_frame is None

    @cached_property
    def action(self) -> str:
        """The most probable label, or `unknown` if it is not probable enough."""
        return UNKNOWN if self.rejected else self.labels[int(self.probabilities.argmax())]

    @cached_property
    def confidence(self) -> float:
        """The probability of the most probable label."""
        return float(self.probabilities.max())

    @property
    def latency_ms(self) -> float:
        """Total time spent on this frame."""
        return self.decode_ms + self.preprocess_ms + self.encode_ms + self.classify_ms

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable labels with their probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]
