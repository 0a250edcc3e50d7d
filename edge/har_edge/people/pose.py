"""Pose and motion of one person as numbers that no distance, size or place in the picture changes.

Per frame `POSE_SIZE` numbers of the joints and `MOTION_SIZE` of the box. Joints are counted from
the hips in lengths of the trunk: counted from the box, all of them move when an arm goes up. Eyes
and ears are left out: recorded skeletons have none, and would be known from filmed ones by it. The
box is measured in units of its longer side: a person who lies is as long as one who stands.
Training makes the same numbers of skeletons that were projected; what counting from the hips is
worth stands in `train/recipes/README.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Box, FloatArray
from har_edge.frames.frame import KEYPOINTS

# The joints of which a pose consists, by their numbers among the keypoints.
JOINTS = tuple(
    number for number, name in enumerate(KEYPOINTS) if not name.endswith(("_eye", "_ear"))
)
# x, y and whether it is seen, for each joint.
POSE_SIZE = 3 * len(JOINTS)
MOTION_SIZE = 6
# A keypoint below this score is not seen.
SEEN_SCORE = 0.2
# The trunk is taken for at least so much of the box's longer side: seen from above, or bent towards
# the camera, it has hardly any length, and nothing is to be divided by that.
LEAST_TRUNK = 0.25
# No joint is so many trunks away from the hips.
FARTHEST = 6.0
_HIPS = tuple(KEYPOINTS.index(name) for name in ("left_hip", "right_hip"))
_SHOULDERS = tuple(KEYPOINTS.index(name) for name in ("left_shoulder", "right_shoulder"))
# Faster than any person: so many box lengths a second are a jump of the box.
MAX_SPEED = 8.0
# Boxes are at least so long, in widths or heights of the picture, so that nothing is divided by 0.
MIN_LENGTH = 1e-3


def pose_features(keypoints: FloatArray | None, box: Box, aspect: float) -> FloatArray:
    """Say where a person's joints are.

    Args:
        keypoints: (17, 3), x and y in fractions of the picture, score; None if unknown.
        box: The person's box, in fractions of the picture.
        aspect: Width of the picture over its height.

    Returns:
        (POSE_SIZE,): for each of `JOINTS` x and y from the middle of the hips, or of the box where
        no hip is seen, in lengths of the trunk, and 1; or three zeros where it is not seen.

    Example:
        >>> keypoints = np.zeros((17, 3), np.float32)
        >>> keypoints[0] = 0.5, 0.1, 0.9
        >>> keypoints[[5, 6]], keypoints[[11, 12]] = (0.5, 0.2, 0.9), (0.5, 0.5, 0.9)
        >>> nose = pose_features(keypoints, (0.3, 0.1, 0.7, 0.9), aspect=1.0)[:3]
        >>> [round(float(number), 2) for number in nose]
        [0.0, -1.33, 1.0]
    """
    if keypoints is None:
        return np.zeros(POSE_SIZE, np.float32)
    seen = keypoints[:, 2] >= SEEN_SCORE
    places = keypoints[:, :2] * np.array([aspect, 1.0], np.float32)
    hips = _middle(places, seen, _HIPS)
    shoulders = _middle(places, seen, _SHOULDERS)
    left, top, right, bottom = box
    centre = np.array([(left + right) / 2 * aspect, (top + bottom) / 2]) if hips is None else hips
    trunk = 0.0
    if hips is not None and shoulders is not None:
        trunk = float(np.hypot(*(shoulders - hips)))
    away = (places - centre) / max(trunk, LEAST_TRUNK * _length(box, aspect))
    known = seen[:, np.newaxis]
    numbers = np.hstack([np.where(known, np.clip(away, -FARTHEST, FARTHEST), 0), known])
    return numbers[list(JOINTS)].astype(np.float32).ravel()


def _middle(places: FloatArray, seen: NDArray[np.bool_], which: Sequence[int]) -> FloatArray | None:
    """Middle of those of some joints that are seen; None without any."""
    found = [number for number in which if seen[number]]
    return np.asarray(places[found].mean(axis=0)) if found else None


def box_motion(box: Box, before: Box | None, seconds: float, aspect: float) -> FloatArray:
    """Say what form a person's box has, and how it moved since the frame before.

    Args:
        box: The person's box, in fractions of the picture.
        before: The same in the frame before; None for the first.
        seconds: Time between the two.
        aspect: Width of the picture over its height.

    Returns:
        (MOTION_SIZE,): the logarithm of width over height; speeds of the centre in x, of the upper
        and of the lower edge in y, in lengths of the box a second, down and right positive; the
        rates at which the logarithms of width and height change.

    Example:
        >>> fell = box_motion((0.3, 0.7, 0.7, 0.9), (0.4, 0.3, 0.6, 0.9), 0.5, aspect=1.0)
        >>> [round(float(number), 2) for number in fell]
        [0.69, 0.0, 1.33, 0.0, 1.39, -2.2]
    """
    width, height = _sides(box, aspect)
    form = math.log(width / height)
    if before is None or seconds <= 0:
        return np.array([form, 0, 0, 0, 0, 0], np.float32)
    old_width, old_height = _sides(before, aspect)
    length = max(_length(box, aspect), _length(before, aspect))
    moves = np.array(
        [
            (box[0] + box[2] - before[0] - before[2]) / 2 * aspect / length,
            (box[1] - before[1]) / length,
            (box[3] - before[3]) / length,
            math.log(width / old_width),
            math.log(height / old_height),
        ]
    )
    speeds = np.clip(moves / seconds, -MAX_SPEED, MAX_SPEED)
    return np.array([form, *speeds], np.float32)


def _sides(box: Box, aspect: float) -> tuple[float, float]:
    """Width and height of a box, both in heights of the picture."""
    left, top, right, bottom = box
    return max((right - left) * aspect, MIN_LENGTH), max(bottom - top, MIN_LENGTH)


def _length(box: Box, aspect: float) -> float:
    return max(_sides(box, aspect))
