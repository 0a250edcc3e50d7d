"""From a skeleton to what the edge would feed to `classify`: a window of pose and motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import KEYPOINTS
from har_train.skeletons.bodies import other_body
from har_train.skeletons.camera import MIRRORED, Camera, project_all, random_camera
from har_train.skeletons.degrade import (
    LIKE_A_NETWORK,
    Errors,
    boxes_of,
    boxes_of_all,
    degrade,
    degrade_all,
    inside_of,
)
from har_train.skeletons.numbers import rows_of_all, sequence_rows
from har_train.skeletons.sets import Skeleton

# Recordings of flat skeletons have no size of a picture with them: that of most of their sets.
FLAT_ASPECT = 4 / 3


@dataclass(frozen=True)
class ViewSettings:
    """How windows are made.

    Attributes:
        num_frames: Frames in a window, T.
        frame_rate_hz: Rate at which they are taken.
        speed: Slowest and fastest that a movement is played.
        lengths: Least and most that parts of a body are made longer by.
        errors: How wrong joints and boxes are.
    """

    num_frames: int = 16
    frame_rate_hz: float = 8.0
    speed: tuple[float, float] = (0.8, 1.25)
    lengths: tuple[float, float] = (0.85, 1.18)
    errors: Errors = LIKE_A_NETWORK


def random_view(
    skeleton: Skeleton, settings: ViewSettings, random: np.random.Generator
) -> FloatArray:
    """See a part of a sequence from somewhere, as a network would.

    A sequence that is shorter than a window is held at both ends, as people do who stand before
    they act.

    Args:
        skeleton: The movement.
        settings: How.
        random: What draws.

    Returns:
        (T, ROW_SIZE); zeros where nobody is seen.
    """
    found: FloatArray = random_views([skeleton], settings, [random])[0]
    return found


def random_views(
    skeletons: Sequence[Skeleton], settings: ViewSettings, randoms: Sequence[np.random.Generator]
) -> FloatArray:
    """See sequences at once, each by its own draws, in a tenth of the time; see `random_view`.

    Returns:
        (N, T, ROW_SIZE).
    """
    joints = np.zeros((len(skeletons), settings.num_frames, len(KEYPOINTS), 3), np.float32)
    aspects = np.full(len(skeletons), FLAT_ASPECT)
    cameras: dict[int, Camera] = {}
    for number, (skeleton, random) in enumerate(zip(skeletons, randoms, strict=True)):
        moved = _sampled(skeleton, settings, random)
        if skeleton.flat:
            joints[number] = _in_a_picture(moved, random)
            continue
        joints[number] = other_body(moved, settings.lengths, random)
        cameras[number] = random_camera(random)
        aspects[number] = cameras[number].aspect
    if cameras:
        numbers = list(cameras)
        joints[numbers] = project_all(joints[numbers], list(cameras.values()))
    boxes = boxes_of_all(inside_of(joints), aspects, settings.errors, randoms)
    seen = degrade_all(joints, boxes, aspects, settings.errors, randoms)
    return rows_of_all(seen, boxes, 1 / settings.frame_rate_hz, aspects)


def view_features(
    joints: FloatArray, aspect: float, settings: ViewSettings, random: np.random.Generator
) -> FloatArray:
    """Degrade joints in a picture and make the edge's numbers of them.

    Args:
        joints: (T, 17, 3), x and y in fractions of the picture, 1 or 0 for seen.
        aspect: Width of the picture over its height.
        settings, random: As for `random_view`.

    Returns:
        (T, ROW_SIZE).
    """
    boxes = boxes_of(inside_of(joints), aspect, settings.errors, random)
    seen = degrade(joints, boxes, aspect, settings.errors, random)
    return sequence_rows(seen, boxes, 1 / settings.frame_rate_hz, aspect)


def _sampled(skeleton: Skeleton, settings: ViewSettings, random: np.random.Generator) -> FloatArray:
    """Take a window's frames out of a sequence, somewhere, at some speed."""
    step = skeleton.fps / settings.frame_rate_hz * random.uniform(*settings.speed)
    length, wanted = len(skeleton.joints), step * (settings.num_frames - 1)
    spare = length - 1 - wanted
    start = random.uniform(min(0.0, spare), max(0.0, spare))
    numbers = np.round(start + step * np.arange(settings.num_frames)).astype(int)
    found: FloatArray = skeleton.joints[np.clip(numbers, 0, length - 1)]
    return found


def _in_a_picture(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Put flat joints, (T, 17, 3) in pixels, somewhere into a picture; mirror half of them."""
    seen = joints[..., 2] > 0
    found = np.zeros_like(joints)
    if not seen.any():
        return found
    places = joints[..., :2] * [1 / FLAT_ASPECT, 1]
    low, high = places[seen].min(axis=0), places[seen].max(axis=0)
    size = random.uniform(0.4, 0.95)
    scale = size / max(float((high - low).max()), 1e-6)
    shift = (1 - (high - low) * scale) * random.uniform(0.2, 0.8, 2)
    found[..., :2] = (places - low) * scale + shift
    found[..., 2] = 1
    if random.random() < 0.5:
        found[..., 0] = 1 - found[..., 0]
        found, seen = found[:, MIRRORED], seen[:, MIRRORED]
    return (found * seen[..., np.newaxis]).astype(np.float32)
