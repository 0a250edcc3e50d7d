"""Pose and motion as numbers that distance, size and place do not change."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.arrays import Box, FloatArray
from har_edge.frames.frame import KEYPOINTS
from har_edge.people.pose import (
    JOINTS,
    MAX_SPEED,
    MOTION_SIZE,
    POSE_SIZE,
    box_motion,
    pose_features,
)

BOX: Box = (0.3, 0.2, 0.5, 0.8)


def keypoints() -> FloatArray:
    random = np.random.default_rng(0)
    found = np.ones((17, 3), np.float32)
    found[:, 0] = random.uniform(BOX[0], BOX[2], 17)
    found[:, 1] = random.uniform(BOX[1], BOX[3], 17)
    return found


def moved(points: FloatArray, scale: float, dx: float, dy: float) -> FloatArray:
    return (points * [scale, scale, 1] + [dx, dy, 0]).astype(np.float32)


def moved_box(box: Box, scale: float, dx: float, dy: float) -> Box:
    left, top, right, bottom = box
    return (left * scale + dx, top * scale + dy, right * scale + dx, bottom * scale + dy)


def test_place_and_distance_change_nothing() -> None:
    near = pose_features(keypoints(), BOX, aspect=1.5)
    far = pose_features(moved(keypoints(), 0.3, 0.4, 0.1), moved_box(BOX, 0.3, 0.4, 0.1), 1.5)
    assert near.shape == (POSE_SIZE,)
    assert far == pytest.approx(near, abs=1e-5)
    motion = box_motion(moved_box(BOX, 1, 0.1, 0.05), BOX, 0.2, 1.5)
    tiny, before = (
        moved_box(moved_box(BOX, 1, 0.1, 0.05), 0.3, 0.4, 0.1),
        moved_box(BOX, 0.3, 0.4, 0.1),
    )
    assert motion.shape == (MOTION_SIZE,)
    assert box_motion(tiny, before, 0.2, 1.5) == pytest.approx(motion, abs=1e-4)


def test_a_wider_picture_of_the_same_person_changes_nothing() -> None:
    """Twice as wide a picture halves what is a fraction of its width."""
    narrow = pose_features(keypoints(), BOX, aspect=1.0)
    squeeze = np.array([0.5, 1, 1], np.float32)
    box = (BOX[0] / 2, BOX[1], BOX[2] / 2, BOX[3])
    assert pose_features(keypoints() * squeeze, box, aspect=2.0) == pytest.approx(narrow, abs=1e-5)


def test_a_joint_that_is_not_seen_says_nothing() -> None:
    points = keypoints()
    points[JOINTS[4]] = 0.9, 0.9, 0.05
    found = pose_features(points, BOX, 1.0).reshape(-1, 3)
    assert found[4].tolist() == [0, 0, 0]
    assert (found[[0, 1, 2, 3, 5], 2] == 1).all()
    assert (pose_features(None, BOX, 1.0) == 0).all()


def test_a_frame_without_a_past_has_a_form_and_no_motion() -> None:
    found = box_motion(BOX, None, 0.0, 1.0)
    assert found[0] == pytest.approx(np.log(0.2 / 0.6), abs=1e-6)
    assert (found[1:] == 0).all()


def test_down_and_right_are_positive() -> None:
    found = box_motion(moved_box(BOX, 1, 0.06, 0.06), BOX, 0.5, 1.0)
    assert found[1:4] == pytest.approx([0.2, 0.2, 0.2], abs=1e-5)
    assert found[4:] == pytest.approx([0, 0], abs=1e-5)


def test_a_box_that_jumps_is_no_faster_than_a_person_could_be() -> None:
    found = box_motion((0.9, 0.9, 1.0, 1.0), (0.0, 0.0, 0.01, 0.01), 0.01, 1.0)
    assert np.abs(found[1:]).max() <= MAX_SPEED
    assert np.isfinite(box_motion((0.5, 0.5, 0.5, 0.5), BOX, 0.1, 1.0)).all()


def test_an_arm_that_goes_up_moves_no_other_joint() -> None:
    """The box grows with the arm; what is counted from the hips stays."""
    points = keypoints()
    points[[5, 6], :2], points[[11, 12], :2] = (0.4, 0.25), (0.4, 0.55)
    raised = points.copy()
    raised[9, 1] = 0.05
    before = pose_features(points, BOX, 1.0).reshape(-1, 3)
    after = pose_features(raised, (0.3, 0.05, 0.5, 0.8), 1.0).reshape(-1, 3)
    wrist = JOINTS.index(9)
    others = np.arange(len(JOINTS)) != wrist
    assert (after[others] == before[others]).all()
    assert after[wrist, 1] < before[wrist, 1]


def test_eyes_and_ears_are_no_part_of_a_pose() -> None:
    points = keypoints()
    turned = points.copy()
    turned[1:5] = 0
    assert [KEYPOINTS[number] for number in JOINTS[:3]] == [
        "nose",
        "left_shoulder",
        "right_shoulder",
    ]
    assert len(JOINTS) == 13
    assert np.array_equal(pose_features(turned, BOX, 1.0), pose_features(points, BOX, 1.0))


def test_a_trunk_without_length_divides_nothing_by_0() -> None:
    points = np.ones((17, 3), np.float32) * 0.5
    points[:, 2] = 1
    points[0, 1] = 0.05
    found = pose_features(points, (0.4, 0.0, 0.6, 1.0), 1.0).reshape(-1, 3)
    assert found[0] == pytest.approx([0, -0.45 / 0.25, 1])
    assert (found[1:, :2] == 0).all()


def test_without_hips_joints_are_counted_from_the_box() -> None:
    points = np.zeros((17, 3), np.float32)
    points[0] = 0.5, 0.3, 0.9
    found = pose_features(points, (0.4, 0.2, 0.6, 0.8), 1.0)[:3]
    assert found == pytest.approx([0, -0.2 / (0.25 * 0.6), 1], abs=1e-5)
