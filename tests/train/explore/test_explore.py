"""Every defect is found where it was planted, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.datasets import SPLITS, Sample
from har_edge.frames.opencv import import_cv2
from har_train.explore import scan
from har_train.explore.scan import read_facts
from tests.support.exploring import Unstated, kinds_of, look, only, photo, photos
from tests.train.conftest import MakeClip

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    "folders", [("walk", "fall"), [f"{s}/{c}" for s in SPLITS for c in ("walk", "fall")]]
)
def test_a_clean_dataset_has_no_finding(folders: list[str], tmp_path: Path) -> None:
    assert look(photos(tmp_path, *folders)).findings == []


def test_clean_clips_have_no_finding(clips: Path) -> None:
    assert look(clips, num_frames=3, frame_rate_hz=5.0).findings == []


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_unreadable_stills(content: bytes | None, tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    path = photo(tmp_path / "walk" / "bad.jpg", 99)
    # Cut short, the head is whole: only decoding all of it shows the damage.
    path.write_bytes(path.read_bytes()[:-400] if content is None else content)
    kind, split, shown, _, detail = only(look(tmp_path))
    assert (kind, split, shown) == ("unreadable", "all", "walk/bad.jpg")
    assert "bad.jpg" in detail


def write_avi(path: Path, count: int = 100) -> bytes:
    """Write an AVI: its header comes first, so that damage behind it shows late."""
    cv2 = import_cv2()
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for i in range(count):
        writer.write(np.roll(np.full((48, 64, 3), 30, np.uint8) + np.arange(64, dtype=np.uint8)
                             [:, None], 2 * i, axis=1))  # fmt: skip
    writer.release()
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.4, 0.7])
def test_unreadable_clips(share: float, tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    content = write_avi(tmp_path / "walk" / "clip.avi")
    assert look(tmp_path).findings == []
    (tmp_path / "walk" / "clip.avi").write_bytes(content[: int(share * len(content))])
    assert only(look(tmp_path))[:3] == ("unreadable", "all", "walk/clip.avi")


def test_thorough_decodes_all_of_a_clip(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    path = tmp_path / "walk" / "clip.avi"
    content = bytearray(write_avi(path))
    # A hole between the frames that a quick look takes.
    start, stop = int(0.6 * len(content)), int(0.8 * len(content))
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    assert look(tmp_path).findings == []
    assert only(look(tmp_path, thorough=True))[:3] == ("unreadable", "all", "walk/clip.avi")


def test_rows_that_cannot_be_used(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall", count=2)
    rows = [f"{c}/{c}{i}.png,{c}" for c in ("walk", "fall") for i in range(2)]
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    assert look(table).findings == []
    table.write_text("\n".join(["path,label", "gone.png,walk", *rows]), encoding="utf-8")
    kind, _, path, _, detail = only(look(table))
    assert (kind, path) == ("unreadable", "gone.png")
    assert "line 2" in detail


def test_few_and_empty_classes(tmp_path: Path) -> None:
    photos(tmp_path, "train/walk", "train/fall", "test/walk", "test/fall")
    assert look(tmp_path, min_samples=8).findings == []
    (tmp_path / "train" / "run").mkdir()
    (tmp_path / "test" / "fall" / "test-fall0.png").unlink()
    assert [(f.kind, f.detail) for f in look(tmp_path, min_samples=8).findings] == [
        ("few", "class 'fall' has 7 of at least 8 samples (train 4, test 3)"),
        ("few", "class 'run' has 0 of at least 8 samples"),
    ]


def test_constant_labels(tmp_path: Path) -> None:
    photos(tmp_path, "train/walk", "train/fall", "test/walk")
    kind, split, *_, detail = only(look(tmp_path))
    assert (kind, split, detail) == (
        "constant-labels", "test", "all 4 labels of 'test' are 'walk'",
    )  # fmt: skip
    one_class = look(photos(tmp_path / "one", "walk"))
    assert kinds_of(one_class) == {"constant-labels": 1}


def test_published_test_labels_that_are_all_the_same(tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / "train" / f"Image_{i}.jpg", i)
    rows = "".join(f"Image_{i}.jpg,{'sitting' if i % 2 else 'eating'}\n" for i in range(4))
    (tmp_path / "Training_set.csv").write_text(f"filename,label\n{rows}", encoding="utf-8")
    (tmp_path / "Testing_set.csv").write_text("filename\nImage_9.jpg\n", encoding="utf-8")
    assert look(tmp_path).findings == []
    dummies = "filename,label\nImage_8.jpg,sitting\nImage_9.jpg,sitting\n"
    (tmp_path / "Testing_set.csv").write_text(dummies, encoding="utf-8")
    assert only(look(tmp_path))[:2] == ("constant-labels", "test")
    real = "filename,label\nImage_8.jpg,sitting\nImage_9.jpg,eating\n"
    (tmp_path / "Testing_set.csv").write_text(real, encoding="utf-8")
    assert look(tmp_path).findings == []
    # A picture of the test part that is there is looked at.
    photo(tmp_path / "test" / "Image_8.jpg", 1)
    assert only(look(tmp_path))[:2] == ("leakage", "train/test")


@pytest.mark.parametrize(("count", "short"), [(19, True), (20, False)])
def test_short_clips(count: int, short: bool, make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip(tmp_path / "left" / "0.mp4", "left", count=count, seed=1)
    make_clip(tmp_path / "right" / "0.mp4", "right", count=30, seed=2)
    found = look(tmp_path)
    assert found.config.num_frames == 16
    if short:
        assert only(found)[:3] == ("short", "all", "left/0.mp4")
        assert "15 of 16 frames at 8 Hz" in only(found)[4]
    else:
        assert found.findings == []


@pytest.mark.parametrize("pair", [("Walk", "walk"), ("walk ", "walk"), ("läuft", "la\u0308uft")])
def test_case(pair: tuple[str, str], tmp_path: Path) -> None:
    assert only(look(photos(tmp_path / "classes", *pair)))[0] == "case"
    photos(tmp_path / "files", "a", "b")
    for number, name in enumerate(pair):
        photo(tmp_path / "files" / "a" / f"{name}.png", 100 + number)
    kind, split, *paths, _ = only(look(tmp_path / "files"))
    assert (kind, split) == ("case", "all")
    assert set(paths) == {f"a/{name}.png" for name in pair}


def test_facts_of_a_turned_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.new("RGB", (1600, 800), (90, 90, 90)).save(path, exif=exif)
    facts = read_facts(Sample(path, "a", "a"))
    assert (facts.width, facts.height, facts.is_clip) == (800, 1600, False)
    assert facts.brightness == pytest.approx(90, abs=1)


def test_facts_of_a_clip_that_does_not_state_its_length(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = Sample(make_clip(tmp_path / "a.mp4", count=21), "a", "a")
    stated = read_facts(sample)
    monkeypatch.setattr(scan, "VideoSource", Unstated)
    found = read_facts(sample)
    assert (found.num_frames, found.is_clip) == (21, True)
    assert found.frame_rate_hz == pytest.approx(10)
    for frame in (0, 2):
        assert np.array_equal(found.thumbnails[frame], stated.thumbnails[frame])
    assert not np.array_equal(found.thumbnails[1], found.thumbnails[0])
    assert not np.array_equal(found.thumbnails[1], found.thumbnails[2])
