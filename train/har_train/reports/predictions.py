"""What a model says of one part of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.model.loaded import apply_temperature
from har_edge.statistics import mean_of_each


@dataclass(frozen=True)
class SplitPredictions:
    """Predictions on one part of a dataset.

    Attributes:
        paths: File of each clip, (N,).
        targets: True class of each clip, (N,).
        probabilities: Per window, (M, C).
        clip_of: Clip of each window, (M,), rising.
        first_frames: Sampled frame with which each window starts, (M,); below 0 where
            the clip is shorter than a window.
        spans: Start and end of each clip in its file in seconds, (N,); empty for whole files.
    """

    paths: Sequence[Path]
    targets: NDArray[np.intp]
    probabilities: NDArray[np.float32]
    clip_of: NDArray[np.intp]
    first_frames: NDArray[np.intp]
    spans: Sequence[tuple[float, float]] = ()

    def per_clip(self) -> NDArray[np.float32]:
        """Mean of each clip's windows, (N, C)."""
        return mean_of_each(self.probabilities, self.clip_of, len(self.targets)).astype(np.float32)


def tempered(predictions: SplitPredictions, temperature: float) -> SplitPredictions:
    """The same predictions as the edge gives them, every window's probabilities tempered."""
    rows = apply_temperature(predictions.probabilities, temperature)
    return replace(predictions, probabilities=rows.astype(np.float32))
