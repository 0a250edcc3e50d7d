"""What a head is given: its parts side by side, in the order of the spec."""

from __future__ import annotations

import numpy as np

from har_edge.frames.frame import Person
from har_edge.model import spec
from har_edge.people.pose import MOTION_SIZE, POSE_SIZE, box_motion, pose_features
from har_edge.recognition.head_row import head_row

BOX, MOVED = (0.2, 0.1, 0.3, 0.5), (0.25, 0.2, 0.35, 0.5)


def test_parts_stand_side_by_side() -> None:
    points = np.random.default_rng(0).uniform(0.1, 0.5, (17, 3)).astype(np.float32)
    person, before = Person(0.9, MOVED, points), Person(0.9, BOX)
    features = np.arange(4, dtype=np.float32)
    row = head_row(
        ("features", "pose", "motion"), features, person, before=before, seconds=0.5, aspect=1.5
    )
    assert row.shape == (4 + POSE_SIZE + MOTION_SIZE,)
    assert (row[:4] == features).all()
    assert (row[4:-MOTION_SIZE] == pose_features(points, MOVED, 1.5)).all()
    assert (row[-MOTION_SIZE:] == box_motion(MOVED, BOX, 0.5, 1.5)).all()
    alone = head_row(("features",), features, person, before=None, seconds=0.0, aspect=1.5)
    assert alone is features


def test_a_spec_knows_how_long_they_are() -> None:
    assert (spec.POSE_SIZE, spec.MOTION_SIZE) == (POSE_SIZE, MOTION_SIZE)
