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
    JOINTS,
    LEAST_TRUNK,
    MAX_SPEED,
    MIN_LENGTH,
    MOTION_SIZE,
    POSE_SIZE,
    SEEN_SCORE,
)

Doubles = NDArray[np.float64]

ROW_SIZE = POSE_SIZE + MOTION_SIZE
_HIPS = (KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip"))
_SHOULDERS = (KEYPOINTS.index("left_shoulder"), KEYPOINTS.index("right_shoulder"))


def sequence_rows(keypoints: FloatArray, boxes: Doubles, gap_s: float, aspect: float) -> FloatArray:
    """Make the rows of a sequence, as `pose_features` and `box_motion` make each.

    Args:
        keypoints: (T, 17, 3), float32: x and y in fractions of the picture, and the score.
        boxes: (T, 4), in fractions of the picture; zeros where the person is not in view.
        gap_s: Time from frame to frame.
        aspect: Width of the picture over its height.

    Returns:
        (T, ROW_SIZE), float32: pose, then motion; zeros where the person is not in view.
    """
    rows = rows_of_all(keypoints[np.newaxis], boxes[np.newaxis], gap_s, np.array([aspect]))
    found: FloatArray = rows[0]
    return found


def rows_of_all(
    keypoints: FloatArray, boxes: Doubles, gap_s: float, aspects: Doubles
) -> FloatArray:
    """Make the rows of sequences of one length, see `sequence_rows`.

    Args:
        keypoints: (N, T, 17, 3).
        boxes: (N, T, 4).
        gap_s: Time from frame to frame.
        aspects: (N,).

    Returns:
        (N, T, ROW_SIZE).
    """
    rows = np.zeros((*keypoints.shape[:2], ROW_SIZE), np.float32)
    in_view = np.asarray(boxes.any(axis=-1))
    wide = (boxes[..., 2] - boxes[..., 0]) * aspects[:, np.newaxis]
    sides = np.maximum(np.stack([wide, boxes[..., 3] - boxes[..., 1]], axis=-1), MIN_LENGTH)
    rows[..., :POSE_SIZE] = _poses(keypoints, boxes, sides.max(axis=-1), aspects)
    rows[..., POSE_SIZE:] = _motions(boxes, sides, in_view, gap_s, aspects[:, np.newaxis])
    rows[~in_view] = 0
    return rows


def _poses(keypoints: FloatArray, boxes: Doubles, lengths: Doubles, aspects: Doubles) -> FloatArray:
    """Where the joints are, (N, T, POSE_SIZE)."""
    seen = keypoints[..., 2] >= SEEN_SCORE
    unit = np.stack([aspects, np.ones_like(aspects)], axis=-1).astype(np.float32)
    places = keypoints[..., :2] * unit[:, np.newaxis, np.newaxis]
    hips, with_hips = _middles(places, seen, _HIPS)
    shoulders, with_shoulders = _middles(places, seen, _SHOULDERS)
    trunks = np.hypot(*np.moveaxis(shoulders - hips, -1, 0)) * (with_hips & with_shoulders)
    scales = np.maximum(trunks.astype(np.float64), LEAST_TRUNK * lengths)[
        ..., np.newaxis, np.newaxis
    ]
    # In single precision from the hips, in double from the box, as frame by frame.
    away = ((places - hips[..., np.newaxis, :]) / scales.astype(np.float32)).astype(np.float64)
    if not with_hips.all():
        across = (boxes[..., 0] + boxes[..., 2]) / 2 * aspects[:, np.newaxis]
        middles = np.stack([across, (boxes[..., 1] + boxes[..., 3]) / 2], axis=-1)
        from_box = (places - middles[..., np.newaxis, :]) / scales
        away = np.where(with_hips[..., np.newaxis, np.newaxis], away, from_box)
    known = seen[..., np.newaxis]
    found = np.concatenate([np.where(known, np.clip(away, -FARTHEST, FARTHEST), 0), known], axis=-1)
    joints = found[..., list(JOINTS), :].astype(np.float32)
    return joints.reshape(*keypoints.shape[:2], POSE_SIZE)


def _middles(
    places: FloatArray, seen: NDArray[np.bool_], which: tuple[int, int]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Middles of those of two joints that are seen, (N, T, 2), and in which frames any is."""
    shares = seen[..., which].astype(np.float32)[..., np.newaxis]
    count = shares.sum(axis=-2)
    middles = (places[..., which, :] * shares).sum(axis=-2) / np.maximum(count, 1)
    return middles, count[..., 0] > 0


def _motions(
    boxes: Doubles, sides: Doubles, in_view: NDArray[np.bool_], gap_s: float, aspects: Doubles
) -> FloatArray:
    """How boxes move, (N, T, MOTION_SIZE)."""
    found = np.zeros((*boxes.shape[:2], MOTION_SIZE), np.float32)
    found[..., 0] = np.log(sides[..., 0] / sides[..., 1])
    if gap_s <= 0:
        return found
    now, before = boxes[:, 1:], boxes[:, :-1]
    changes = np.log(sides[:, 1:] / sides[:, :-1])
    lengths = np.maximum(sides[:, 1:].max(axis=-1), sides[:, :-1].max(axis=-1))
    across = (now[..., 0] + now[..., 2] - before[..., 0] - before[..., 2]) / 2 * aspects
    speeds = np.stack(
        [
            across / lengths,
            (now[..., 1] - before[..., 1]) / lengths,
            (now[..., 3] - before[..., 3]) / lengths,
            changes[..., 0],
            changes[..., 1],
        ],
        axis=-1,
    )
    known = (in_view[:, 1:] & in_view[:, :-1])[..., np.newaxis]
    found[:, 1:, 1:] = np.clip(speeds / gap_s, -MAX_SPEED, MAX_SPEED) * known
    return found
