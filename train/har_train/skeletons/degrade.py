"""What a pose network makes of a body: joints that shake, are lost, swapped or cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
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
    found = disturb(joints, _length(joints), errors, random)
    inside = ((found[..., :2] >= 0) & (found[..., :2] <= 1)).all(axis=-1)
    found[..., 2] *= inside
    return found * found[..., 2:]


def disturb(
    joints: FloatArray, length: float, errors: Errors, random: np.random.Generator
) -> FloatArray:
    """Move joints, and lose, hide and swap some.

    Args:
        joints: (T, 17, 3), x and y in fractions of the picture, and the score.
        length: Of the person, in these fractions.
        errors, random: As for `degrade`.

    Returns:
        The same form, with a score of 0 where a joint is lost.
    """
    found = joints.copy()
    found[..., :2] += random.normal(0, errors.jitter * length, found[..., :2].shape)
    found[..., 2] *= random.random(found.shape[:2]) >= errors.lost
    if random.random() < errors.limb:
        limb = LIMBS[random.integers(len(LIMBS))]
        found[np.ix_(_a_while(len(found), random), list(limb), [2])] = 0
    if random.random() < errors.swapped:
        frames = _a_while(len(found), random)
        found[frames] = found[frames][:, MIRRORED]
    return found


def boxes_of(
    joints: FloatArray, aspect: float, errors: Errors, random: np.random.Generator
) -> NDArray[np.float64]:
    """The boxes that a network would give these joints.

    Args:
        joints: (T, 17, 3), see `degrade`.
        aspect: Width of the picture over its height.
        errors: How wrong.
        random: What draws; the margin is the same for the whole sequence.

    Returns:
        (T, 4), in fractions of the picture; zeros for a frame in which nobody is seen.
    """
    margin = random.uniform(*errors.margin)
    boxes = np.zeros((len(joints), 4))
    found = (joints[..., 2] > 0).sum(axis=1) >= FEWEST_JOINTS
    low, high = _ends(joints[found])
    wide, tall = ((high - low) * [aspect, 1]).T
    length = np.maximum(wide, tall)[:, np.newaxis]
    unit = np.array([1 / aspect, 1])
    room = length * unit
    # Drawn frame by frame, so that a frame without anybody takes none.
    off = random.standard_normal((int(found.sum()), 4)) * (errors.box_jitter * length)
    edges = np.hstack([low - margin * room, high + margin * room]) + off * np.tile(
        [1 / aspect, 1], 2
    )
    boxes[found] = np.clip(edges, 0, 1)
    return boxes


def _ends(joints: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest x and y of the joints that are seen, (T, 2) each."""
    places, seen = joints[..., :2].astype(np.float64), joints[..., 2:] > 0
    low = np.where(seen, places, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, places, -np.inf).max(axis=1, initial=-np.inf)
    return low, high


def _length(joints: FloatArray) -> float:
    """The longer side of what all joints span, in the median frame."""
    low, high = _ends(joints[(joints[..., 2] > 0).any(axis=1)])
    return float(np.median((high - low).max(axis=1))) if len(low) else 0.0


def _a_while(count: int, random: np.random.Generator) -> list[int]:
    """The numbers of some frames in a row."""
    start = int(random.integers(count))
    return list(range(start, min(count, start + 1 + int(random.integers(count)))))
