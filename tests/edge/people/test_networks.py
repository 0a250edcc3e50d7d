"""Networks that find people: how pictures go in, how boxes and keypoints come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_edge.model.network import Network, SignatureNetwork
from har_edge.model.tensors import Array
from har_edge.people.networks import (
    MultiPoseLocator,
    OwnLocator,
    PosedLocator,
    PoseNetwork,
    SinglePoseLocator,
    SsdLocator,
)

WIDE = np.zeros((48, 96, 3), np.uint8)  # letterboxed into a square it fills the middle half
SQUARE = np.zeros((64, 64, 3), np.uint8)


class Told:
    """A network that says what it is told to, and keeps what it was shown."""

    def __init__(self, *outputs: Sequence[object] | FloatArray, floats: bool = False) -> None:
        self.input_shape = (1, 96, 96, 3)
        self.input_floats = floats
        self.outputs = [np.asarray(output, np.float32) for output in outputs]
        self.shown: list[Array] = []

    def run(self, picture: Array) -> list[Array]:
        self.shown.append(picture)
        return list(self.outputs)


class ToldSignature(Told):
    def run(self, picture: Array) -> Array:  # type: ignore[override] # as a signature does
        return super().run(picture)[0]


def row(score: float, *box: float, point: tuple[float, float] = (0.5, 0.5)) -> list[float]:
    return [score, *box, *([*point, 0.9] * 17)]


def own(rows: list[list[float]]) -> OwnLocator:
    return OwnLocator(cast(SignatureNetwork, ToldSignature([rows])))


def ssd(*outputs: Sequence[object], floats: bool = False) -> tuple[SsdLocator, Told]:
    told = Told(*outputs, floats=floats)
    return SsdLocator(cast(Network, told)), told


BOXES = [[[0.1, 0.2, 0.9, 0.4], [0.0, 0.5, 0.5, 1.2], [0.3, 0.3, 0.4, 0.4]]]
CLASSES, SCORES, COUNT = [[0.0, 0.0, 7.0]], [[0.75, 0.5, 0.9]], [3.0]


def test_our_own_network_speaks_of_the_letterboxed_picture() -> None:
    locator = own([row(0.9, 0.25, 0.25, 0.5, 0.75, point=(0.375, 0.5)), row(0.0, 0, 0, 0, 0)])
    (person,) = locator.locate(WIDE)
    assert person.box == pytest.approx((0.25, 0.0, 0.5, 1.0))
    assert person.keypoints is not None
    assert person.keypoints[0].tolist() == pytest.approx([0.375, 0.5, 0.9])


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3), (2, 0, 3, 1)], ids=["post-processing", "signature"]
)
def test_detections_are_known_in_any_order(order: tuple[int, ...]) -> None:
    outputs = (BOXES, CLASSES, SCORES, COUNT)
    locator, _ = ssd(*(outputs[i] for i in order))
    first, second = locator.locate(SQUARE)
    assert (first.score, first.box) == (0.75, pytest.approx((0.2, 0.1, 0.4, 0.9)))
    assert second.box == pytest.approx((0.5, 0.0, 1.0, 0.5))  # cut off at the edge
    assert first.keypoints is None


def test_detections_beyond_the_count_are_none() -> None:
    locator, _ = ssd(BOXES, CLASSES, SCORES, [1.0])
    assert len(locator.locate(SQUARE)) == 1


def test_no_detection_at_all_is_nobody() -> None:
    locator, _ = ssd(np.zeros((1, 3, 4)).tolist(), [[0.0] * 3], [[0.0] * 3], [3.0])
    assert locator.locate(SQUARE) == ()


def test_a_detector_of_real_numbers_gets_them_around_zero() -> None:
    locator, told = ssd(BOXES, CLASSES, SCORES, COUNT, floats=True)
    locator.locate(SQUARE + 255)
    assert told.shown[0].max() == told.shown[0].min() == 1.0


def test_multi_pose_gives_boxes_and_keypoints() -> None:
    points = [0.5, 0.25, 0.9] * 17  # y, x, score
    rows = [[*points, 0.25, 0.2, 0.75, 0.4, 0.8], *[[0.0] * 56] * 5]
    locator = MultiPoseLocator(cast(Network, Told([rows])))
    (person,) = locator.locate(WIDE)
    assert person.box == pytest.approx((0.2, 0.0, 0.4, 1.0))
    assert person.keypoints is not None
    assert person.keypoints[3].tolist() == pytest.approx([0.25, 0.5, 0.9])


def test_single_pose_makes_a_box_of_the_joints() -> None:
    joints = np.full((17, 3), 0.5)
    joints[:5] = [0.4, 0.3, 0.8]
    joints[5:] = [0.6, 0.5, 0.8]
    pose = PoseNetwork(cast(Network, Told(joints[np.newaxis, np.newaxis])))
    (person,) = SinglePoseLocator(pose).locate(SQUARE)
    assert person.box == pytest.approx((0.28, 0.38, 0.52, 0.62), abs=1e-5)
    pose = PoseNetwork(cast(Network, Told(np.zeros((1, 1, 17, 3)))))
    assert SinglePoseLocator(pose).locate(SQUARE) == ()


def test_a_second_stage_speaks_of_the_crop() -> None:
    """The middle of the crop is the middle of the box; only the largest are looked at."""
    pose = PoseNetwork(cast(Network, Told(np.full((1, 1, 17, 3), 0.5))))
    detector, _ = ssd(BOXES, CLASSES, SCORES, COUNT)
    large, small = PosedLocator(detector, pose, most=1).locate(SQUARE)
    posed = max((large, small), key=lambda person: person.size)
    assert posed.keypoints is not None
    assert min(large, small, key=lambda person: person.size).keypoints is None
    # Moved into the picture, as crops are.
    assert posed.keypoints[0, :2].tolist() == [0.6875, 0.3125]


def test_numbers_that_are_none_are_nobody() -> None:
    good = row(0.9, 0.2, 0.3, 0.4, 0.6)
    rows = [row(0.9, 0.2, float("nan"), 0.4, 0.6), row(0.9, 0.8, 0.3, 0.6, 0.6), good]
    assert len(own(rows).locate(SQUARE)) == 1
    lost = row(0.9, 0.2, 0.3, 0.4, 0.6, point=(float("inf"), 0.0))
    (person,) = own([lost]).locate(SQUARE)
    assert person.keypoints is None
