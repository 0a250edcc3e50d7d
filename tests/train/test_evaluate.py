"""Figures against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_train.evaluate import (
    SplitPredictions,
    classification_report,
    confusion,
    measure,
    top_k_accuracy,
)

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


def random_predictions(seed: int, clips: int = 30, classes: int = 7) -> SplitPredictions:
    random = np.random.default_rng(seed)
    windows = random.integers(1, 6, clips)
    clip_of = np.repeat(np.arange(clips), windows)
    return SplitPredictions(
        paths=[Path(f"{i}.mp4") for i in range(clips)],
        targets=random.integers(0, classes, clips),
        probabilities=random.dirichlet(np.ones(classes), len(clip_of)).astype(np.float32),
        clip_of=clip_of,
        first_frames=np.zeros(len(clip_of), np.intp),
    )


def plain_per_clip(predictions: SplitPredictions) -> list[list[float]]:
    means = []
    for clip in range(len(predictions.targets)):
        rows = [
            [float(p) for p in row]
            for row, of in zip(predictions.probabilities, predictions.clip_of, strict=True)
            if of == clip
        ]
        means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    return means


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
    predictions = random_predictions(8)
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


def test_confusion() -> None:
    predictions = random_predictions(2)
    expected = np.zeros((7, 7), int)
    for row, target in zip(plain_per_clip(predictions), predictions.targets, strict=True):
        expected[target, row.index(max(row))] += 1
    assert confusion(predictions).tolist() == expected.tolist()


def test_report_names_every_class_even_absent_ones() -> None:
    predictions = random_predictions(2, clips=3)
    labels = ["a", "b b", "c,d", "🏃", "e", "f", "g"]
    lines = classification_report(predictions, labels).splitlines()
    matrix = confusion(predictions)
    for i, label in enumerate(labels):
        row = next(line for line in lines if line.strip().startswith(f"{label} "))
        precision, recall, _, support = row.split()[-4:]
        assert float(support) == matrix[i].sum()
        assert float(recall) == pytest.approx(matrix[i, i] / max(1, matrix[i].sum()), abs=5e-4)
        column = matrix[:, i].sum()
        assert float(precision) == pytest.approx(matrix[i, i] / max(1, column), abs=5e-4)
