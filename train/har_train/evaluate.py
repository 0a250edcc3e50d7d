"""How good a model is: accuracy per window and per clip, tables of a held-out part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
        sums = np.zeros((len(self.targets), self.probabilities.shape[1]), dtype=np.float64)
        np.add.at(sums, self.clip_of, self.probabilities)
        counts = np.bincount(self.clip_of, minlength=len(self.targets))
        return (sums / counts[:, np.newaxis]).astype(np.float32)


def top_k_accuracy(
    probabilities: NDArray[np.float32], targets: NDArray[np.intp], k: int = 1
) -> float:
    """Share of rows whose true class is among the k most probable.

    Args:
        probabilities: (N, C).
        targets: (N,).
        k: At least 1.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == targets[:, np.newaxis]).any(axis=1).mean())


def measure(predictions: SplitPredictions) -> dict[str, float]:
    """Accuracies of one part: per clip (top 1, 2, 5) and per window."""
    clips, targets = predictions.per_clip(), predictions.targets
    return {
        "accuracy": top_k_accuracy(clips, targets),
        "top_2_accuracy": top_k_accuracy(clips, targets, 2),
        "top_5_accuracy": top_k_accuracy(clips, targets, 5),
        "window_accuracy": top_k_accuracy(predictions.probabilities, targets[predictions.clip_of]),
        "clips": len(targets),
        "windows": len(predictions.probabilities),
    }


def confusion(predictions: SplitPredictions) -> NDArray[np.int64]:
    """Clips by true class (rows) and predicted class (columns), (C, C)."""
    from sklearn.metrics import confusion_matrix

    num_classes = predictions.probabilities.shape[1]
    chosen = predictions.per_clip().argmax(axis=1)
    return np.asarray(
        confusion_matrix(predictions.targets, chosen, labels=range(num_classes)), dtype=np.int64
    )


def classification_report(predictions: SplitPredictions, labels: Sequence[str]) -> str:
    """Precision, recall and F1 of each class, per clip, as text."""
    from sklearn.metrics import classification_report as report

    return str(
        report(
            predictions.targets,
            predictions.per_clip().argmax(axis=1),
            labels=range(len(labels)),
            target_names=labels,
            digits=3,
            zero_division=0,
        )
    )
