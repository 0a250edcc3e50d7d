"""What a run amounts to: share of time an action, confidence, speed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from har_edge.recognizer import Prediction


@dataclass
class Summary:
    """Collects predictions of one run.

    Attributes:
        started_s: Monotonic time at the start, for frames per second.
        frames: Frames that were encoded, those before a full window included.
    """

    started_s: float = field(default_factory=time.monotonic)
    frames: int = 0
    _confidences: dict[str, list[float]] = field(default_factory=dict)
    _latencies_ms: list[float] = field(default_factory=list)

    def add(self, prediction: Prediction) -> None:
        """Count one prediction."""
        self._confidences.setdefault(prediction.action, []).append(prediction.confidence)
        self._latencies_ms.append(prediction.latency_ms)

    @property
    def predictions(self) -> int:
        """Number of predictions so far."""
        return len(self._latencies_ms)

    def actions(self) -> list[tuple[str, float, float]]:
        """Each action with its share of the predictions and its mean confidence, most first.

        Predictions lie on a grid of equal steps, so their share is the share of time.
        """
        rows = [
            (action, len(values) / self.predictions, float(np.mean(values)))
            for action, values in self._confidences.items()
        ]
        return sorted(rows, key=lambda row: (-row[1], -row[2]))

    def frames_per_second(self) -> float:
        """Encoded frames per second of wall-clock time."""
        return self.frames / max(1e-9, time.monotonic() - self.started_s)

    def latency_ms(self, percentile: float) -> float:
        """Percentile of the time from reading a frame to its prediction."""
        return float(np.percentile(self._latencies_ms, percentile))

    def format(self) -> str:
        """Lay the summary out as a small table."""
        if not self.predictions:
            return "No prediction was made.\n"
        lines = [f"{'action':<20} {'time':>6} {'confidence':>11}"]
        lines += [f"{a:<20} {share:>6.1%} {c:>11.1%}" for a, share, c in self.actions()]
        lines.append(
            f"{self.predictions} predictions from {self.frames} frames, "
            f"{self.frames_per_second():.1f} frames/s, latency "
            f"p50 {self.latency_ms(50):.1f} ms, p95 {self.latency_ms(95):.1f} ms"
        )
        return "\n".join(lines) + "\n"
