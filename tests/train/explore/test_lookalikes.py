"""Copies and look-alikes are found, within a split and across splits, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.frames.opencv import import_cv2
from har_train.explore.lookalikes import find_lookalikes
from tests.support.exploring import kinds_of, look, only, photo, photos, resaved
from tests.train.conftest import MakeClip

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train


@pytest.mark.parametrize("near", [False, True])
def test_duplicates(near: bool, tmp_path: Path) -> None:
    first = photos(tmp_path, "walk", "fall") / "walk" / "walk0.png"
    copy = tmp_path / "walk" / "zz.jpg"
    if near:
        resaved(first, copy)
    else:
        copy.write_bytes(first.read_bytes())
    kind, split, *paths, detail = only(look(tmp_path))
    assert (kind, split, paths) == ("duplicates", "all", ["walk/walk0.png", "walk/zz.jpg"])
    assert detail.startswith("near-duplicate" if near else "identical content")


@pytest.mark.parametrize("near", [False, True])
def test_leakage_of_pictures(near: bool, tmp_path: Path) -> None:
    photos(tmp_path, "train/walk", "train/fall", "test/walk", "test/fall")
    first, copy = tmp_path / "train/walk/train-walk2.png", tmp_path / "test/walk/copy.jpg"
    if near:
        resaved(first, copy)
    else:
        copy.write_bytes(first.read_bytes())
    kind, split, *paths, _ = only(look(tmp_path))
    assert (kind, split) == ("leakage", "train/test")
    assert paths == ["train/walk/train-walk2.png", "test/walk/copy.jpg"]


def test_near_duplicate_clips(make_clip: MakeClip, clips: Path, tmp_path: Path) -> None:
    for number, label in enumerate(("left", "right")):
        make_clip(tmp_path / label / "0.mp4", label, count=24, seed=number)
    assert look(tmp_path).findings == []
    cv2 = import_cv2()
    capture = cv2.VideoCapture(str(tmp_path / "left" / "0.mp4"))
    copy = str(tmp_path / "left" / "1.mp4")
    writer = cv2.VideoWriter(copy, cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (80, 60))
    for _ in range(24):
        writer.write(cv2.resize(capture.read()[1], (80, 60)))
    writer.release()
    assert only(look(tmp_path))[:4] == ("duplicates", "all", "left/0.mp4", "left/1.mp4")


def test_another_tint_is_still_a_near_duplicate_but_another_photo_is_not(tmp_path: Path) -> None:
    first = photos(tmp_path, "walk", "fall") / "walk" / "walk0.png"
    with Image.open(first) as picture:
        darker = picture.point(lambda value: int(value * 0.8))
        darker.save(tmp_path / "walk" / "zz.png")
        # The same greys in other colours: the hash is the same, the picture is not.
        picture.convert("L").convert("RGB").save(tmp_path / "walk" / "grey.png")
    found = [(f.path and f.path.name, f.other_path and f.other_path.name)
             for f in look(tmp_path).findings]  # fmt: skip
    assert found == [("walk0.png", "zz.png")]


def test_many_copies_are_not_many_pairs(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    for i in range(30):
        photo(tmp_path / "walk" / f"copy{i}.jpg", 50, quality=60 + i)
    assert kinds_of(look(tmp_path)) == {"duplicates": 29}


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_of_a_plain_search(seed: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random.random((700, 2, 64)) > 0.5
    thumbnails = random.integers(0, 256, (700, 2, 4, 4, 3), dtype=np.uint8)
    # Copies with a few bits turned, on both sides of the limit and of the block's border.
    for target, source in zip(range(480, 560), random.permutation(480)[:80], strict=True):
        thumbnails[target] = thumbnails[source]
        hashes[target] = hashes[source]
        hashes[target, 1, : target % 12] ^= True
    sides, groups = random.integers(0, 3, 700), random.integers(0, 400, 700)
    expected = {}
    for j in range(700):
        for i in range(j):
            bits = int((hashes[i] != hashes[j]).sum(axis=1).max())
            if bits <= 8 and groups[i] != groups[j]:
                best = expected.setdefault((j, int(sides[i])), (bits, i))
                expected[j, int(sides[i])] = min(best, (bits, i))
    found = find_lookalikes(hashes, thumbnails, sides, groups)
    assert len(found) > 20
    assert {(p.second, int(sides[p.first])): (p.distance_bits, p.first) for p in found} == expected


def manifest(root: Path, *rows: str) -> Path:
    path = root / "list.csv"
    path.write_text("\n".join(["path,label,group,split", *rows, ""]), encoding="utf-8")
    return path


def test_leakage_of_groups(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    rows = [f"walk/walk{i}.png,walk,anna{i % 2},{'train' if i % 2 else 'test'}" for i in range(4)]
    rest = [f"fall/fall{i}.png,fall,,{'train' if i % 2 else 'test'}" for i in range(4)]
    assert look(manifest(tmp_path, *rows, *rest)).findings == []
    rows[0] = rows[0].replace("anna0", "anna1")
    kind, split, *_, detail = only(look(manifest(tmp_path, *rows, *rest)))
    assert (kind, split) == ("leakage", "train/test")
    assert detail == "group 'anna1' has 2 in train and 1 in test"


def test_lookalikes_of_one_group_are_what_groups_are_for(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall", count=2)
    resaved(tmp_path / "walk/walk0.png", tmp_path / "walk/like.jpg")
    rows = ["walk/walk0.png,walk,a,", "walk/walk1.png,walk,b,", "walk/like.jpg,walk,{},",
            "fall/fall0.png,fall,c,", "fall/fall1.png,fall,d,"]  # fmt: skip
    text = "\n".join(rows)
    assert look(manifest(tmp_path, text.format("a"))).findings == []
    assert only(look(manifest(tmp_path, text.format("e"))))[0] == "duplicates"


def test_conflict(tmp_path: Path) -> None:
    photos(tmp_path, "walk", "fall")
    (tmp_path / "walk" / "x.png").write_bytes((tmp_path / "fall" / "fall1.png").read_bytes())
    found = look(tmp_path)
    assert kinds_of(found) == {"conflict": 1, "duplicates": 1}
    (conflict,) = (f for f in found.findings if f.kind == "conflict")
    assert conflict.detail == "identical content; labels 'fall' and 'walk'"
