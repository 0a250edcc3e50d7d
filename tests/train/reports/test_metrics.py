"""Figures of a part against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from har_train.reports.metrics import measure, top_k_accuracy
from tests.support.predictions import plain_per_clip, random_predictions

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_accuracy(seed: int, k: int) -> None:
    predictions = random_predictions(seed)
    rows, targets = predictions.per_clip(), predictions.targets
    hits = 0
    for row, target in zip(rows, targets, strict=True):
        better = sum(1 for value in row if value > row[target])
        hits += better < k
    assert top_k_accuracy(rows, targets, k) == pytest.approx(hits / len(rows))


@pytest.mark.parametrize("seed", range(4))
def test_per_clip(seed: int) -> None:
    predictions = random_predictions(seed)
    assert np.abs(predictions.per_clip() - np.array(plain_per_clip(predictions))).max() < 1e-6


def test_measure() -> None:
    predictions = random_predictions(8, classes=10)
    means = plain_per_clip(predictions)
    targets = predictions.targets.tolist()
    window_hits = [
        int(row.argmax()) == targets[clip]
        for row, clip in zip(predictions.probabilities, predictions.clip_of, strict=True)
    ]
    figures = measure(predictions)
    clip_hits = [row.index(max(row)) == t for row, t in zip(means, targets, strict=True)]
    assert figures["accuracy"] == pytest.approx(sum(clip_hits) / 30)
    assert figures["window_accuracy"] == pytest.approx(sum(window_hits) / len(window_hits))
    assert (figures["clips"], figures["windows"]) == (30, len(window_hits))
    assert figures["accuracy"] <= figures["top_2_accuracy"] <= figures["top_5_accuracy"]


def test_top_k_of_no_more_classes_is_left_out() -> None:
    names = [k for k in measure(random_predictions(0, classes=2)) if k.startswith("top_")]
    assert names == []
    names = [k for k in measure(random_predictions(0, classes=4)) if k.startswith("top_")]
    assert names == ["top_2_accuracy"]
