"""Skeleton sets, cameras and what a pose network makes of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_edge.errors import DataError
from har_edge.people.pose import POSE_SIZE
from har_train.skeletons.bodies import other_body
from har_train.skeletons.camera import MIRRORED, Camera, project, random_camera
from har_train.skeletons.degrade import FEWEST_JOINTS, NO_ERRORS, Errors, boxes_of, degrade
from har_train.skeletons.numbers import ROW_SIZE
from har_train.skeletons.sets import FIELDS, Skeleton, load_skeletons
from har_train.skeletons.views import ViewSettings, random_view, random_views, view_features
from tests.support.skeletons import falling, save, standing

RANDOM = np.random.default_rng(0)


def everywhere(count: int) -> NDArray[np.float64]:
    """Boxes as large as the picture."""
    return np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (count, 1))


def test_a_set_is_read(tmp_path: Path) -> None:
    first, second = load_skeletons(save(tmp_path / "mine.npz"))
    assert (first.label, first.group, first.source, first.fps) == ("standing", "mine/a", "mine", 15)
    assert first.joints.shape == (5, 17, 3)
    assert second.joints.shape == (7, 17, 3)
    assert np.allclose(second.joints, falling(7), atol=1e-3)


def test_joints_come_in_the_order_of_coco(tmp_path: Path) -> None:
    coco = np.arange(16, -1, -1)
    coco[3] = -1
    (first, _) = load_skeletons(save(tmp_path / "a.npz", coco=coco))
    assert np.allclose(first.joints[:, 0], standing(5)[:, 16], atol=1e-3)
    assert np.isnan(first.joints[:, 3]).all()


def test_two_people_are_two_sequences(tmp_path: Path) -> None:
    pair = np.concatenate([standing(12), falling(12)], axis=1)
    one, two, *_ = load_skeletons(save(tmp_path / "a.npz", kind="3d2p", xyz=pair))
    assert np.allclose(one.joints, standing(5), atol=1e-5)
    assert np.allclose(two.joints, falling(12)[:5], atol=1e-5)
    assert one.group == two.group


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"off": None}, "Received none named off"),
        ({"kind": np.array("4d")}, "kind should be one of 2d, 3d, 3d2p"),
        ({"xyz": np.zeros((12, 17))}, "xyz should have the shape"),
        ({"off": np.array([0, 5, 11])}, "off should rise from 0"),
        ({"off": np.array([0, 5, 5])}, "off should rise from 0"),
        ({"label": np.array(["standing"])}, "an entry for each sequence"),
        ({"coco": np.arange(17) + 1}, "coco should be 17 numbers"),
        ({"fps": np.array([15.0, 0.0])}, "fps should be above 0"),
        ({"label": np.array([{}, {}])}, "cannot be read"),
    ],
)
def test_a_file_of_another_form_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.npz", **changes)
    with pytest.raises(DataError) as caught:
        load_skeletons(path)
    assert message in str(caught.value)
    assert "a.npz" in str(caught.value)


def test_no_npz_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="cannot be read"):
        load_skeletons(tmp_path / "a.npz")
    assert set(FIELDS) >= {"xyz", "off"}


def test_from_the_front_a_standing_person_stands() -> None:
    camera = Camera(height_m=0.875, distance_m=4.0, aspect=1.0)
    (frame,) = project(standing(1), camera)
    # Level with the middle of the body: heights become heights, at one part in four.
    assert frame[0, 1] < frame[11, 1] < frame[15, 1]
    assert frame[15, 1] - frame[0, 1] == pytest.approx(1.5 / 4, rel=0.01)
    # The person's left shoulder is at the right of the picture.
    assert frame[5, 0] - frame[6, 0] == pytest.approx(0.4 / 4, rel=0.01)
    assert frame[:, :2].mean() == pytest.approx(0.5, abs=0.1)


def test_from_behind_left_and_right_change_sides() -> None:
    (frame,) = project(standing(1), Camera(azimuth=math.pi, aspect=1.0))
    assert frame[5, 0] < frame[6, 0]


def test_a_mirror_shows_a_person_who_may_be_real() -> None:
    (frame,) = project(standing(1), Camera(mirrored=True, aspect=1.0))
    assert frame[5, 0] > frame[6, 0]
    assert [MIRRORED[i] for i in MIRRORED] == list(range(17))


def test_from_above_a_person_is_short() -> None:
    level = project(standing(1), Camera(height_m=0.9, distance_m=4.0, aspect=1.0))[0]
    steep = project(standing(1), Camera(height_m=6.0, distance_m=1.0, aspect=1.0))[0]

    def form(frame: FloatArray) -> float:
        return float(np.ptp(frame[:, 1]) / np.ptp(frame[:, 0]))

    assert form(steep) < 0.5 * form(level)


def test_what_is_missing_or_behind_the_lens_is_not_seen() -> None:
    joints = standing(2)
    joints[0, 0] = np.nan
    joints[1, 5] = (0, 1.4, 9)
    first, second = project(joints, Camera())
    assert first[0].tolist() == [0, 0, 0]
    assert second[5].tolist() == [0, 0, 0]
    assert np.isfinite([first, second]).all()


def test_without_errors_only_the_picture_cuts() -> None:
    joints = project(standing(4), Camera(aim=(0.5, 1.0), aspect=1.0))
    found = degrade(joints, everywhere(4), 1.0, NO_ERRORS, RANDOM)
    below = joints[..., 1] > 1
    assert below.any()
    assert (found[below] == 0).all()
    assert np.array_equal(found[~below], joints[~below])


def test_errors_are_as_large_as_said() -> None:
    joints = project(standing(400), Camera(aspect=1.0))
    errors = replace(NO_ERRORS, jitter=0.02, lost=0.25)
    found = degrade(joints, everywhere(400), 1.0, errors, np.random.default_rng(1))
    seen = found[..., 2] > 0
    assert 1 - seen.mean() == pytest.approx(0.25, abs=0.02)
    off = (found - joints)[..., :2][seen]
    length = max(np.ptp(joints[0, :, 0]), np.ptp(joints[0, :, 1]))
    assert off.std() == pytest.approx(0.02 * length, rel=0.05)


def test_of_somebody_who_lies_joints_are_lost_for_which_there_is_no_evidence() -> None:
    """Fewer than of somebody who stands, as measured; wrists before shoulders, not all at once."""
    errors, random = replace(NO_ERRORS, unclear=True), np.random.default_rng(2)
    joints = np.ones((16, 17, 3), np.float32) * [0.5, 0.5, 1]
    shares = {}
    for form, box in (("stands", (0.4, 0.1, 0.6, 0.9)), ("lies", (0.1, 0.4, 0.9, 0.6))):
        boxes = np.tile(box, (16, 1))
        seen = np.stack([degrade(joints, boxes, 1.0, errors, random)[..., 2] for _ in range(300)])
        shares[form] = seen.mean()
        assert seen[..., [5, 6]].mean() > seen[..., [9, 10]].mean() + 0.05
        # What is lost stays lost for a while: less often another than if each frame were drawn.
        changes = np.abs(np.diff(seen, axis=1)).mean()
        assert changes < 1.2 * seen.mean() * (1 - seen.mean())
    assert shares["stands"] > 0.85
    assert 0.3 < shares["lies"] < 0.5
    # Who is not found has no joints.
    assert not degrade(joints, np.zeros((16, 4)), 1.0, errors, random).any()


def test_where_there_is_no_evidence_joints_are_somewhere_near() -> None:
    errors, random = replace(NO_ERRORS, blur=0.1), np.random.default_rng(3)
    joints = project(standing(300), Camera(aspect=1.0))
    boxes = boxes_of(joints, 1.0, NO_ERRORS, RANDOM)
    off = (degrade(joints, boxes, 1.0, errors, random) - joints)[..., :2]
    length = float(np.ptp(joints[0, :, 1]))
    assert 0 < off[:, [5, 6]].std() < off[:, [9, 10]].std() < 0.1 * length


def test_other_bodies_make_the_same_movement() -> None:
    """Parts have other lengths and the same directions; what is not known stays so."""
    joints = falling(9)
    joints[0, 15] = np.nan
    found = other_body(joints, (1.2, 1.2), np.random.default_rng(0))
    for near, far in ((5, 7), (7, 9), (12, 14)):
        before, after = joints[:, far] - joints[:, near], found[:, far] - found[:, near]
        np.testing.assert_allclose(after, 1.2 * before, atol=1e-5)
    assert np.isnan(found[0, 15]).all()
    assert np.isfinite(found[1:]).all()
    joints[3, 11] = np.nan
    assert np.array_equal(
        other_body(joints, (1.2, 1.2), np.random.default_rng(0))[3], joints[3], equal_nan=True
    )
    same = other_body(joints, (1.0, 1.0), np.random.default_rng(0))
    np.testing.assert_allclose(same, joints, atol=1e-6)


def test_boxes_hold_the_joints_that_are_seen() -> None:
    joints = project(falling(10), Camera(aspect=16 / 9))
    joints[3, FEWEST_JOINTS - 1 :] = 0
    boxes = boxes_of(joints, 16 / 9, NO_ERRORS, RANDOM)
    assert not boxes[3].any()
    for frame, box in zip(joints, boxes, strict=True):
        if box.any():
            left, top, right, bottom = box
            assert (frame[:, 0] > left).all() and (frame[:, 0] < right).all()
            assert (frame[:, 1] > top).all() and (frame[:, 1] < bottom).all()


def test_a_fall_looks_like_one_from_anywhere() -> None:
    """The box turns from tall to flat, and its upper edge goes down."""
    settings = ViewSettings(num_frames=10, frame_rate_hz=8.0, errors=NO_ERRORS)
    for azimuth in (0.0, 0.5, math.pi):
        joints = project(falling(10), Camera(azimuth=azimuth, height_m=1.5, distance_m=6.0))
        found = view_features(joints, 16 / 9, settings, RANDOM)
        form, upper = found[:, -6], found[1:, -4]
        assert form[0] < -0.5 < 0 < form[-1]
        assert upper.mean() > 0.3


def test_views_differ_and_repeat() -> None:
    skeleton = Skeleton(falling(30), False, 15.0, "falling", "a", "made")
    settings = ViewSettings()
    one, two = (random_view(skeleton, settings, np.random.default_rng(s)) for s in (1, 2))
    again = random_view(skeleton, settings, np.random.default_rng(1))
    assert one.shape == (16, ROW_SIZE)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
    assert np.isfinite([one, two]).all()


def test_flat_skeletons_have_views_too() -> None:
    pixels = project(falling(30), Camera(aspect=1.0)) * [640, 640, 1]
    skeleton = Skeleton(pixels.astype(np.float32), True, 15.0, "falling", "a", "made")
    errors = replace(NO_ERRORS, lost=0.0)
    found = random_view(skeleton, ViewSettings(errors=errors), np.random.default_rng(3))
    assert found[:, -6].max() > found[:, -6].min()
    assert (found[:, 2:POSE_SIZE:3] == 1).all()  # every joint is seen, and inside
    empty = replace(skeleton, joints=np.zeros_like(skeleton.joints))
    assert (random_view(empty, ViewSettings(), np.random.default_rng(3)) == 0).all()


def test_short_sequences_are_held_and_long_ones_cut() -> None:
    settings = ViewSettings(errors=NO_ERRORS, speed=(1.0, 1.0))
    for count in (1, 3, 200):
        skeleton = Skeleton(standing(count), False, 15.0, "standing", "a", "made")
        assert random_view(skeleton, settings, np.random.default_rng(4)).shape == (16, ROW_SIZE)


def test_cameras_are_where_people_mount_them() -> None:
    random = np.random.default_rng(5)
    cameras = [random_camera(random) for _ in range(200)]
    assert {camera.mirrored for camera in cameras} == {False, True}
    seen = [project(standing(1), camera)[0] for camera in cameras]
    inside = [((f[:, :2] > 0) & (f[:, :2] < 1)).all() for f in seen]
    assert np.mean(inside) > 0.6
    assert {c.height_m > 2 * c.distance_m for c in cameras} == {False, True}  # some look down
    assert Errors() != NO_ERRORS


def test_views_at_once_are_the_same_as_one_by_one() -> None:
    """Of long and short ones, flat ones, and one of which nothing is known."""
    pixels = (project(falling(30), Camera(aspect=1.0)) * [640, 640, 1]).astype(np.float32)
    unknown = np.full_like(standing(9), np.nan)
    skeletons = [
        Skeleton(joints, flat, 15.0, "a", "b", "made")
        for joints, flat in (
            (falling(30), False), (standing(5), False), (pixels, True), (unknown, False),
            (falling(70), False), (np.zeros_like(pixels), True),
        )
    ]  # fmt: skip

    def drawn(number: int) -> np.random.Generator:
        return np.random.default_rng(number)

    for settings in (ViewSettings(), ViewSettings(num_frames=7, errors=NO_ERRORS)):
        randoms = [drawn(number) for number in range(6)]
        together = random_views(skeletons, settings, randoms)
        alone = [random_view(one, settings, drawn(number)) for number, one in enumerate(skeletons)]
        np.testing.assert_allclose(together, alone, atol=1e-6)
        assert not together[3].any() and not together[5].any()
        assert together[[0, 1, 2, 4]].any(axis=(1, 2)).all()
