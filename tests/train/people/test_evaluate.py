"""Counting what is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import FloatArray
from har_edge.datasets import Sample
from har_train.people.evaluate import best_threshold, format_results, judge
from har_train.people.labels import Labelled
from har_train.people.teachers import ROW


def people(*rows: tuple[float, ...]) -> FloatArray:
    """Score and box of each; all keypoints in the box's left upper corner."""
    found = np.zeros((len(rows), ROW), np.float32)
    for person, row in zip(found, rows, strict=True):
        person[:5] = row
        person[5:] = np.tile([row[1], row[2], 0.9], 17)
    return found


WANTED = people((0.9, 0, 0, 0.5, 1), (0.8, 0.6, 0.6, 0.7, 0.7), (0.35, 0.8, 0, 1, 0.5))
FOUND = people(
    (0.9, 0.05, 0, 0.5, 1),  # the large one
    (0.7, 0.8, 0, 1, 0.5),  # one that the teacher is not sure of: neither hit nor wrong
    (0.6, 0, 0.9, 0.1, 1),  # nobody
    (0.2, 0.6, 0.6, 0.7, 0.7),  # the small one, but below the threshold
)


@pytest.fixture
def labelled(tmp_path: Path) -> list[Labelled]:
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 48)).save(path)
    return [Labelled(Sample(path, "x", "g", "test"), (WANTED,))]


def test_recall_precision_and_distance_by_size(labelled: list[Labelled]) -> None:
    counts = judge(labelled, {"student": (lambda picture: FOUND, 0.5)})["student"]
    assert (counts["large"].wanted, counts["large"].hit) == (1, 1)
    assert (counts["small"].wanted, counts["small"].hit) == (1, 0)
    assert (counts["all"].recall, counts["all"].found) == (0.5, 3)
    assert counts["all"].precision == pytest.approx(2 / 3)
    assert counts["large"].as_dict()["keypoint_distance"] == pytest.approx(0.05, abs=1e-4)
    assert "student" in format_results({"student": counts})


def test_the_threshold_balances_both() -> None:
    assert best_threshold([(WANTED, FOUND)], (0.1, 0.65, 0.8)) == 0.1
    assert best_threshold([(WANTED[:1], FOUND)], (0.1, 0.65, 0.8)) == 0.8
