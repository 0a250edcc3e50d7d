"""What a pose network makes of a body: joints that shake, are lost, swapped or cut off."""

from __future__ import annotations

import math
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


# How well the bundled network sees joints, by the form of the body's box: logarithms of width over
# height, and evidence for a joint. Of somebody who stands it loses few, of somebody who lies more
# than half. Measured on what it found in UR Fall; `train/recipes/README.md` has the figures.
FORMS, EVIDENCE = (-1.2, -0.8, -0.4, 0.0, 0.4, 1.2), (2.6, 2.4, 1.2, 0.1, -0.1, -0.4)
# What shoulders, elbows, wrists, hips, knees and ankles have more or less of it than others.
_OF_JOINT = {
    (5, 6): 0.2,
    (7, 8): -0.4,
    (9, 10): -0.8,
    (11, 12): 0.5,
    (13, 14): -0.4,
    (15, 16): -0.6,
}
OFFSETS = np.zeros(17)
for _joints, _offset in _OF_JOINT.items():
    OFFSETS[list(_joints)] = _offset
# How it differs from sequence to sequence, from frame to frame and from joint to joint, and how
# much of the latter two stays from one frame to the next.
OF_SEQUENCE, OF_FRAME, OF_ONE, STAYS = 1.3, 1.2, 1.0, 0.7


@dataclass(frozen=True)
class Errors:
    """How wrong joints and boxes are.

    Attributes:
        jitter: Standard deviation of a joint's place, in units of the box's longer side.
        blur: What is added to that for a joint for which there is no evidence.
        lost: Share of joints that are lost, each on its own.
        limb: Share of sequences in which a limb is hidden for a while.
        unclear: Whether joints are lost for which there is little evidence, see `EVIDENCE`.
        swapped: Share of sequences in which left and right are swapped for a while.
        margin: The box's margin around the joints, from and to, in units of its longer side.
        box_jitter: Standard deviation of the box's edges, in the same units.
    """

    jitter: float = 0.012
    blur: float = 0.05
    lost: float = 0.0
    limb: float = 0.1
    unclear: bool = True
    swapped: float = 0.1
    margin: tuple[float, float] = (0.03, 0.12)
    box_jitter: float = 0.01


LIKE_A_NETWORK = Errors()
NO_ERRORS = Errors(
    jitter=0, blur=0, lost=0, limb=0, unclear=False, swapped=0, margin=(0.05, 0.05), box_jitter=0
)


def inside_of(joints: FloatArray) -> FloatArray:
    """Cut off what lies outside of the picture; joints (..., 17, 3) as for `degrade`."""
    inside = ((joints[..., :2] >= 0) & (joints[..., :2] <= 1)).all(axis=-1, keepdims=True)
    return joints * (inside & (joints[..., 2:] > 0))


def degrade(
    joints: FloatArray,
    boxes: NDArray[np.float64],
    aspect: float,
    errors: Errors,
    random: np.random.Generator,
) -> FloatArray:
    """Make joints as wrong as a network would.

    Args:
        joints: (T, 17, 3), x and y in fractions of the picture, 1 or 0 for seen.
        boxes: (T, 4), what `boxes_of` gives for them; who has none is not found.
        aspect: Width of the picture over its height.
        errors: How wrong.
        random: What draws.

    Returns:
        The same form. What is outside of the picture is not seen.
    """
    found: FloatArray = degrade_all(
        joints[np.newaxis], boxes[np.newaxis], np.array([aspect]), errors, [random]
    )[0]
    return found


def degrade_all(
    joints: FloatArray,
    boxes: NDArray[np.float64],
    aspects: NDArray[np.float64],
    errors: Errors,
    randoms: Sequence[np.random.Generator],
) -> FloatArray:
    """Make sequences of one length, (N, T, 17, 3), wrong, each by its own draws; see `degrade`."""
    lengths = _lengths(joints)
    found = inside_of(disturb(joints, lengths, errors, randoms))
    if errors.unclear or errors.blur:
        found = _unclear(found, boxes, aspects, lengths, errors, randoms)
    found[..., 2] *= np.asarray(boxes.any(axis=-1, keepdims=True))
    return found * found[..., 2:]


def _unclear(
    joints: FloatArray,
    boxes: NDArray[np.float64],
    aspects: NDArray[np.float64],
    lengths: NDArray[np.float64],
    errors: Errors,
    randoms: Sequence[np.random.Generator],
) -> FloatArray:
    """Move joints the more the less evidence there is for them, and lose those without any."""
    count, frames = joints.shape[:2]
    drawn = np.stack([random.standard_normal((frames, 2 + 3 * 17)) for random in randoms])
    evidence = (
        np.interp(_forms(boxes, aspects), FORMS, EVIDENCE)[..., np.newaxis]
        + OFFSETS
        + OF_SEQUENCE * drawn[:, :1, :1]
        + OF_FRAME * _steady(drawn[..., 1:2])
        + OF_ONE * _steady(drawn[..., 2:19])
    )
    spread = errors.blur * lengths[:, np.newaxis, np.newaxis] / (1 + np.exp(evidence))
    found = joints.copy()
    found[..., :2] += drawn[..., 19:].reshape(count, frames, 17, 2) * spread[..., np.newaxis]
    if errors.unclear:
        found[..., 2] *= evidence > 0
    return found


def _forms(boxes: NDArray[np.float64], aspects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of width over height, (N, T); 0 for no box."""
    wide = (boxes[..., 2] - boxes[..., 0]) * aspects[:, np.newaxis]
    high = boxes[..., 3] - boxes[..., 1]
    there = (wide > 0) & (high > 0)
    return np.log(np.where(there, wide, 1) / np.where(there, high, 1))


def _steady(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of independent draws, (N, T, ...), such as depend on the one before; as spread as they."""
    found = drawn.copy()
    for frame in range(1, drawn.shape[1]):
        found[:, frame] = STAYS * found[:, frame - 1] + math.sqrt(1 - STAYS**2) * drawn[:, frame]
    return found


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
