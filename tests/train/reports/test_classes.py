"""Figures of classes against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from har_train.reports.classes import classification_report, confident_errors, confusion, per_class
from tests.support.predictions import plain_per_clip, random_predictions

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


def test_confusion() -> None:
    predictions = random_predictions(2)
    expected = np.zeros((7, 7), int)
    for row, target in zip(plain_per_clip(predictions), predictions.targets, strict=True):
        expected[target, row.index(max(row))] += 1
    assert confusion(predictions).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_per_class_against_counts(seed: int) -> None:
    predictions = random_predictions(seed, clips=12)  # some classes are missing
    matrix = confusion(predictions)
    for i, (precision, recall, f1, support) in enumerate(per_class(predictions)):
        right, said, true = matrix[i, i], matrix[:, i].sum(), matrix[i].sum()
        assert support == true
        assert precision == pytest.approx(right / said if said else 0)
        assert recall == pytest.approx(right / true if true else 0)
        assert f1 == pytest.approx(2 * right / (said + true) if said + true else 0)


def test_confident_errors_are_the_worst_first() -> None:
    predictions = random_predictions(4)
    found = confident_errors(predictions, 5)
    means = plain_per_clip(predictions)
    wrong = [
        (max(row), i)
        for i, (row, t) in enumerate(zip(means, predictions.targets, strict=True))
        if row.index(max(row)) != t
    ]
    expected = sorted(wrong, reverse=True)[:5]
    assert [e.clip for e in found] == [i for _, i in expected]
    assert [e.confidence for e in found] == pytest.approx([c for c, _ in expected])
    numbered = replace(predictions, first_frames=np.arange(len(predictions.probabilities)))
    for error in confident_errors(numbered, 5):
        own = numbered.probabilities[numbered.clip_of == error.clip, error.chosen]
        assert numbered.probabilities[error.first_frame, error.chosen] == own.max()
        assert numbered.clip_of[error.first_frame] == error.clip


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
