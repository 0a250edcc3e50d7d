"""Whether a model is as sure as it is right: temperature, reject threshold, reliability, risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_train.reports.predictions import SplitPredictions

CALIBRATION_BINS = 15


TEMPERATURES = (0.05, 20.0)


SMALLEST = 1e-30  # a probability of 0 has no logarithm


# Share of right answers that the reject threshold lets through.
RIGHT_KEPT = 0.95


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
