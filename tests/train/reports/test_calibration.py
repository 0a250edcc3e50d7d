"""Calibration against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_train.reports.calibration import (
    calibration_error,
    choose_reject_threshold,
    fit_temperature,
    rejection,
    reliability,
    risk_coverage,
)
from har_train.reports.metrics import measure
from har_train.reports.predictions import SplitPredictions, tempered
from tests.support.predictions import random_predictions

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


def test_reliability_against_loops() -> None:
    predictions = random_predictions(1, clips=100)
    rows, targets = predictions.per_clip(), predictions.targets
    found = reliability(rows, targets, 10)
    for i in range(10):
        own = [
            (r, t) for r, t in zip(rows, targets, strict=True) if i / 10 < r.max() <= (i + 1) / 10
        ]
        assert found.counts[i] == len(own)
        assert found.confidence[i] == pytest.approx(sum(float(r.max()) for r, _ in own))
        assert found.right[i] == sum(int(r.argmax()) == t for r, t in own)


def test_ties_in_confidence_count_the_same_in_any_order() -> None:
    rows = np.array([[0.8, 0.2]] * 3 + [[0.6, 0.4]], np.float32)
    areas = {
        tuple(risk_coverage(rows, np.array(targets))[1])
        for targets in ([0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0])
    }
    assert areas == {(1, 1 / 2, 1 / 3, 1 / 4)}


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_and_risk_against_loops(seed: int) -> None:
    predictions = random_predictions(seed, clips=200)
    rows, targets = predictions.per_clip(), predictions.targets
    pairs = [(float(max(r)), int(r.argmax()) == t) for r, t in zip(rows, targets, strict=True)]
    expected = 0.0
    for i in range(15):
        own = [pair for pair in pairs if i / 15 < pair[0] <= (i + 1) / 15]
        if own:
            gap = sum(hit for _, hit in own) / len(own) - sum(c for c, _ in own) / len(own)
            expected += abs(gap) * len(own) / len(pairs)
    assert calibration_error(rows, targets) == pytest.approx(expected)
    coverage, risk = risk_coverage(rows, targets)
    wrong = 0
    for i, (_, hit) in enumerate(sorted(pairs, key=lambda p: -p[0])):
        wrong += not hit
        assert (coverage[i], risk[i]) == pytest.approx(((i + 1) / 200, wrong / (i + 1)))


def drawn_predictions(temperature: float, clips: int = 4000) -> SplitPredictions:
    """Predictions whose true temperature is known: classes are drawn from the tempered rows."""
    random = np.random.default_rng(3)
    rows = random.dirichlet(np.ones(5), clips).astype(np.float32)
    order = np.arange(clips)
    raw = SplitPredictions([Path("x")] * clips, order, rows, order, np.zeros(clips, np.intp))
    true = np.cumsum(tempered(raw, temperature).probabilities, axis=1)
    targets = np.minimum((true < random.random((clips, 1))).sum(axis=1), 4)
    return SplitPredictions(raw.paths, targets, rows, order, raw.first_frames)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_temperature_is_found_again(temperature: float) -> None:
    raw = drawn_predictions(temperature)
    found = fit_temperature(raw)
    assert found == pytest.approx(temperature, rel=0.1)
    losses = []
    for candidate in np.linspace(0.3, 4, 75):
        rows = tempered(raw, float(candidate)).probabilities
        losses.append(-np.log(rows[np.arange(len(rows)), raw.targets]).mean())
    assert found == pytest.approx(np.linspace(0.3, 4, 75)[np.argmin(losses)], abs=0.06)
    assert calibration_error(tempered(raw, found).probabilities, raw.targets) < 0.03


def test_reject_threshold_is_the_highest_that_keeps_the_right_answers() -> None:
    raw = drawn_predictions(1.0, clips=300)
    confidence = raw.probabilities.max(axis=1)
    right = raw.probabilities.argmax(axis=1) == raw.targets
    found = choose_reject_threshold(raw)
    assert (confidence[right] >= found).mean() >= 0.95
    higher = confidence[right][confidence[right] > found].min()
    assert (confidence[right] >= higher).mean() < 0.95
    share = rejection(raw, found)
    assert share["right_kept"] == pytest.approx((confidence[right] >= found).mean())
    assert share["wrong_rejected"] == pytest.approx((confidence[~right] < found).mean())
    assert share["wrong_rejected"] > 0.1


def test_reject_threshold_weighs_clips_and_keeps_equals_together() -> None:
    # A clip of 18 windows, all sure and right, and one of 2, less sure, of which one is wrong.
    sure = [[0.9, 0.1]] * 18 + [[0.6, 0.4], [0.3, 0.7]]
    clip_of = np.array([0] * 18 + [1, 1])
    rows, targets = np.array(sure, np.float32), np.zeros(2, np.intp)
    raw = SplitPredictions([Path("x")] * 2, targets, rows, clip_of, np.zeros(20, np.intp))
    # Without it, 18 of 19 right windows are left, but only 1 of 1.5 clips.
    assert choose_reject_threshold(raw) == pytest.approx(0.6)
    assert rejection(raw, 0.8) == pytest.approx({"right_kept": 1 / 1.5, "wrong_rejected": 1})
    assert rejection(raw, 0.65) == pytest.approx({"right_kept": 1 / 1.5, "wrong_rejected": 0})


def test_without_wrong_answers_nothing_is_rejected() -> None:
    order = np.arange(40)
    rows = np.linspace([0.6, 0.4], [0.99, 0.01], 40).astype(np.float32)
    raw = SplitPredictions([Path("x")] * 40, order * 0, rows, order, order * 0)
    assert choose_reject_threshold(raw) == 0
    assert rejection(raw, 0.0) == {"right_kept": 1, "wrong_rejected": 0}


def test_perfect_and_constant_predictors() -> None:
    order = np.arange(6)
    perfect = np.full((6, 3), 0.1, np.float32)
    targets = order % 3
    perfect[order, targets] = 0.8
    for rows, accuracy in [(perfect, 1), (np.full((6, 3), 1 / 3, np.float32), 1 / 3)]:
        predictions = SplitPredictions([Path("x")] * 6, targets, rows, order, order * 0)
        figures = measure(predictions)
        assert figures["accuracy"] == pytest.approx(accuracy)
        assert np.isfinite(list(figures.values())).all()
        assert np.isfinite(fit_temperature(predictions))
        assert 0 <= choose_reject_threshold(predictions) <= 1
