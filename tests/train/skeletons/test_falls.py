"""People who come down without having fallen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import FloatArray
from har_train.skeletons.falls import FPS, LENGTH_S, Kind, can_come_down, come_down, hold
from har_train.skeletons.sets import Skeleton, load_skeletons, save_skeletons
from tests.support.skeletons import falling, standing

STANDS = Skeleton(standing(30), False, 15.0, "standing", "mine/a", "mine")
HIPS, LEGS = [11, 12], ((11, 13, 15), (12, 14, 16))
STIFF = ((5, 6), (5, 11), (6, 12), (11, 12), (0, 5), (5, 7), (7, 9), (6, 8), (8, 10))


def down(kind: Kind, seed: int) -> Skeleton:
    return come_down(STANDS, kind, np.random.default_rng(seed))


def hips_of(joints: FloatArray) -> FloatArray:
    return np.asarray(joints[:, HIPS, 1].mean(axis=1))


@pytest.mark.parametrize("seed", range(8))
def test_a_fall_begins_upright_and_ends_on_the_floor(seed: int) -> None:
    fell = down("falling", seed)
    assert fell.joints.shape == (round(LENGTH_S * FPS), 17, 3)
    assert (fell.label, fell.group, fell.source, fell.fps) == ("falling", "mine/a", "mine", FPS)
    heights = hips_of(fell.joints)
    assert heights[0] > 0.75
    assert heights[-1] < 0.45  # up to a fifth of the way may be missing
    assert fell.joints[..., 1].min() > 0


@pytest.mark.parametrize("seed", range(4))
def test_bones_keep_their_lengths(seed: int) -> None:
    fell = down("falling", seed).joints
    above = fell[..., 1].min(axis=1) > 0.15  # joints below the floor are lifted onto it
    for start, end in (*STIFF, *(pair for leg in LEGS for pair in pairwise(leg))):
        lengths = np.linalg.norm(fell[:, start] - fell[:, end], axis=1)
        assert lengths[above] == pytest.approx(float(lengths[0]), rel=0.01), (start, end)


def test_lying_down_is_slower_than_falling() -> None:
    def fastest(kind: Kind, seed: int) -> float:
        return float(-np.diff(hips_of(down(kind, seed).joints)).min() * FPS)

    fast = [fastest("falling", seed) for seed in range(20)]
    slow = [fastest("lying down", seed) for seed in range(20)]
    assert max(slow) < 1.0 < np.median(fast)


def test_who_lies_stays_low() -> None:
    lying = down("lying", 3)
    assert lying.label == "lying"
    assert hips_of(lying.joints).max() < 0.3
    assert not np.array_equal(lying.joints[0], lying.joints[-1])


def test_only_who_stands_in_full_view_can_come_down() -> None:
    assert can_come_down(STANDS)
    assert not can_come_down(replace(STANDS, flat=True))
    assert not can_come_down(replace(STANDS, joints=falling(20)))
    hidden = STANDS.joints.copy()
    hidden[3, 9] = np.nan
    assert not can_come_down(replace(STANDS, joints=hidden))
    without_ears = STANDS.joints.copy()
    without_ears[:, 1:5] = np.nan
    assert can_come_down(replace(STANDS, joints=without_ears))


def test_joints_that_a_set_lacks_stay_unknown() -> None:
    joints = STANDS.joints.copy()
    joints[:, 1:5] = np.nan
    fell = come_down(replace(STANDS, joints=joints), "falling", np.random.default_rng(0)).joints
    assert np.isnan(fell[:, 1:5]).all()
    assert np.isfinite(np.delete(fell, [1, 2, 3, 4], axis=1)).all()


def test_an_end_is_held() -> None:
    moving = replace(STANDS, joints=falling(40), label="falling")
    lies, stands = hold(moving, "lying", end=True), hold(moving, "standing", end=False)
    assert (lies.label, stands.label) == ("lying", "standing")
    assert len(lies.joints) == len(stands.joints) == 45
    assert hips_of(lies.joints).max() < 0.35
    assert hips_of(stands.joints).min() > 0.75
    assert np.array_equal(lies.joints[5], lies.joints[6])  # to and fro


def test_what_was_made_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "falls.npz"
    save_skeletons(path, [STANDS, down("falling", 1)])
    first, second = load_skeletons(path)
    assert (first.label, second.label, second.fps) == ("standing", "falling", FPS)
    assert second.group == "falls/mine/a"
    assert np.allclose(second.joints, down("falling", 1).joints, atol=2e-3)
    with pytest.raises(ValueError, match="pixels"):
        save_skeletons(path, [replace(STANDS, flat=True)])
