"""What a pose network makes of a body: joints that shake, are lost, swapped or cut off."""

from __future__ import annotations

from collections.abc import Sequence
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
    found: FloatArray = degrade_all(joints[np.newaxis], errors, [random])[0]
    return found


def degrade_all(
    joints: FloatArray, errors: Errors, randoms: Sequence[np.random.Generator]
) -> FloatArray:
    """Make sequences of one length, (N, T, 17, 3), wrong, each by its own draws; see `degrade`."""
    found = disturb(joints, _lengths(joints), errors, randoms)
    inside = ((found[..., :2] >= 0) & (found[..., :2] <= 1)).all(axis=-1)
    found[..., 2] *= inside
    return found * found[..., 2:]


def disturb(
    joints: FloatArray,
    lengths: NDArray[np.float64],
    errors: Errors,
    randoms: Sequence[np.random.Generator],
) -> FloatArray:
    """Move joints, and lose, hide and swap some.

    Args:
        joints: (N, T, 17, 3), x and y in fractions of the picture, and the score.
        lengths: Of the people, in these fractions, (N,).
        errors: How wrong.
        randoms: What draws, for each sequence.

    Returns:
        The same form, with a score of 0 where a joint is lost.
    """
    found = joints.copy()
    for each, length, random in zip(found, lengths, randoms, strict=True):
        each[..., :2] += random.normal(0, errors.jitter * length, each[..., :2].shape)
        each[..., 2] *= random.random(each.shape[:2]) >= errors.lost
        if random.random() < errors.limb:
            limb = LIMBS[random.integers(len(LIMBS))]
            each[np.ix_(_a_while(len(each), random), list(limb), [2])] = 0
        if random.random() < errors.swapped:
            frames = _a_while(len(each), random)
            each[frames] = each[frames][:, MIRRORED]
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
    found: NDArray[np.float64]
    found = boxes_of_all(joints[np.newaxis], np.array([aspect]), errors, [random])[0]
    return found


def boxes_of_all(
    joints: FloatArray,
    aspects: NDArray[np.float64],
    errors: Errors,
    randoms: Sequence[np.random.Generator],
) -> NDArray[np.float64]:
    """The boxes of sequences of one length, (N, T, 4), each by its own draws; see `boxes_of`."""
    found = (joints[..., 2] > 0).sum(axis=-1) >= FEWEST_JOINTS
    low, high = _ends(joints)
    low, high = (np.where(found[..., np.newaxis], ends, 0) for ends in (low, high))
    unit = np.stack([aspects, np.ones_like(aspects)], axis=-1)[:, np.newaxis]
    length = ((high - low) * unit).max(axis=-1, keepdims=True)
    margins = np.array([random.uniform(*errors.margin) for random in randoms])
    # Drawn frame by frame, so that a frame without anybody takes none.
    off = np.zeros((*found.shape, 4))
    for row, shown, random in zip(off, found, randoms, strict=True):
        row[shown] = random.standard_normal((int(shown.sum()), 4))
    off *= errors.box_jitter * length
    room = margins[:, np.newaxis, np.newaxis] * length
    edges = np.concatenate([low * unit - room, high * unit + room], axis=-1) + off
    return np.asarray(np.clip(edges / np.tile(unit, 2), 0, 1) * found[..., np.newaxis])


def _ends(joints: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest x and y of the joints that are seen, (N, T, 2) each."""
    places, seen = joints[..., :2].astype(np.float64), joints[..., 2:] > 0
    low = np.where(seen, places, np.inf).min(axis=-2)
    high = np.where(seen, places, -np.inf).max(axis=-2)
    return low, high


def _lengths(joints: FloatArray) -> NDArray[np.float64]:
    """The longer side of what all joints span, in the median frame of each sequence, (N,)."""
    low, high = _ends(joints)
    # Frames without anybody come last.
    spans = np.sort(np.where(np.isfinite(low), high - low, np.inf).max(axis=-1), axis=1)
    count = np.isfinite(spans).sum(axis=1)[:, np.newaxis]
    two = np.hstack([(count - 1).clip(0) // 2, (count // 2).clip(0, spans.shape[1] - 1)])
    middle = np.take_along_axis(spans, two, axis=1).mean(axis=1)
    return np.where(count[:, 0] > 0, middle, 0.0)


def _a_while(count: int, random: np.random.Generator) -> list[int]:
    """The numbers of some frames in a row."""
    start = int(random.integers(count))
    return list(range(start, min(count, start + 1 + int(random.integers(count)))))
