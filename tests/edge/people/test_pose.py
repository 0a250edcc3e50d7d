"""Pose and motion as numbers: what they are of, and what they do not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Person
from har_edge.people.pose import head_row, motion_row, pose_row

SIZE = (100, 200)
BOX = (0.2, 0.1, 0.3, 0.5)  # 20 x 40 pixels around (50, 30)


def points(shift: float = 0.0) -> FloatArray:
    rows = np.random.default_rng(0).uniform(0.1, 0.5, (17, 3)).astype(np.float32)
    rows[:, :2] += np.float32(shift)
    return rows


def test_a_pose_is_told_from_the_middle_of_the_box_in_its_longer_side() -> None:
    known = points()
    row = pose_row(Person(0.9, BOX, known), SIZE).reshape(17, 3)
    assert row[:, 0] == pytest.approx((known[:, 0] * 200 - 50) / 40, abs=1e-5)
    assert row[:, 1] == pytest.approx((known[:, 1] * 100 - 30) / 40, abs=1e-5)
    assert (row[:, 2] == known[:, 2]).all()


def test_a_pose_does_not_depend_on_where_and_how_large_somebody_is() -> None:
    near = Person(0.9, BOX, points())
    left, top, right, bottom = BOX
    half = points()
    half[:, :2] = half[:, :2] / 2 + 0.3
    box = (left / 2 + 0.3, top / 2 + 0.3, right / 2 + 0.3, bottom / 2 + 0.3)
    assert pose_row(Person(0.9, box, half), SIZE) == pytest.approx(pose_row(near, SIZE), abs=1e-5)
    # Nor on how many pixels the picture has.
    assert pose_row(near, (300, 600)) == pytest.approx(pose_row(near, SIZE), abs=1e-5)


def test_an_unknown_pose_is_zeros() -> None:
    assert not pose_row(Person(0.9, BOX), SIZE).any()


def test_motion_is_in_sides_of_the_box_a_second() -> None:
    moved = (0.25, 0.3, 0.35, 0.5)  # 10 pixels right, 10 down, half as high
    row = motion_row(moved, BOX, 0.5, SIZE)
    expected = [10 / 40 / 0.5, 10 / 40 / 0.5, 0.0, math.log(0.5) / 0.5, math.log(20 / 20)]
    assert row == pytest.approx(expected, abs=1e-5)


def test_the_first_frame_has_no_motion() -> None:
    assert motion_row(BOX, None, 0.0, SIZE) == pytest.approx([0, 0, 0, 0, math.log(0.5)])


def test_boxes_of_no_size_and_times_of_no_length_give_numbers() -> None:
    flat = (0.5, 0.5, 0.5, 0.5)
    assert np.isfinite(motion_row(flat, BOX, 0.0, SIZE)).all()
    assert np.isfinite(pose_row(Person(0.9, flat, points()), SIZE)).all()


def test_parts_stand_side_by_side_in_order() -> None:
    person, features = Person(0.9, BOX, points()), np.arange(4, dtype=np.float32)
    row = head_row(
        ("features", "pose", "motion"), features, person, before=None, step_s=0.0, size=SIZE
    )
    assert row.shape == (4 + 51 + 5,)
    assert (row[:4] == features).all()
    assert (row[4:55] == pose_row(person, SIZE)).all()
    alone = head_row(("features",), features, person, before=None, step_s=0.0, size=SIZE)
    assert alone is features
