"""Bodies that nobody recorded has: longer legs, shorter arms, other shoulders."""

from __future__ import annotations

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import KEYPOINTS

_INDEX = {name: number for number, name in enumerate(KEYPOINTS)}
_SIDES = ("left", "right")
_HIPS, _SHOULDERS = (
    [_INDEX[f"{side}_{joint}"] for side in _SIDES] for joint in ("hip", "shoulder")
)
_FACE = [number for number, name in enumerate(KEYPOINTS) if name.endswith(("nose", "_eye", "_ear"))]
# From joint to joint outwards, and which part of the body that is.
_LIMBS = tuple(
    (_INDEX[f"{side}_{near}"], _INDEX[f"{side}_{far}"], part)
    for side in _SIDES
    for near, far, part in (
        ("shoulder", "elbow", "arms"), ("elbow", "wrist", "arms"),
        ("hip", "knee", "legs"), ("knee", "ankle", "legs"),
    )
)  # fmt: skip
PARTS = ("trunk", "head", "shoulders", "hips", "arms", "legs")


def other_body(
    joints: FloatArray, lengths: tuple[float, float], random: np.random.Generator
) -> FloatArray:
    """Let a body of other proportions make the same movement.

    Args:
        joints: (T, 17, 3) in metres; NaN is missing.
        lengths: Of each part, as shares of what it was: the least and the most.
        random: What draws the proportions.

    Returns:
        The same form. Angles between joints stay; feet that stood may slide a little.
    """
    scale = dict(zip(PARTS, random.uniform(*lengths, len(PARTS)), strict=True))
    hips = joints[:, _HIPS].mean(axis=1, keepdims=True)
    shoulders = joints[:, _SHOULDERS].mean(axis=1, keepdims=True)
    found = joints.copy()
    neck = hips + scale["trunk"] * (shoulders - hips)
    found[:, _HIPS] = hips + scale["hips"] * (joints[:, _HIPS] - hips)
    found[:, _SHOULDERS] = neck + scale["shoulders"] * (joints[:, _SHOULDERS] - shoulders)
    found[:, _FACE] = neck + scale["head"] * (joints[:, _FACE] - shoulders)
    for near, far, part in _LIMBS:
        found[:, far] = found[:, near] + scale[part] * (joints[:, far] - joints[:, near])
    # Without hips or shoulders nothing is known about proportions.
    known = np.isfinite(hips).all(axis=(1, 2)) & np.isfinite(shoulders).all(axis=(1, 2))
    return np.where(known[:, np.newaxis, np.newaxis], found, joints)
