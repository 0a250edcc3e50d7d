"""Files of tracks: what comes back is what was written, and nothing else is taken for one."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import DataError
from har_edge.frames.frame import Person
from har_edge.pose_paths import sequence_of
from har_edge.recognition import tracks_file
from har_edge.recognition.head_row import head_row
from har_edge.recognition.tracks_file import (
    PoseTrack,
    kind_of,
    read_tracks,
    track_rows,
    write_tracks,
)
from tests.support.skeletons import save
from tests.support.tracks import made_track


def people_of(track: PoseTrack) -> list[Person]:
    boxes = [(float(a), float(b), float(c), float(d)) for a, b, c, d in track.boxes]
    return [Person(1.0, box, points) for box, points in zip(boxes, track.keypoints, strict=True)]


def test_tracks_come_back_as_they_were(tmp_path: Path) -> None:
    tracks = [made_track(20, seed=1), made_track(7, seed=2, label="lying", aspect=0.5)]
    write_tracks(tmp_path / "a.npz", tracks)
    assert kind_of(tmp_path / "a.npz") == "track"
    found = read_tracks(tmp_path / "a.npz")
    assert len(found) == 2
    for one, other in zip(tracks, found, strict=True):
        assert np.array_equal(one.keypoints, other.keypoints)
        assert np.array_equal(one.boxes, other.boxes)
        assert (one.label, one.group, one.fps) == (other.label, other.group, other.fps)
        assert other.aspect == pytest.approx(one.aspect)


def test_rows_are_those_of_the_edge() -> None:
    track = made_track(6, seed=3)
    rows = track_rows(track, ("pose", "motion"))
    assert rows.shape == (6, 45)
    people = people_of(track)
    for number, person in enumerate(people):
        expected = head_row(
            ("pose", "motion"),
            None,
            person,
            before=people[number - 1] if number else None,
            seconds=1 / track.fps,
            aspect=track.aspect,
        )
        assert np.allclose(rows[number], expected)
    assert np.array_equal(track_rows(track, ("pose",)), rows[:, :39])
    assert np.array_equal(track_rows(track, ("motion",)), rows[:, 39:])


def test_out_of_view_there_is_nothing_and_no_motion_after_it() -> None:
    track = made_track(8, seed=4)
    track.boxes[3:5] = 0
    rows = track_rows(track, ("pose", "motion"))
    assert track.in_view.tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert not rows[3:5].any()
    assert not rows[5, 40:].any()
    assert rows[6, 40:].any()


def test_frames_are_those_that_the_edge_takes() -> None:
    track = made_track(30, seed=5, fps=30.0)
    assert track.frames_at(8.0) == [0, 4, 8, 12, 15, 19, 23, 27]
    rows = track_rows(track, ("motion",), frame_rate_hz=8.0)
    assert len(rows) == 8
    # Speeds are by the time that passed: 4 frames and once 3.
    people = people_of(track)
    person, before = people[15], people[12]
    assert np.allclose(
        rows[4],
        head_row(("motion",), None, person, before=before, seconds=3 / 30, aspect=track.aspect),
    )
    assert track.frames_at(60.0) == list(range(30))


def test_times_count_where_they_are_known(tmp_path: Path) -> None:
    """At 8 Hz of 30 frames a second, steps are of 0.133 and 0.1 s."""
    times = np.array([0, 4, 8, 12, 15, 19, 23, 27]) / 30
    track = replace(made_track(8, seed=6), times=times)
    write_tracks(tmp_path / "a.npz", [track, track])
    _, found = read_tracks(tmp_path / "a.npz")
    assert found.times is not None
    assert np.array_equal(found.times, times)
    assert found.frames_at(8.0) == list(range(8))
    rows, even = (track_rows(t, ("motion",)) for t in (found, replace(found, times=None)))
    # Centre, and upper and lower edge: speeds.
    assert np.allclose(rows[1:, 1:] * np.diff(times)[:, np.newaxis], even[1:, 1:] / 8)


def test_features_cannot_be_made_of_tracks() -> None:
    with pytest.raises(DataError, match="Received a model that takes features, pose"):
        track_rows(made_track(4), ("features", "pose"))


def test_skeletons_are_no_tracks(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz")
    assert kind_of(path) == "3d"
    with pytest.raises(DataError, match="Received the kind '3d', which are skeletons"):
        read_tracks(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"off": None}, "Received none named off"),
        ({"xyz": np.zeros((12, 18, 3))}, "xyz should have the shape"),
        ({"xyz": np.full((12, 17, 3), np.nan)}, "should be finite"),
        ({"xyz": np.full((12, 17, 3), 1e300)}, "should be finite"),
        ({"box": np.zeros((11, 4))}, "box should have the shape"),
        ({"box": np.tile([[0.5, 0.5, 0.2, 0.9]], (12, 1))}, "boxes should be left, top"),
        ({"off": np.array([0, 5, 11])}, "off should rise from 0"),
        ({"off": np.array([0.0, 5.0, 12.0])}, "off should have an entry"),
        ({"off": np.array(3)}, "off should have an entry"),
        ({"label": np.array(["standing"])}, "an entry for each track"),
        ({"aspect": np.array([1.0, 0.0])}, "fps and aspect should be above 0"),
        ({"fps": np.array(["a", "b"])}, "should be numbers"),
        ({"coco": np.arange(17)[::-1]}, "coco should be 0 to 16"),
        ({"time": np.arange(11.0)}, "time should have an entry for each frame"),
        ({"time": np.repeat(np.arange(6.0), 2)}, "time should rise within each track"),
        ({"time": np.full(12, np.nan)}, "time should rise within each track"),
        ({"label": np.array([{}, {}])}, "cannot be read"),
    ],
)
def test_damage_is_said(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    arrays: dict[str, object] = {
        "box": np.tile(np.array([[0.2, 0.1, 0.4, 0.9]], np.float32), (12, 1)),
        "aspect": np.array([1.5, 1.5]),
    }
    path = save(tmp_path / "a.npz", kind="track", **(arrays | changes))
    with pytest.raises(DataError) as caught:
        read_tracks(path)
    assert message in str(caught.value)
    assert "a.npz" in str(caught.value)


def test_a_file_is_no_larger_than_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    write_tracks(path, [made_track(20)])
    monkeypatch.setattr(tracks_file, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="more than"):
        read_tracks(path)


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="cannot be read"):
        read_tracks(tmp_path / "a.npz")
    with pytest.raises(DataError, match="There is no pose set"):
        read_tracks(tmp_path / "gone.npz")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_tracks(path, [made_track(20)])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("xyz.npy")
    content[entry.header_offset + entry.compress_size // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_tracks(path)


def test_names_of_sequences() -> None:
    assert sequence_of("a/b#1.npz#007") == (Path("a/b#1.npz"), 7)
    for path in ("a.npz", "a.npz#", "a.npz#-1", "a.npz#1.mp4", "a.mp4#1", "a.npz#" + "1" * 10):
        assert sequence_of(path) is None
