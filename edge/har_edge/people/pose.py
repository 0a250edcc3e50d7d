"""What `classify` may be told of a person beside features: the pose, and how the box moves.

Both are plain numbers, made of a box and its keypoints alone, so that training computes them from
tracks as a run does, and the same file gives the same rows everywhere.

- Pose, 51 numbers: each keypoint's x and y from the middle of the box, in units of the box's longer
  side in pixels, then its score. Where no keypoints are known all are 0.
- Motion, 5 numbers: how the middle moves right and down, in longer sides a second; how width and
  height grow, as logarithms a second; and the logarithm of width by height in pixels, which tells
  lying from standing. In a person's first frame the first four are 0.
"""

from __future__ import annotations

import math

import numpy as np

from har_edge.arrays import Box, FloatArray
from har_edge.frames.frame import Person
from har_edge.model.spec import HeadInput

# Steps between sampled frames are longer; a shorter one would make much of a pixel.
SHORTEST_STEP_S = 1e-3


def pose_row(person: Person, size: tuple[int, int]) -> FloatArray:
    """Make the pose of a person a row of numbers, (51,), float32.

    Args:
        person: With the box in fractions of the picture.
        size: Height and width of the picture in pixels.
    """
    points = person.keypoints
    if points is None:
        return np.zeros(51, np.float32)
    x, y, wide, high = _in_pixels(person.box, size)
    places = points[:, :2] * np.array([size[1], size[0]], np.float64)
    relative = (places - (x, y)) / max(wide, high)
    return np.concatenate([relative, points[:, 2:]], axis=1).reshape(-1).astype(np.float32)


def motion_row(box: Box, before: Box | None, step_s: float, size: tuple[int, int]) -> FloatArray:
    """Make a box and its motion a row of numbers, (5,), float32.

    Args:
        box: Where the person is, in fractions of the picture.
        before: Where the same person was; None in the first frame.
        step_s: Time between the two.
        size: Height and width of the picture in pixels.
    """
    x, y, wide, high = _in_pixels(box, size)
    shape = math.log(wide / high)
    if before is None:
        return np.array([0, 0, 0, 0, shape], np.float32)
    was_x, was_y, was_wide, was_high = _in_pixels(before, size)
    step_s, side = max(step_s, SHORTEST_STEP_S), max(was_wide, was_high)
    return np.array(
        [
            (x - was_x) / side / step_s,
            (y - was_y) / side / step_s,
            math.log(wide / was_wide) / step_s,
            math.log(high / was_high) / step_s,
            shape,
        ],
        np.float32,
    )


def head_row(
    inputs: tuple[HeadInput, ...],
    features: FloatArray | None,
    person: Person,
    *,
    before: Person | None,
    step_s: float,
    size: tuple[int, int],
) -> FloatArray:
    """Put side by side what `classify` takes of one frame, (D',), float32.

    Args:
        inputs: Which parts, as in the spec.
        features: Of the person's crop, (D,); None if they are no part.
        person: In this frame.
        before: The same person in the sampled frame before; None in the first.
        step_s: Time since that.
        size: Height and width of the picture in pixels.
    """
    parts: dict[HeadInput, FloatArray | None] = {
        "features": features,
        "pose": pose_row(person, size) if "pose" in inputs else None,
        "motion": (
            motion_row(person.box, before.box if before else None, step_s, size)
            if "motion" in inputs
            else None
        ),
    }
    rows = [row for name in inputs if (row := parts[name]) is not None]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _in_pixels(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Middle, width and height of a box in pixels; sides of one at least."""
    left, top, right, bottom = box
    rows, columns = size
    return (
        (left + right) / 2 * columns,
        (top + bottom) / 2 * rows,
        max(1.0, (right - left) * columns),
        max(1.0, (bottom - top) * rows),
    )
