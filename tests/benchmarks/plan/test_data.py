"""Datasets to judge on mean what they mean in training."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from har_benchmarks.plan.data import Item, check_labels, load_items
from har_edge.errors import DataError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folders_of_classes(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/deep/2.mp4", "b/3.png", "b/notes.txt", "readme.md")
    found = load_items(str(tmp_path))
    assert [(Path(i.path).name, i.label) for i in found] == [
        ("1.jpg", "a"), ("2.mp4", "a"), ("3.png", "b"),
    ]  # fmt: skip


def test_split_folders_are_judged_on_their_test_part(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "val/a/2.jpg", "test/a/3.jpg")
    assert [Path(i.path).name for i in load_items(str(tmp_path))] == ["3.jpg"]
    (tmp_path / "test/a/3.jpg").unlink()
    (tmp_path / "test/a").rmdir()
    (tmp_path / "test").rmdir()
    assert [Path(i.path).name for i in load_items(str(tmp_path))] == ["2.jpg"]


def test_manifests_and_run_folders(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp4", "2.mp4", "3.mp4")
    text = (
        "path,label,group,split,start_s,end_s\n1.mp4,a,g,test,0.5,2\n"
        "2.mp4,b,,test,,\n3.mp4,b,,train,,\n"
    )
    (tmp_path / "split.csv").write_text(text, encoding="utf-8-sig")
    expected = [
        Item(str(tmp_path / "1.mp4"), "a", "g", 0.5, 2.0),
        Item(str(tmp_path / "2.mp4"), "b", str(tmp_path / "2.mp4"), 0.0, math.inf),
    ]
    assert load_items(str(tmp_path / "split.csv")) == expected
    assert load_items(str(tmp_path)) == expected  # a run folder
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "split.csv").rename(run / "split.csv")
    assert load_items(str(run), root=str(tmp_path)) == expected


def test_a_part_of_the_files_is_taken_evenly(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a/{i:02}.jpg" for i in range(20)))
    touch(tmp_path, "b/1.jpg", *(f"c/{i}.jpg" for i in range(9)))
    found = load_items(str(tmp_path), max_files=12)
    assert Counter(i.label for i in found) == {"a": 4, "b": 1, "c": 4}
    assert [Path(i.path).stem for i in found if i.label == "a"] == ["00", "05", "10", "15"]
    assert len(load_items(str(tmp_path), max_files=2)) == 2
    assert len(load_items(str(tmp_path))) == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n1.jpg,a\n", "should have the columns path,label"),
        ("path,label\nmissing.jpg,a\n", r"line 2: there is no file .*missing\.jpg.*--root"),
        (
            "path,label\n1.jpg,\n",
            "line 2: expected a path.*Received '1.jpg', ''",
        ),
        ("path,label,start_s,end_s\n1.jpg,a,3,2\n", "line 2: start_s and end_s should be seconds"),
        ("path,label,start_s,end_s\n1.jpg,a,x,2\n", "line 2: start_s and end_s should be seconds"),
        ("path,label\n", "Received no labelled file"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    touch(tmp_path, "1.jpg")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_items(str(tmp_path / "m.csv"))


def test_no_data_and_strange_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no dataset"):
        load_items(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="Received no labelled file"):
        load_items(str(tmp_path))
    items = [Item("1", "a", ""), Item("2", "z", "")]
    check_labels(items[:1], ("a", "b"), "model")
    with pytest.raises(DataError, match="Received others: z"):
        check_labels(items, ("a", "b"), "model")
