"""Pose and motion of whole sequences at once, many times faster than frame by frame.

The numbers are those of `har_edge.people.pose`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.frames.frame import KEYPOINTS
from har_edge.people.pose import (
    FARTHEST,
    LEAST_TRUNK,
    MAX_SPEED,
    MIN_LENGTH,
    MOTION_SIZE,
    POSE_SIZE,
    SEEN_SCORE,
)

ROW_SIZE = POSE_SIZE + MOTION_SIZE
_HIPS = (KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip"))
_SHOULDERS = (KEYPOINTS.index("left_shoulder"), KEYPOINTS.index("right_shoulder"))


def sequence_rows(
    keypoints: FloatArray, boxes: NDArray[np.float64], gap_s: float, aspect: float
) -> FloatArray:
    """Make the rows of a sequence, as `pose_features` and `box_motion` make each.

    Args:
        keypoints: (T, 17, 3), float32: x and y in fractions of the picture, and the score.
        boxes: (T, 4), in fractions of the picture; zeros where the person is not in view.
        gap_s: Time from frame to frame.
        aspect: Width of the picture over its height.

    Returns:
        (T, ROW_SIZE), float32: pose, then motion; zeros where the person is not in view.
    """
    rows = np.zeros((len(keypoints), ROW_SIZE), np.float32)
    in_view = np.asarray(boxes.any(axis=1))
    if not in_view.any():
        return rows
    sides = np.maximum(
        np.stack([(boxes[:, 2] - boxes[:, 0]) * aspect, boxes[:, 3] - boxes[:, 1]], axis=1),
        MIN_LENGTH,
    )
    rows[:, :POSE_SIZE] = _poses(keypoints, boxes, sides.max(axis=1), aspect)
    rows[:, POSE_SIZE:] = _motions(boxes, sides, in_view, gap_s, aspect)
    rows[~in_view] = 0
    return rows


def _poses(
    keypoints: FloatArray, boxes: NDArray[np.float64], lengths: NDArray[np.float64], aspect: float
) -> FloatArray:
    """Where the joints are, (T, POSE_SIZE)."""
    seen = keypoints[..., 2] >= SEEN_SCORE
    places = keypoints[..., :2] * np.array([aspect, 1.0], np.float32)
    hips, with_hips = _middles(places, seen, _HIPS)
    shoulders, with_shoulders = _middles(places, seen, _SHOULDERS)
    trunks = np.where(with_hips & with_shoulders, np.hypot(*(shoulders - hips).T), 0)
    scales = np.maximum(trunks.astype(np.float64), LEAST_TRUNK * lengths)[:, np.newaxis, np.newaxis]
    # In single precision from the hips, in double from the box, as frame by frame.
    away = ((places - hips[:, np.newaxis]) / scales.astype(np.float32)).astype(np.float64)
    if not with_hips.all():
        middles = np.stack(
            [(boxes[:, 0] + boxes[:, 2]) / 2 * aspect, (boxes[:, 1] + boxes[:, 3]) / 2], axis=1
        )
        from_box = (places - middles[:, np.newaxis]) / scales
        away = np.where(with_hips[:, np.newaxis, np.newaxis], away, from_box)
    known = seen[..., np.newaxis]
    found = np.concatenate([np.where(known, np.clip(away, -FARTHEST, FARTHEST), 0), known], axis=2)
    return found.astype(np.float32).reshape(len(keypoints), POSE_SIZE)


def _middles(
    places: FloatArray, seen: NDArray[np.bool_], which: tuple[int, int]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Middles of those of two joints that are seen, (T, 2), and in which frames any is, (T,)."""
    shares = seen[:, which].astype(np.float32)[..., np.newaxis]
    count = shares.sum(axis=1)
    middles = (places[:, which] * shares).sum(axis=1) / np.maximum(count, 1)
    return middles, count[:, 0] > 0


def _motions(
    boxes: NDArray[np.float64],
    sides: NDArray[np.float64],
    in_view: NDArray[np.bool_],
    gap_s: float,
    aspect: float,
) -> FloatArray:
    """How boxes move, (T, MOTION_SIZE)."""
    found = np.zeros((len(boxes), MOTION_SIZE), np.float32)
    found[:, 0] = np.log(sides[:, 0] / sides[:, 1])
    if len(boxes) < 2 or gap_s <= 0:
        return found
    now, before = boxes[1:], boxes[:-1]
    changes = np.log(sides[1:] / sides[:-1])
    lengths = np.maximum(sides[1:].max(axis=1), sides[:-1].max(axis=1))
    speeds = np.stack(
        [
            (now[:, 0] + now[:, 2] - before[:, 0] - before[:, 2]) / 2 * aspect / lengths,
            (now[:, 1] - before[:, 1]) / lengths,
            (now[:, 3] - before[:, 3]) / lengths,
            changes[:, 0],
            changes[:, 1],
        ],
        axis=1,
    )
    known = in_view[1:] & in_view[:-1]
    found[1:, 1:] = np.clip(speeds / gap_s, -MAX_SPEED, MAX_SPEED) * known[:, np.newaxis]
    return found
