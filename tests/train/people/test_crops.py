"""Crops of single people: what training sees is what the runner encodes, to the pixel."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.datasets import Sample, list_dataset
from har_edge.errors import DataError
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.people.choose import PeopleRule
from har_edge.recognition.people import PeopleRecognizer
from har_edge.sources.clips import load_frames, span_frames
from har_train.people.crops import CROPS, CropConfig, cut_people
from har_train.people.lossless import LosslessVideo
from har_train.people.making import nobody_in
from tests.conftest import ASSETS
from tests.support.people import BrightLocator, draw_people

pytest.importorskip("av")
TINY = ASSETS / "tiny-int8.tflite"
RATE_HZ = 5.0  # the small model's
LARGE, SMALL = (0.1, 0.1, 0.4, 0.9), (0.7, 0.3, 0.85, 0.7)


def film(path: Path, moments: Sequence[Sequence[Box]]) -> Path:
    """A video of drawn people, a moment for each frame that the model takes."""
    video = LosslessVideo(path, RATE_HZ, (60, 80))
    for i, boxes in enumerate(moments):
        video.write(draw_people(boxes, shade=7 * i))
    video.close()
    return path


def config(**changes: object) -> CropConfig:
    plain = CropConfig(load_model(TINY).spec.clip, least_frames=4)
    return replace(plain, **changes)  # type: ignore[arg-type]


def encoded(video: Path, rule: PeopleRule, monkeypatch: pytest.MonkeyPatch) -> list[Pixels]:
    """The crops that the runner encodes of a video."""
    model, seen = load_model(TINY), list[Pixels]()

    def encode(self: LoadedModel, frame: Pixels) -> FloatArray:
        seen.append(frame.copy())
        return np.zeros(self.spec.feature_size, np.float32)

    monkeypatch.setattr(LoadedModel, "encode", encode)
    looker = PeopleRecognizer(model, BrightLocator(), rule)
    for frame in span_frames(video, model.spec.clip.frame_rate_hz):
        looker.look(frame)
    return seen


def test_crops_are_what_the_runner_encodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = [[(0.1 + 0.02 * i, 0.2, 0.3 + 0.02 * i, 0.9)] for i in range(9)]
    video = film(tmp_path / "walk.mkv", walk)
    settings = config(rule=PeopleRule(locate_every=2))
    sample = Sample(video, "walking", "anna", "train")
    (crop,) = cut_people([sample], BrightLocator(), settings, tmp_path / "crops")
    assert (crop.label, crop.group, crop.split) == ("walking", "anna", "train")
    expected = encoded(video, settings.rule, monkeypatch)
    np.testing.assert_array_equal(load_frames(crop.path, settings.clip), np.stack(expected))
    assert len(expected) == 9


def test_the_largest_is_kept_or_everyone(tmp_path: Path) -> None:
    video = film(tmp_path / "two.mkv", [[LARGE, SMALL]] * 6)
    sample = Sample(video, "waving", "a")
    (largest,) = cut_people([sample], BrightLocator(), config(), tmp_path / "largest")
    both = cut_people([sample], BrightLocator(), config(everyone=True), tmp_path / "both")
    assert len(both) == 2
    frames = [load_frames(crop.path, config().clip) for crop in both]
    first = load_frames(largest.path, config().clip)
    assert sum(np.array_equal(first, other) for other in frames) == 1


def test_who_comes_back_begins_a_new_clip(tmp_path: Path) -> None:
    # Away for longer than a track lives.
    moments: list[list[Box]] = [[LARGE]] * 6 + [[]] * 30 + [[LARGE]] * 5
    video = film(tmp_path / "back.mkv", moments)
    sample = Sample(video, "waving", "a")
    made = cut_people([sample], BrightLocator(), config(everyone=True), tmp_path / "crops")
    assert len(made) == 2
    (only,) = cut_people(
        [sample], BrightLocator(), config(everyone=True, least_frames=40), tmp_path / "long"
    )
    assert len(load_frames(only.path, config().clip)) >= 6  # the longest, since none is long enough


def test_a_span_and_a_still(tmp_path: Path) -> None:
    video = film(tmp_path / "long.mkv", [[LARGE]] * 24)
    picture = tmp_path / "still.png"
    Image.fromarray(draw_people([LARGE])).save(picture)
    samples = [Sample(video, "waving", "a", "", 1.0, 2.6), Sample(picture, "sitting", "b")]
    span, still = cut_people(samples, BrightLocator(), config(), tmp_path / "crops")
    assert len(load_frames(span.path, config().clip)) == 8
    assert still.path.suffix == ".png"
    assert load_frames(still.path, config().clip).shape == (1, *config().clip.frame_shape)


def test_files_without_people_are_counted(tmp_path: Path) -> None:
    samples = [
        Sample(film(tmp_path / "empty.mkv", [[]] * 4), "other", "a"),
        Sample(film(tmp_path / "seen.mkv", [[LARGE]] * 4), "waving", "b"),
    ]
    made = cut_people(samples, BrightLocator(), config(), tmp_path / "crops")
    assert [crop.label for crop in made] == ["waving"]
    assert nobody_in(samples, made, CROPS) == {"other": 1}


def test_a_file_that_is_none_is_said_and_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    lines: list[str] = []
    samples = [Sample(broken, "waving", "a")]
    assert (
        cut_people(samples, BrightLocator(), config(), tmp_path / "c", skipped=lines.append) == []
    )
    assert "broken.mp4" in lines[0]


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    samples = [
        Sample(film(tmp_path / f"{i}.mkv", [[LARGE]] * 4), "waving", f"{i}") for i in range(3)
    ]
    out, counts = tmp_path / "crops", list[int]()

    def interrupt(done: int) -> None:
        counts.append(done)
        if len(counts) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_people(samples, BrightLocator(), config(), out, progress=interrupt)
    journal = out / "crops.jsonl"
    journal.write_text(journal.read_text() + '{"sample": "cut')  # a kill in a write
    locator = BrightLocator()
    assert len(cut_people(samples, locator, config(), out)) == 3
    assert locator.looked == 2  # of the third file alone
    with pytest.raises(DataError, match=r"begun with other settings \(least_frames\)"):
        cut_people(samples, locator, config(least_frames=5), out)


def test_the_list_leaves_out_what_was_deleted(tmp_path: Path) -> None:
    samples = [
        Sample(film(tmp_path / f"{i}.mkv", [[LARGE]] * 4), "waving", f"{i}") for i in range(2)
    ]
    out = tmp_path / "crops"
    first, second = cut_people(samples, BrightLocator(), config(), out)
    first.path.unlink()
    cut_people(samples, BrightLocator(), config(), out)
    with (out / "crops.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [f"waving/{second.path.name}"]
    assert [s.path for s in list_dataset(out / "crops.csv").samples] == [second.path]
