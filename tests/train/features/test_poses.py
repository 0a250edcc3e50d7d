"""Rows of pose sets: tracks as they are, views that differ, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_edge.datasets import Sample
from har_edge.people.pose import JOINTS
from har_edge.recognition.tracks_file import track_rows, write_tracks
from har_train.features.poses import PoseRendering, encode_poses
from har_train.skeletons.degrade import NO_ERRORS
from har_train.skeletons.tracks import track_view
from har_train.skeletons.views import ViewSettings
from tests.support.skeletons import save, standing
from tests.support.tracks import made_track

BOTH = PoseRendering(("pose", "motion"), num_frames=16, frame_rate_hz=8.0)
SAME = ViewSettings(speed=(1.0, 1.0), lengths=(1.0, 1.0), errors=NO_ERRORS)


def sample(path: Path, number: int = 0) -> Sample:
    return Sample(path.with_name(f"{path.name}#{number}"), "a", "b")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_first_view_of_a_track_is_what_was_seen(tmp_path: Path) -> None:
    track = made_track(20)
    write_tracks(tmp_path / "a.npz", [made_track(5, seed=1), track])
    (found,) = encode_poses([sample(tmp_path / "a.npz", 1)], BOTH)
    assert np.array_equal(found.features, track_rows(track, ("pose", "motion")))
    (pose,) = encode_poses([sample(tmp_path / "a.npz", 1)], replace(BOTH, inputs=("pose",)))
    assert np.array_equal(pose.features, found.features[:, :39])


def test_without_errors_a_view_is_the_track() -> None:
    track = made_track(20)
    track.boxes[5:8] = 0
    found = track_view(track, SAME, rng(), flip=False)
    np.testing.assert_allclose(found, track_rows(track, ("pose", "motion")), atol=1e-5)
    assert not found[5:8].any()


def test_a_mirrored_track_moves_the_other_way() -> None:
    track = made_track(20)
    plain = track_rows(track, ("pose", "motion"))
    turned = next(
        view
        for view in (track_view(track, SAME, rng(seed)) for seed in range(20))
        if not np.allclose(view, plain, atol=1e-5)
    )
    # The box keeps its form and its ups and downs; its middle goes to the other side.
    np.testing.assert_allclose(turned[:, [39, 41, 42]], plain[:, [39, 41, 42]], atol=1e-4)
    np.testing.assert_allclose(turned[:, 40], -plain[:, 40], atol=1e-4)
    # The left wrist is where the right one was, on the other side of the hips.
    left, right = (slice(3 * n, 3 * n + 3) for n in map(JOINTS.index, (9, 10)))
    np.testing.assert_allclose(turned[:, left], plain[:, right] * [-1, 1, 1], atol=1e-4)


def test_speed_changes_the_number_of_frames_and_how_fast_a_box_moves() -> None:
    track = made_track(41)
    steady = np.linspace(0, 0.4, 41)
    track.boxes[:] = np.stack([steady, 0.2 + 0 * steady, steady + 0.2, 0.8 + 0 * steady], axis=1)
    slow = track_view(track, replace(SAME, speed=(0.5, 0.5)), rng(), flip=False)
    plain = track_view(track, SAME, rng(), flip=False)
    assert len(slow) == 81
    np.testing.assert_allclose(slow[1:, 40], plain[1, 40] / 2, rtol=1e-4)


def test_views_differ_and_can_be_had_again(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.npz", [made_track(20)])
    skeletons = save(tmp_path / "b.npz")
    samples = [sample(tmp_path / "a.npz"), sample(skeletons), sample(skeletons, 1)]
    views = [encode_poses(samples, replace(BOTH, view=number)) for number in (0, 1, 2, 1)]
    for zero, one, two, again in zip(*views, strict=True):
        assert np.array_equal(one.features, again.features)
        lengths = {len(view.features) for view in (zero, one, two)}
        if len(lengths) == 1:
            assert not np.array_equal(one.features, two.features)
            assert not np.array_equal(zero.features, one.features)
    (other,) = encode_poses(samples[:1], replace(BOTH, view=1, seed=1))
    same = len(other.features) == len(views[1][0].features)
    assert not (same and np.array_equal(other.features, views[1][0].features))


def test_the_first_view_does_not_depend_on_the_seed(tmp_path: Path) -> None:
    """So that a model is judged on the same rows, whatever it was trained with."""
    samples = [sample(save(tmp_path / "b.npz"))]
    (one,) = encode_poses(samples, BOTH)
    (two,) = encode_poses(samples, replace(BOTH, seed=5, strength=3.0))
    assert np.array_equal(one.features, two.features)
    assert one.features.shape == (16, 45)


def test_two_people_of_a_skeleton_set_have_a_number_each(tmp_path: Path) -> None:
    pair = np.concatenate([standing(12), standing(12)], axis=1)
    path = save(tmp_path / "a.npz", kind="3d2p", xyz=pair)
    found = encode_poses([sample(path, number) for number in range(4)], BOTH)
    assert len({item.sha256 for item in found}) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b.npz#2", "has the sequences 0 to 1. Received 2"),
        ("gone.npz#0", "gone.npz"),
        ("c.npz#0", "should be a pose set"),
    ],
)
def test_what_cannot_be_read_is_said_and_left_out(name: str, message: str, tmp_path: Path) -> None:
    save(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes(b"PK no zip")
    said: list[str] = []
    samples = [Sample(tmp_path / name, "a", "b"), sample(tmp_path / "b.npz")]
    found = encode_poses(samples, BOTH, skipped=said.append)
    assert [item.sample for item in found] == samples[1:]
    assert len(said) == 1
    assert message in said[0]
