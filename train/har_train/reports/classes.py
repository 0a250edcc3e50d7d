"""Which classes are taken for which: confusion, figures of each class, confident errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_train.reports.predictions import SplitPredictions


@dataclass(frozen=True)
class WrongAnswer:
    """A clip that was taken for another class.

    Attributes:
        clip: Number of the clip.
        chosen: Class it was taken for.
        confidence: Probability of that class, mean over the clip's windows.
        first_frame: Start of the window that speaks most for that class, see
            `SplitPredictions.first_frames`.
    """

    clip: int
    chosen: int
    confidence: float
    first_frame: int


def confident_errors(predictions: SplitPredictions, count: int) -> list[WrongAnswer]:
    """List the wrong answers with the highest confidence, the highest first, at most `count`."""
    clips = predictions.per_clip()
    chosen, confidence = clips.argmax(axis=1), clips.max(axis=1)
    wrong = np.flatnonzero(chosen != predictions.targets)
    found = []
    for clip in wrong[np.argsort(-confidence[wrong], kind="stable")][:count]:
        own = np.flatnonzero(predictions.clip_of == clip)
        best = own[predictions.probabilities[own, chosen[clip]].argmax()]
        first = int(predictions.first_frames[best])
        found.append(WrongAnswer(int(clip), int(chosen[clip]), float(confidence[clip]), first))
    return found


def confusion(predictions: SplitPredictions) -> NDArray[np.int64]:
    """Clips by true class (rows) and predicted class (columns), (C, C)."""
    from sklearn.metrics import confusion_matrix

    num_classes = predictions.probabilities.shape[1]
    chosen = predictions.per_clip().argmax(axis=1)
    return np.asarray(
        confusion_matrix(predictions.targets, chosen, labels=range(num_classes)), dtype=np.int64
    )


def per_class(predictions: SplitPredictions) -> NDArray[np.float64]:
    """Precision, recall, F1 and support of each class, per clip, (C, 4); 0 where undefined."""
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        predictions.targets,
        predictions.per_clip().argmax(axis=1),
        labels=range(predictions.probabilities.shape[1]),
        zero_division=0,
    )
    return np.stack(figures, axis=1).astype(np.float64)


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
