"""How good a model is: accuracy per window and per clip, tables of a held-out part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_edge.statistics import share_interval
from har_train.reports.calibration import calibration_error, rejection, risk_coverage
from har_train.reports.predictions import SplitPredictions, tempered


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


def measure(predictions: SplitPredictions, groups: Sequence[str] | None = None) -> dict[str, float]:
    """Figures of one part, per clip unless named otherwise, with accuracy's 95 % interval.

    The right answer is among the first k of no more than k classes by itself: such a figure is
    left out.
    """
    from sklearn.metrics import precision_recall_fscore_support

    clips, targets = predictions.per_clip(), predictions.targets
    chosen, of_windows = clips.argmax(axis=1), targets[predictions.clip_of]
    # A class that the part lacks has no recall: it stays out of the means.
    macro = precision_recall_fscore_support(
        targets, chosen, labels=np.unique(targets), average="macro", zero_division=0
    )
    low, high = share_interval(chosen == targets, groups)
    return {
        "accuracy": top_k_accuracy(clips, targets),
        **{f"top_{k}_accuracy": top_k_accuracy(clips, targets, k) for k in (2, 5)
           if 2 * k <= clips.shape[1]},
        "window_accuracy": top_k_accuracy(predictions.probabilities, of_windows),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_precision": float(macro[0]),
        "macro_recall": float(macro[1]),
        "macro_f1": float(macro[2]),
        "calibration_error": calibration_error(clips, targets),
        "window_calibration_error": calibration_error(predictions.probabilities, of_windows),
        "risk_coverage_area": float(risk_coverage(clips, targets)[1].mean()),
        "clips": len(targets),
        "windows": len(predictions.probabilities),
    }  # fmt: skip


def measure_tempered(
    raw: SplitPredictions,
    temperature: float,
    reject_threshold: float,
    groups: Sequence[str] | None = None,
) -> tuple[SplitPredictions, dict[str, float]]:
    """Temper a part's predictions and measure them as the edge gives them.

    Beside the figures of `measure` and `rejection` stands the calibration before tempering.
    """
    final = tempered(raw, temperature)
    before = measure(raw)["window_calibration_error"]
    return final, {
        **measure(final, groups),
        "window_calibration_error_untempered": before,
        **rejection(final, reject_threshold),
    }
