"""Other views of a track: the same person mirrored, at another speed, and seen a little worse.

A track holds what a network made of real pictures, with its errors; views add few of their own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.people.pose import SEEN_SCORE
from har_edge.recognition.tracks_file import PoseTrack
from har_train.skeletons.camera import MIRRORED
from har_train.skeletons.degrade import Errors, disturb
from har_train.skeletons.numbers import sequence_rows
from har_train.skeletons.views import ViewSettings

MORE_ERRORS = Errors(jitter=0.005, lost=0.02, limb=0.1, swapped=0.0, box_jitter=0.005)


def track_view(
    track: PoseTrack, settings: ViewSettings, random: np.random.Generator, *, flip: bool = True
) -> FloatArray:
    """See all of a track once more, differently.

    Args:
        track: What was seen.
        settings: Rate, speeds and errors; as many frames come out as there are at that speed.
        random: What draws.
        flip: Whether half of the views are mirrored.

    Returns:
        (N, ROW_SIZE); zeros where the person is not in view.
    """
    step = track.fps / settings.frame_rate_hz * random.uniform(*settings.speed)
    keypoints, boxes = _between(track, step)
    if flip and random.random() < 0.5:
        keypoints, boxes = _mirrored(keypoints, boxes)
    in_view = np.asarray(boxes.any(axis=1))
    sides = boxes[:, 2:] - boxes[:, :2]
    length = float(np.median(sides[in_view].max(axis=1))) if in_view.any() else 0.0
    errors = settings.errors
    keypoints = disturb(keypoints[np.newaxis], np.array([length]), errors, [random])[0]
    moved = boxes + random.normal(0, errors.box_jitter * length, boxes.shape)
    # A box stays one, however small it is.
    moved = np.hstack([np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(*np.hsplit(moved, 2))])
    boxes = np.where(in_view[:, np.newaxis], moved, 0)
    return sequence_rows(keypoints, boxes, 1 / settings.frame_rate_hz, track.aspect)


def _between(track: PoseTrack, step: float) -> tuple[FloatArray, NDArray[np.float64]]:
    """Keypoints and boxes at every `step` frames, between two where it is no whole number.

    Where only one of two frames shows the person or the joint, there is nothing between: the
    nearer one counts.
    """
    last = len(track.boxes) - 1
    places = np.arange(int(last / step + 1e-9) + 1) * step
    first = np.minimum(places.astype(int), last)
    second = np.minimum(first + 1, last)
    share = (places - first)[:, np.newaxis]
    nearest = np.where(share[:, 0] < 0.5, first, second)
    in_view = track.in_view
    both = (in_view[first] & in_view[second])[:, np.newaxis]
    boxes = track.boxes
    mixed = boxes[first] * (1 - share) + boxes[second] * share
    found_boxes = np.where(both, mixed, boxes[nearest])
    joints, share = track.keypoints, share[..., np.newaxis]
    seen = joints[..., 2] >= SEEN_SCORE
    joint_in_both = (both & seen[first] & seen[second])[..., np.newaxis]
    mixed = joints[first] * (1 - share) + joints[second] * share
    found = np.where(joint_in_both, mixed, joints[nearest]).astype(np.float32)
    return found, found_boxes


def _mirrored(
    keypoints: FloatArray, boxes: NDArray[np.float64]
) -> tuple[FloatArray, NDArray[np.float64]]:
    """Swap left and right."""
    found = keypoints[:, MIRRORED].copy()
    found[..., 0] = 1 - found[..., 0]
    in_view = boxes.any(axis=1, keepdims=True)
    turned = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    return found, np.where(in_view, turned, 0)


def stronger(settings: ViewSettings, strength: float) -> ViewSettings:
    """The same settings with errors and changes of speed so many times as large."""
    errors, (slowest, fastest) = settings.errors, settings.speed
    return replace(
        settings,
        speed=(slowest**strength, fastest**strength),
        errors=replace(
            errors,
            jitter=errors.jitter * strength,
            lost=min(errors.lost * strength, 1.0),
            limb=errors.limb * strength,
            swapped=errors.swapped * strength,
            box_jitter=errors.box_jitter * strength,
        ),
    )
