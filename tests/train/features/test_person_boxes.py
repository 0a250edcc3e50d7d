"""Where the largest person is, and views of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_edge.frames.decode import load_image
from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.features import person_boxes
from har_train.features.augment import Augmentation
from har_train.features.cache import CachedSample
from har_train.features.person_boxes import (
    WHOLE,
    Box,
    Detector,
    cut,
    drawn_region,
    find_people,
    largest_box,
)
from har_train.training.fit import fit
from har_train.training.windows import build_fresh_windows

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

# The part of each frame that is bright.
PERSON: Box = (0.25, 0.125, 0.75, 0.875)


class Bright:
    """In place of an SSD: who is bright is a person."""

    digest = "bright"
    asked = 0

    def __init__(self, path: Path) -> None:
        del path

    def largest_person(self, frame: np.ndarray) -> Box | None:
        Bright.asked += 1
        rows, columns = np.nonzero(frame[..., 0] > 128)
        if not len(rows):
            return None
        height, width = frame.shape[:2]
        return (
            columns.min() / width, rows.min() / height,
            (columns.max() + 1) / width, (rows.max() + 1) / height,
        )  # fmt: skip


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> type[Bright]:
    monkeypatch.setattr(person_boxes, "Detector", Bright)
    monkeypatch.setattr(Bright, "asked", 0)
    return Bright


@pytest.fixture
def frames(tmp_path: Path) -> list[CachedSample]:
    """A still with a bright part, one without, and a clip with it in the middle frame alone."""
    found = []
    for name, where in (("a", [0]), ("b", []), ("c", [1])):
        pixels = np.zeros((3 if name == "c" else 1, 32, 32, 3), np.uint8)
        pixels[where, 4:28, 8:24] = 200
        np.save(tmp_path / f"{name}.npy", pixels)
        sample = Sample(tmp_path / f"{name}.png", "x", name, "train")
        found.append(CachedSample(sample, name, tmp_path / f"{name}.npy", len(pixels)))
    return found


def test_people_are_found_once(
    frames: list[CachedSample], bright: type[Bright], tmp_path: Path
) -> None:
    ticks: list[int] = []
    found = find_people(frames, Path("d"), tmp_path / "cache", ticks.append)
    assert found == {"a": PERSON, "c": PERSON}
    assert (bright.asked, sum(ticks)) == (3, 3)
    assert find_people(frames, Path("d"), tmp_path / "cache") == found
    assert bright.asked == 3
    for broken in ("[1]", "no json", json.dumps({"a": [1, 2]})):
        (tmp_path / "cache" / "people-bright.json").write_text(broken)
        assert find_people(frames, Path("d"), tmp_path / "cache") == found


def test_small_people_are_no_subject() -> None:
    assert largest_box(np.zeros((0, 4))) is None
    assert largest_box(np.array([[0.5, 0.5, 0.6, 0.9]])) is None
    both = np.array([[0.0, 0.0, 0.2, 0.2], [-0.1, 0.5, 1.2, 0.9]])
    assert largest_box(both) == (0.5, 0.0, 0.9, 1.0)


def test_views_are_of_all_three_regions() -> None:
    draws = np.random.default_rng(0)
    regions = [drawn_region({"a": PERSON}, "a", draws) for _ in range(60)]
    assert {WHOLE, PERSON} < set(regions)
    assert len(set(regions)) == 3
    assert all(10 < regions.count(region) < 30 for region in set(regions))
    assert {drawn_region({}, "a", draws) for _ in range(5)} == {WHOLE}
    pixels = np.arange(2 * 8 * 8 * 3).reshape(2, 8, 8, 3).astype(np.uint8)
    np.testing.assert_array_equal(cut(pixels, WHOLE), pixels)
    np.testing.assert_array_equal(cut(pixels, PERSON), pixels[:, 1:7, 2:6])
    assert cut(pixels, (0.99, 0.99, 1.0, 1.0)).shape == (2, 1, 1, 3)


def test_windows_are_drawn_of_the_person(frames: list[CachedSample]) -> None:
    config = FitConfig.of(data="d", num_frames=1, batch_size=2)
    given = {"clip": ClipSpec(1, 5.0, 16, 16), "augmentation": Augmentation(strength=0.0)}
    one = frames[:1]
    people = build_fresh_windows(one, ["x"], config, **given, people={"a": PERSON}).bank
    alone = build_fresh_windows(one, ["x"], config, **given).bank
    views, rows = np.arange(30), np.zeros((30, 1), int)
    shares = [bank.gather(views, rows).mean(axis=(1, 2, 3, 4)) / 200 for bank in (people, alone)]
    kinds = [set(np.round(found, 2)) for found in shares]
    # Tight views are all person, the others in part; without people there is one kind.
    assert len(kinds[0]) == 3
    assert max(kinds[0]) == 1.0
    assert kinds[1] == {min(kinds[0])}
    np.testing.assert_array_equal(people.gather(views, rows), people.gather(views, rows))


@pytest.mark.slow
def test_it_is_trained_with(
    config: FitConfig, cache: Path, bright: type[Bright], tmp_path: Path
) -> None:
    asked = config.with_(
        crop_people="ssd.tflite", fresh_views=True, fine_tune_blocks=1, epochs=1,
        fine_tune_epochs=1, fine_tune_frames=1,
    )  # fmt: skip
    fit(asked, cache=cache)
    assert bright.asked >= 8  # the training clips, of the twelve
    with pytest.raises(DataError, match=r"Received --crop-people ssd\.tflite without it"):
        asked.with_(fresh_views=False, fine_tune_frames=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (None, b"", b"TFL3" * 50):
        path = tmp_path / "d.tflite"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=r"should be a detector as \.tflite.*Check the path"):
            Detector(path)
    tiny = Path(__file__).parents[2] / "assets" / "tiny-int8.tflite"
    with pytest.raises(DataError, match="boxes, classes, scores and count"):
        Detector(tiny)


def test_a_real_detector_finds_someone(data_dir: Path) -> None:
    name = "coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite"
    teacher = data_dir.parent / "pretrained" / "teachers" / name
    picture = data_dir / "har15" / "train" / "Image_4.jpg"
    if not teacher.is_file():
        pytest.skip(f"no detector beside the training data (looked for {teacher})")
    detector = Detector(teacher)
    box = detector.largest_person(load_image(picture))
    assert box
    left, top, right, bottom = box
    assert (right - left) * (bottom - top) > 0.1
    assert detector.largest_person(np.full((300, 300, 3), 128, np.uint8)) is None
