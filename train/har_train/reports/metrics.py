"""How good a model is: accuracy per window and per clip, tables of a held-out part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.model.loaded import apply_temperature
from har_edge.statistics import mean_of_each, share_interval

CALIBRATION_BINS = 15
TEMPERATURES = (0.05, 20.0)
SMALLEST = 1e-30  # a probability of 0 has no logarithm
# Share of right answers that the reject threshold lets through.
RIGHT_KEPT = 0.95


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


def tempered(predictions: SplitPredictions, temperature: float) -> SplitPredictions:
    """The same predictions as the edge gives them, every window's probabilities tempered."""
    rows = apply_temperature(predictions.probabilities, temperature)
    return replace(predictions, probabilities=rows.astype(np.float32))


@dataclass(frozen=True)
class Reliability:
    """Answers by confidence, in equal-width bins that are closed on their right.

    Attributes:
        counts: Answers in each bin, (B,).
        confidence: Sum of their confidence, (B,).
        right: Number of right ones, (B,).

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 2.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy, 0..1."""
        # |sum of right - sum of confidence| of a bin is its gap times its count.
        return float(np.abs(self.right - self.confidence).sum() / self.counts.sum())


def reliability(
    probabilities: NDArray[np.float32], targets: NDArray[np.intp], bins: int = CALIBRATION_BINS
) -> Reliability:
    """Sort answers into bins by confidence.

    Args:
        probabilities: (N, C).
        targets: (N,).
        bins: Number of bins, B.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    number = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    return Reliability(
        counts=np.bincount(number, minlength=bins),
        confidence=np.asarray(np.bincount(number, confidence, minlength=bins), np.float64),
        right=np.asarray(np.bincount(number, right, minlength=bins), np.float64),
    )


def calibration_error(
    probabilities: NDArray[np.float32], targets: NDArray[np.intp], bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error, 0..1, see `Reliability`.

    Args:
        probabilities, targets, bins: As in `reliability`.
    """
    return reliability(probabilities, targets, bins).calibration_error


def risk_coverage(
    probabilities: NDArray[np.float32], targets: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of wrong answers among the most confident ones.

    Of equally confident answers the wrong ones count first, whatever the order of the files.

    Args:
        probabilities: (N, C).
        targets: (N,).

    Returns:
        Coverage, (N,), rising to 1, and the risk at each, (N,). The mean of the risks is
        the area under the curve.

    Source: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks
    (NeurIPS 2017), section 2.
    """
    right = probabilities.argmax(axis=1) == targets
    order = np.lexsort((right, -probabilities.max(axis=1)))
    wrong = ~right[order]
    answered = np.arange(1, len(targets) + 1)
    return answered / len(targets), np.cumsum(wrong) / answered


def fit_temperature(predictions: SplitPredictions) -> float:
    """Temperature with the smallest negative log-likelihood, 0.05..20.

    Each clip weighs the same however many windows it has, as in training. The temperature
    acts on windows, which is where the edge applies it. Where every window is right the
    likelihood grows without end as the temperature falls: nothing can be learnt, 1 is kept.

    Args:
        predictions: Of the validation part, untempered.

    Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 4.2.
    """
    targets = predictions.targets[predictions.clip_of]
    if (predictions.probabilities.argmax(axis=1) == targets).all():
        return 1.0
    weights = 1 / np.bincount(predictions.clip_of)[predictions.clip_of]
    return best_temperature(predictions.probabilities, targets, weights)[0]


def best_temperature(
    probabilities: NDArray[np.float32], targets: NDArray[np.intp], weights: NDArray[np.floating]
) -> tuple[float, float]:
    """Find the temperature with the smallest negative log-likelihood, 0.05..20.

    Args:
        probabilities: Untempered, (M, C).
        targets: True classes, (M,).
        weights: Of the rows, (M,).

    Returns:
        The temperature, and the mean negative log-likelihood that it leaves.
    """
    from scipy.optimize import minimize_scalar

    rows = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))

    def loss(log_temperature: float) -> float:
        logits = rows / np.exp(log_temperature)
        top = logits.max(axis=1)
        norm = top + np.log(np.exp(logits - top[:, np.newaxis]).sum(axis=1))
        losses = norm - logits[np.arange(len(targets)), targets]
        return float(np.average(losses, weights=weights))

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def choose_reject_threshold(predictions: SplitPredictions) -> float:
    """Highest confidence that `RIGHT_KEPT` of the right answers still reach: below it, "unknown".

    The cost is set and the gain is measured (`rejection`), not the other way round: a largest
    risk, as in the source, cannot be met by every model, and the best balance of both, Youden's J,
    gave up 30 % of the right answers of the bundled `har15`. 0 (reject none) where there are no
    wrong answers to learn from.

    Args:
        predictions: Of the validation part, tempered; judged per window, as the edge does.

    Source: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks (NeurIPS
    2017), section 2, with the coverage of right answers fixed in place of the risk: a true
    positive rate of 95 %, where Liang et al., ODIN (ICLR 2018), compare how well inputs of no
    known class are found.
    """
    right, confidence, weights = _answers(predictions)
    if right.all() or not right.any():
        return 0.0
    order = np.argsort(confidence[right])
    candidates, shares = confidence[right][order], weights[right][order]
    # Share of right answers below each candidate; equal ones reach it together.
    below = np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum()
    lost = below[np.searchsorted(candidates, candidates)]
    return float(candidates[lost <= 1 - RIGHT_KEPT][-1])


def rejection(predictions: SplitPredictions, threshold: float) -> dict[str, float]:
    """What a reject threshold does: `right_kept`, and `wrong_rejected` (0 where none is wrong).

    Args:
        predictions: Of one part, tempered.
        threshold: Confidence below which an answer counts as unknown.

    Returns:
        Shares of the right and of the wrong answers, per window, each clip weighing the same.
    """
    right, confidence, weights = _answers(predictions)
    kept = confidence >= threshold

    def share(which: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
        return float(weights[which & of].sum() / max(weights[of].sum(), SMALLEST))

    return {"right_kept": share(kept, right), "wrong_rejected": share(~kept, ~right)}


def _answers(
    predictions: SplitPredictions,
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float64]]:
    """Of each window: whether it is right, its confidence, its weight; (M,) each."""
    rows = predictions.probabilities
    right = rows.argmax(axis=1) == predictions.targets[predictions.clip_of]
    weights = 1 / np.bincount(predictions.clip_of)[predictions.clip_of]
    return right, rows.max(axis=1), weights


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
           if k < clips.shape[1]},
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
