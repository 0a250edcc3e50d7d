"""Datasets: four layouts, helpful refusals, splits that never share a group."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from har_edge.datasets import SPLITS, Sample, list_dataset
from har_edge.errors import DataError
from har_train.dataset.samples import (
    assign_splits,
    beside_answers,
    count_table,
    default_num_frames,
    load_dataset,
    without_held_out,
)

pytest.importorskip("sklearn")
pytestmark = pytest.mark.train


def touch(root: Path, *names: str) -> Path:
    """Make files that have the right names; nothing here looks into them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def manifest(root: Path, text: str) -> Path:
    touch(root, "a.png", "b.png", "c.mp4")
    path = root / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def samples_of(**groups: int) -> list[Sample]:
    """Samples of so many groups a class, each group with one sample."""
    return [Sample(Path(f"{c}{i}"), c, f"{c}{i}") for c, n in groups.items() for i in range(n)]


def split(samples: list[Sample], seed: int = 0, fraction: float = 0.15) -> list[Sample]:
    return assign_splits(samples, val_fraction=fraction, test_fraction=fraction, seed=seed)


def test_folder_of_classes(tmp_path: Path) -> None:
    touch(tmp_path, "walk/1.jpg", "walk/deep/er/2.MP4", "fall/3.webp", "notes.txt")
    touch(tmp_path, "walk/.hidden.jpg", "walk/readme.md")
    found = [(s.path.relative_to(tmp_path).as_posix(), s.label, s.split) for s in
             load_dataset(tmp_path)]  # fmt: skip
    assert found == [
        ("fall/3.webp", "fall", ""),
        ("walk/1.jpg", "walk", ""),
        ("walk/deep/er/2.MP4", "walk", ""),
    ]


def test_folders_of_splits(tmp_path: Path) -> None:
    names = [f"{s}/{c}/{s}.png" for s in ("train", "test") for c in ("fall", "walk")]
    touch(tmp_path, *names, "other/x/y.png")
    found = {(s.path.relative_to(tmp_path).as_posix(), s.label, s.split) for s in
             load_dataset(tmp_path)}  # fmt: skip
    assert found == {(n, n.split("/")[1], n.split("/")[0]) for n in names}


def test_manifest_with_all_columns(tmp_path: Path) -> None:
    path = manifest(
        tmp_path, "split,label,path,group\ntrain,walk,a.png,anna\n,fall,b.png,\nval,fall,c.mp4,g\n"
    )
    assert load_dataset(path) == [
        Sample(tmp_path / "a.png", "walk", "anna", "train"),
        Sample(tmp_path / "b.png", "fall", str(tmp_path / "b.png"), ""),
        Sample(tmp_path / "c.mp4", "fall", "g", "val"),
    ]


def test_manifest_with_spans(tmp_path: Path) -> None:
    text = "path,label,start_s,end_s\nc.mp4,walk,1.5,4\nc.mp4,fall,4,\na.png,fall,,\n"
    found = load_dataset(manifest(tmp_path, text))
    assert [(s.start_s, s.end_s) for s in found] == [(1.5, 4.0), (4.0, math.inf), (0.0, math.inf)]
    assert found[0].group == found[1].group


def test_further_faults_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    table = tmp_path / "list.csv"
    table.write_text("path,label\na.png,walk\ngone.png,walk\nlost.png,fall\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3: there is no file .*1 more: har-train explore"):
        load_dataset(table)
    # Without one good row `explore` has nothing to list.
    table.write_text("path,label\ngone.png,walk\nlost.png,fall\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2: there is no file [^(]*$"):
        load_dataset(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c.mp4,walk,-1,2", "Received -1, 2"),
        ("c.mp4,walk,3,3", "Received 3, 3"),
        ("c.mp4,walk,a,3", "Received a, 3"),
        ("c.mp4,walk,nan,3", "Received nan, 3"),
        ("c.mp4,walk,inf,", "Received inf, inf"),
        ("c.mp4,walk,,nan", "Received 0, nan"),
        ("a.png,walk,1,2", r"only a video can have start_s.*a\.png"),
    ],
)
def test_wrong_spans_are_refused(row: str, message: str, tmp_path: Path) -> None:
    text = f"path,label,start_s,end_s\nb.png,fall,,\n{row}\n"
    with pytest.raises(DataError, match=f"line 3.*{message}"):
        load_dataset(manifest(tmp_path, text))


def test_manifest_from_another_root(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "x.png", "y.png")
    path = manifest(tmp_path, "path,label\nx.png,a\ny.png,b\n")
    found = load_dataset(path, tmp_path / "elsewhere")
    assert [s.path for s in found] == [tmp_path / "elsewhere" / n for n in ("x.png", "y.png")]


@pytest.mark.parametrize("label", ["walk, fast", "🏃 läuft", 'says "hi"', " spaced "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_manifest_with_odd_labels(label: str, encoding: str, tmp_path: Path) -> None:
    quoted = '"' + label.replace('"', '""') + '"'
    path = manifest(tmp_path, "")
    path.write_text(f"path,label\r\na.png,{quoted}\r\nb.png,b\r\n", encoding=encoding)
    assert [s.label for s in load_dataset(path)] == [label, "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "path,label.*no header"),
        ("a.png,walk\nb.png,fall\n", "path,label.*a.png,walk"),
        ("path,label,subject\na.png,walk,1\n", "label,path,subject"),
        ("path\na.png\n", "Received path"),
        ("path,label\na.png,walk\ngone.png,fall\n", "line 3.*gone.png"),
        ("path,label\na.png,walk\n.,fall\n", "line 3"),
        ("path,label\na.png,walk\nb.png,\n", "line 3.*a path, a single-line label.*'b.png', ''"),
        ("path,label\na.png\nb.png,fall\n", "line 2.*a single-line label"),
        ("label,path\nwalk,a.png\nfall\n", "line 3"),
        ("path,label\na.png,walk\nb.png,walk, fast\n", "line 3"),
        ("path,label,split\na.png,walk,training\n", "line 2.*train, val, test.*training"),
        ("path,label\na.png,walk\nb.png,walk\n", "at least 2 classes.*walk"),
        ("path,label\n", "at least 2 classes.*none"),
    ],
)
def test_wrong_manifests_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"list.csv.*{message}"):
        load_dataset(manifest(tmp_path, text))


def test_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    path = manifest(tmp_path, "")
    path.write_bytes("path,label\na.png,läuft\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"list.csv cannot be read.*utf-8"):
        load_dataset(path)


def test_missing_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset .*gone"):
        load_dataset(tmp_path / "gone")


def test_empty_class_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "walk/1.png", "fall/readme.txt")
    with pytest.raises(DataError, match=r"class folder .*fall should contain pictures"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9/1.png", r"caf\xe9'"),
        (b"walk\nfast/1.png", r"walk\nfast'"),
        (b"walk/caf\xe9.png", r"walk/caf\xe9.png'"),
    ],
)
def test_name_that_no_table_can_hold(name: bytes, shown: str, tmp_path: Path) -> None:
    """Refused before training; the other files are listed as ever."""
    touch(tmp_path, "fall/1.png", "walk/2.png", os.fsdecode(name))
    with pytest.raises(DataError, match=r"should be UTF-8.*Rename it") as caught:
        load_dataset(tmp_path)
    assert shown in str(caught.value)
    listing = list_dataset(tmp_path)
    assert [s.path.name for s in listing.samples] == ["1.png", "2.png"]
    assert [(p.kind, p.path.is_file()) for p in listing.problems] == [("name", b"walk/" in name)]


@pytest.mark.parametrize("names", [[], ["walk/1.png"]])
def test_fewer_than_two_classes_are_refused(names: list[str], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match="at least 2 classes"):
        load_dataset(tmp_path)


def published(root: Path, train: str = "filename,label\n1.jpg,b\n2.jpg,a\n") -> Path:
    """The 15-class stills as they are published: tables beside folders of pictures."""
    touch(root, "train/1.jpg", "train/2.jpg", "test/3.jpg")
    (root / "Training_set.csv").write_text(train, encoding="utf-8")
    return root


def test_published_tables(tmp_path: Path) -> None:
    found = [(s.path, s.label, s.split) for s in load_dataset(published(tmp_path))]
    assert found == [
        (tmp_path / "train" / "1.jpg", "b", ""),
        (tmp_path / "train" / "2.jpg", "a", ""),
    ]


@pytest.mark.parametrize("rows", ["filename\n3.jpg\n", "filename,label\n3.jpg,a\n"])
def test_published_test_table_is_set_aside(rows: str, tmp_path: Path) -> None:
    (published(tmp_path) / "Testing_set.csv").write_text(rows, encoding="utf-8")
    assert len(load_dataset(tmp_path)) == 2
    aside = [(s.path, s.label, s.split) for s in list_dataset(tmp_path).set_aside]
    assert aside == ([(tmp_path / "test" / "3.jpg", "a", "test")] if "label" in rows else [])


def test_class_folders_win_over_a_table_beside_them(tmp_path: Path) -> None:
    touch(published(tmp_path), "train/walk/1.jpg", "train/fall/2.jpg")
    assert {s.label for s in load_dataset(tmp_path)} >= {"walk", "fall"}
    assert {s.split for s in load_dataset(tmp_path)} == {"train"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n1.jpg,a\n", "columns filename,label. Received label,name"),
        ("filename,label\n1.jpg,a\n9.jpg,b\n", "line 3.*9.jpg"),
        ("filename,label\n1.jpg,a\n2.jpg,\n", "line 3.*and a label"),
        ("filename,label\n1.jpg,a\n2.jpg,a\n", "at least 2 classes"),
    ],
)
def test_wrong_published_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(published(tmp_path, text))


@pytest.mark.parametrize("seed", range(12))
def test_no_group_stands_on_two_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    samples = [
        Sample(Path(f"{c}-{g}-{i}"), c, f"{c}{g}")
        for c in "abc"
        for g in range(random.integers(4, 10))
        for i in range(random.integers(1, 8))
    ]
    result = split(samples, seed)
    assert [(s.path, s.label, s.group) for s in result] == [
        (s.path, s.label, s.group) for s in samples
    ]
    sides: dict[str, set[str]] = {}
    for s in result:
        sides.setdefault(s.group, set()).add(s.split)
    assert {len(side) for side in sides.values()} == {1}
    assert {(s.label, s.split) for s in result} == {(c, s) for c in "abc" for s in SPLITS}


def test_splits_are_stratified() -> None:
    counts = Counter((s.label, s.split) for s in split(samples_of(many=140, few=35)))
    for label, total in (("many", 140), ("few", 35)):
        for side in ("val", "test"):
            assert counts[label, side] / total == pytest.approx(0.15, abs=0.04)


def test_fractions_are_kept_apart() -> None:
    result = assign_splits(samples_of(a=60, b=60), val_fraction=0.1, test_fraction=0.25, seed=0)
    counts = Counter(s.split for s in result)
    assert counts["test"] == 30
    assert counts["val"] == 9


def test_same_seed_same_split() -> None:
    samples = samples_of(a=20, b=20)
    assert split(samples, 5) == split(samples, 5)
    assert any(split(samples, 5) != split(samples, seed) for seed in range(4))


def test_given_splits_are_not_touched() -> None:
    samples = [Sample(s.path, s.label, s.group, "test" if i % 5 == 0 else "train")
               for i, s in enumerate(samples_of(a=20, b=20))]  # fmt: skip
    result = split(samples)
    assert [s.path for s in result if s.split == "test"] == [
        s.path for s in samples if s.split == "test"
    ]
    assert {s.split for s in result} == set(SPLITS)


@pytest.mark.parametrize("few", [1, 2])
def test_class_with_too_few_samples_is_named(few: int) -> None:
    with pytest.raises(DataError, match="Class 'rare' has 1 sample"):
        split(samples_of(common=9, rare=few))


def test_three_samples_are_enough() -> None:
    result = split(samples_of(common=3, rare=3))
    assert Counter((s.label, s.split) for s in result) == {
        (c, s): 1 for c in ("common", "rare") for s in SPLITS
    }


def test_group_on_two_given_sides_is_refused() -> None:
    samples = [
        Sample(Path(f"{c}{s}"), c, "anna" if c == "a" else f"{c}{s}", s)
        for c in "ab"
        for s in SPLITS
    ]
    with pytest.raises(DataError, match="Group 'anna' is in both"):
        split(samples)


def test_class_missing_from_a_given_split_is_named() -> None:
    samples = [Sample(Path(f"{c}{s}"), c, f"{c}{s}", s) for c in "ab" for s in SPLITS]
    with pytest.raises(DataError, match="'val' has no sample of b"):
        split([s for s in samples if (s.label, s.split) != ("b", "val")])


def test_labels_asked_for_and_those_beside() -> None:
    samples = samples_of(a=2, b=1, c=3)
    asked, beside = beside_answers(samples, ("c", "a"))
    assert Counter(s.label for s in asked) == {"a": 2, "c": 3}
    assert Counter(s.label for s in beside) == {"b": 1}
    assert beside_answers(samples, ()) == (samples, [])


@pytest.mark.parametrize("labels", [("a",), ("a", "a"), ("a", "dance")])
def test_labels_that_cannot_be_asked_for(labels: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"2 or more of the dataset's: a, b\. Received a"):
        beside_answers(samples_of(a=2, b=2), labels)


def test_what_is_learnt_beside_shares_no_group_with_what_is_held_out() -> None:
    samples = [Sample(Path(f"a{s}"), "a", s, s) for s in SPLITS]
    beside = [Sample(Path(f"b{i}"), "b", group) for i, group in enumerate((*SPLITS, "own"))]
    beside += [Sample(Path("held"), "b", "held", split) for split in ("val", "test")]
    found = without_held_out(beside, samples)
    assert [(s.group, s.split) for s in found] == [("train", "train"), ("own", "train")]


def test_frames_in_a_window_by_default() -> None:
    still, clip = Sample(Path("a.JPG"), "a", "a"), Sample(Path("a.MP4"), "a", "a")
    assert default_num_frames([still, still]) == 1
    assert default_num_frames([still, clip]) == 16


def test_count_table() -> None:
    lines = count_table(split(samples_of(a=3, bb=3))).splitlines()
    assert [line.split() for line in lines] == [
        ["class", "train", "val", "test"],
        ["a", "1", "1", "1"],
        ["bb", "1", "1", "1"],
    ]


def test_count_table_of_long_labels_and_one_split() -> None:
    lines = count_table([Sample(Path("a"), "x" * 40, "a", "all")], ["all"]).splitlines()
    assert [line.split() for line in lines] == [["class", "all"], ["x" * 40, "1"]]
    assert len(lines[0]) == len(lines[1])
