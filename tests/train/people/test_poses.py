"""Tracks of people: rows that are made of them are the runner's, to the bit."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.datasets import Sample, list_dataset
from har_edge.errors import DataError
from har_edge.frames.frame import Frame, Person
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.people.choose import PeopleRule
from har_edge.recognition import people as recognition
from har_edge.recognition.tracks_file import read_tracks, track_rows
from har_edge.sources.clips import span_frames
from har_train.people import poses
from har_train.people.lossless import LosslessVideo
from har_train.people.making import nobody_in
from har_train.people.poses import POSES, PoseConfig, track_people
from tests.support.people import BrightLocator, draw_people

pytest.importorskip("av")
LARGE, SMALL = (0.1, 0.1, 0.4, 0.9), (0.7, 0.3, 0.85, 0.7)
INPUTS = ("pose", "motion")


class JointLocator(BrightLocator):
    """Finds joints, too: all over the box, no two alike, some of them weak."""

    def locate(self, pixels: Pixels) -> tuple[Person, ...]:
        found = super().locate(pixels)
        random = np.random.default_rng(int(pixels.sum()))
        return tuple(replace(person, keypoints=_joints(person.box, random)) for person in found)


def _joints(box: Box, random: np.random.Generator) -> FloatArray:
    share = random.random((17, 3)).astype(np.float32)
    share[:, :2] = box[:2] + share[:, :2] * np.subtract(box[2:], box[:2])
    return share


def film(path: Path, moments: Sequence[Sequence[Box]], rate_hz: float = 8.0) -> Path:
    """A video of drawn people."""
    video = LosslessVideo(path, rate_hz, (60, 80))
    for i, boxes in enumerate(moments):
        video.write(draw_people(boxes, shade=7 * i))
    video.close()
    return path


def runner_rows(video: Path, rule: PeopleRule, monkeypatch: pytest.MonkeyPatch) -> list[FloatArray]:
    """The rows that the runner makes of a video."""
    rows, make = list[FloatArray](), recognition.head_row

    def record(*arguments: object, **named: object) -> FloatArray:
        rows.append(make(*arguments, **named))  # type: ignore[arg-type]
        return rows[-1]

    monkeypatch.setattr(recognition, "head_row", record)
    spec = ModelSpec(
        "poses", ("a", "b"), ClipSpec(4, 8.0, 32, 32), 0, view="person", head_inputs=INPUTS
    )
    model = cast(LoadedModel, SimpleNamespace(spec=spec))
    looker = recognition.PeopleRecognizer(model, JointLocator(), rule)
    for frame in span_frames(video, 8.0):
        looker.look(frame, predict=False)
    return rows


# A rate that 8 frames a second do not go into: steps are of different length.
@pytest.mark.parametrize(("rate_hz", "locate_every"), [(8.0, 1), (30.0, 1), (30.0, 2)])
def test_rows_are_those_of_the_runner(
    rate_hz: float, locate_every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In view only after a while, so that the track has a start of its own.
    walk: list[list[Box]] = [[]] * 5
    walk += [[(0.1 + 0.003 * i, 0.2, 0.3 + 0.005 * i, 0.9)] for i in range(80)]
    video = film(tmp_path / "walk.mkv", walk, rate_hz)
    config = PoseConfig(rule=PeopleRule(locate_every))
    sample = Sample(video, "walking", "anna", "train")
    (made,) = track_people([sample], JointLocator(), config, tmp_path / "poses")
    assert (made.label, made.group, made.split) == ("walking", "anna", "train")
    (track,) = read_tracks(tmp_path / "poses" / "tracks" / made.path.name.removesuffix("#0"))
    found = track_rows(track, INPUTS, frame_rate_hz=8.0)
    expected = np.stack(runner_rows(video, config.rule, monkeypatch))
    assert len(expected) > 15
    np.testing.assert_array_equal(found, expected)


def test_the_largest_is_kept_or_everyone(tmp_path: Path) -> None:
    sample = Sample(film(tmp_path / "two.mkv", [[LARGE, SMALL]] * 10), "waving", "a")
    (largest,) = track_people([sample], JointLocator(), PoseConfig(), tmp_path / "largest")
    config = PoseConfig(everyone=True)
    both = track_people([sample], JointLocator(), config, tmp_path / "both")
    assert [path.path.name[-2:] for path in both] == ["#0", "#1"]
    (path,) = (tmp_path / "largest" / "tracks").iterdir()
    (track,) = read_tracks(path)
    assert (track.label, track.group, track.fps) == ("waving", "a", 8.0)
    assert largest.path == path.with_name(f"{path.name}#0")
    assert np.allclose(np.median(track.boxes, axis=0), LARGE, atol=0.05)


def test_the_list_trains(tmp_path: Path) -> None:
    samples = [
        Sample(film(tmp_path / "seen.mkv", [[LARGE]] * 10), "waving", "b", "test"),
        Sample(film(tmp_path / "empty.mkv", [[]] * 4), "other", "a"),
    ]
    out = tmp_path / "poses"
    made = track_people(samples, JointLocator(), PoseConfig(), out)
    assert nobody_in(samples, made, POSES) == {"other": 1}
    listed = list_dataset(out / "poses.csv")
    assert listed.problems == []
    assert listed.samples == made
    assert listed.samples[0].is_pose
    made[0].path.with_name(made[0].path.name.removesuffix("#0")).unlink()
    assert track_people(samples, JointLocator(), PoseConfig(), out) == made
    with (out / "poses.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1  # what was deleted is listed no more


def test_a_still_is_a_track_of_one_frame(tmp_path: Path) -> None:
    picture = tmp_path / "still.png"
    Image.fromarray(draw_people([LARGE])).save(picture)
    out = tmp_path / "poses"
    track_people([Sample(picture, "sitting", "b")], JointLocator(), PoseConfig(), out)
    (path,) = (out / "tracks").iterdir()
    assert len(read_tracks(path)[0].boxes) == 1


def test_it_goes_on_where_it_was_and_with_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [
        Sample(film(tmp_path / f"{i}.mkv", [[LARGE]] * 9), "waving", f"{i}") for i in range(2)
    ]
    out, looked = tmp_path / "poses", list[Path]()
    first = track_people(samples[:1], JointLocator(), PoseConfig(), out)

    def frames(path: Path, *arguments: float) -> object:
        looked.append(path)
        return span_frames(path, *arguments)

    monkeypatch.setattr(poses, "span_frames", frames)
    both = track_people(samples, JointLocator(), PoseConfig(), out)
    assert both[:1] == first
    assert looked == [samples[1].path]
    with pytest.raises(DataError, match=r"begun with other settings \(everyone\)"):
        track_people(samples, JointLocator(), PoseConfig(everyone=True), out)


def test_without_joints_there_are_zeros(tmp_path: Path) -> None:
    """As the runner has it with a network that finds boxes alone."""
    stretch = poses._Stretch()
    frame = Frame(np.zeros((60, 80, 3), np.uint8), 0.0, 0, "x", 0.0)
    stretch.add(frame, Person(0.9, LARGE))
    rows = track_rows(stretch.track(Sample(tmp_path, "a", "b"), 8.0), INPUTS)
    assert not rows[0, :39].any()
    assert rows[0, 39] != 0
