"""What a pose network makes of a body: joints that shake, are lost, swapped or cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from har_edge.arrays import Box, FloatArray
from har_train.skeletons.camera import MIRRORED

# Joints that are lost together, since the same thing hides them: arms, legs, the face.
LIMBS = ((7, 9), (8, 10), (13, 15), (14, 16), (11, 13, 15), (12, 14, 16), (0, 1, 2, 3, 4))
# With fewer joints than this in view there is nobody to be found.
FEWEST_JOINTS = 4


@dataclass(frozen=True)
class Errors:
    """How wrong joints and boxes are.

    Attributes:
        jitter: Standard deviation of a joint's place, in units of the box's longer side.
        lost: Share of joints that are lost, each on its own.
        limb: Share of sequences in which a limb is hidden for a while.
        swapped: Share of sequences in which left and right are swapped for a while.
        margin: The box's margin around the joints, from and to, in units of its longer side.
        box_jitter: Standard deviation of the box's edges, in the same units.
    """

    jitter: float = 0.015
    lost: float = 0.05
    limb: float = 0.3
    swapped: float = 0.1
    margin: tuple[float, float] = (0.03, 0.12)
    box_jitter: float = 0.01


LIKE_A_NETWORK = Errors()
NO_ERRORS = Errors(jitter=0, lost=0, limb=0, swapped=0, margin=(0.05, 0.05), box_jitter=0)


def degrade(joints: FloatArray, errors: Errors, random: np.random.Generator) -> FloatArray:
    """Make joints as wrong as a network would.

    Args:
        joints: (T, 17, 3), x and y in fractions of the picture, 1 or 0 for seen.
        errors: How wrong.
        random: What draws.

    Returns:
        The same form. What is outside of the picture is not seen.
    """
    found = joints.copy()
    length = _length(found)
    found[..., :2] += random.normal(0, errors.jitter * length, found[..., :2].shape)
    found[..., 2] *= random.random(found.shape[:2]) >= errors.lost
    if random.random() < errors.limb:
        limb = LIMBS[random.integers(len(LIMBS))]
        found[np.ix_(_a_while(len(found), random), list(limb), [2])] = 0
    if random.random() < errors.swapped:
        frames = _a_while(len(found), random)
        found[frames] = found[frames][:, MIRRORED]
    inside = ((found[..., :2] >= 0) & (found[..., :2] <= 1)).all(axis=-1)
    found[..., 2] *= inside
    return found * found[..., 2:]


def boxes_of(
    joints: FloatArray, aspect: float, errors: Errors, random: np.random.Generator
) -> list[Box | None]:
    """The boxes that a network would give these joints; None for a frame in which nobody is seen.

    Args:
        joints: (T, 17, 3), see `degrade`.
        aspect: Width of the picture over its height.
        errors: How wrong.
        random: What draws; the margin is the same for the whole sequence.
    """
    margin = random.uniform(*errors.margin)
    found: list[Box | None] = []
    for frame in joints:
        seen = frame[frame[:, 2] > 0, :2]
        if len(seen) < FEWEST_JOINTS:
            found.append(None)
            continue
        (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
        length = max((right - left) * aspect, bottom - top)
        off = random.normal(0, errors.box_jitter * length, 4)
        edges = (
            left - margin * length / aspect + off[0] / aspect,
            top - margin * length + off[1],
            right + margin * length / aspect + off[2] / aspect,
            bottom + margin * length + off[3],
        )
        clipped = [float(edge) for edge in np.clip(edges, 0, 1)]
        found.append((clipped[0], clipped[1], clipped[2], clipped[3]))
    return found


def _length(joints: FloatArray) -> float:
    """The longer side of what all joints span, in the median frame."""
    spans = []
    for frame in joints:
        seen = frame[frame[:, 2] > 0, :2]
        if len(seen):
            spans.append(np.ptp(seen, axis=0).max())
    return float(np.median(spans)) if spans else 0.0


def _a_while(count: int, random: np.random.Generator) -> list[int]:
    """The numbers of some frames in a row."""
    start = int(random.integers(count))
    return list(range(start, min(count, start + 1 + int(random.integers(count)))))
