"""Rows of whole sequences: the same numbers as frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.people.pose import POSE_SIZE, box_motion, pose_features
from har_train.skeletons.numbers import ROW_SIZE, sequence_rows


def frame_by_frame(
    keypoints: FloatArray, boxes: NDArray[np.float64], gap_s: float, aspect: float
) -> FloatArray:
    rows, before = np.zeros((len(boxes), ROW_SIZE), np.float32), None
    for row, joints, numbers in zip(rows, keypoints, boxes, strict=True):
        left, top, right, bottom = map(float, numbers)
        box = (left, top, right, bottom) if numbers.any() else None
        if box is not None:
            row[:POSE_SIZE] = pose_features(joints, box, aspect)
            row[POSE_SIZE:] = box_motion(box, before, gap_s, aspect)
        before = box
    return rows


@pytest.mark.parametrize("gap_s", [0.125, 0.1, 0.0])
def test_a_sequence_has_the_rows_of_its_frames(gap_s: float) -> None:
    random = np.random.default_rng(0)
    count = 400
    keypoints = random.uniform(0, 1, (count, 17, 3)).astype(np.float32)
    keypoints[random.random((count, 17)) < 0.2] = 0
    keypoints[7, [5, 6, 11, 12], 2] = 0  # neither hips nor shoulders
    low = random.uniform(0, 0.6, (count, 2))
    boxes = np.hstack([low, low + random.uniform(0, 0.4, (count, 2))])
    boxes[random.random(count) < 0.1] = 0  # out of view
    boxes[11, 2:] = boxes[11, :2]  # no box is so small
    found = sequence_rows(keypoints, boxes, gap_s, 16 / 9)
    expected = frame_by_frame(keypoints, boxes, gap_s, 16 / 9)
    assert (found == 0).all(axis=1).sum() == (boxes == 0).all(axis=1).sum() > 0
    # Logarithms of NumPy and of the C library may differ in the last bit.
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-7)


def test_nobody_gives_zeros() -> None:
    found = sequence_rows(np.ones((3, 17, 3), np.float32), np.zeros((3, 4)), 0.1, 1.0)
    assert found.shape == (3, ROW_SIZE)
    assert not found.any()
