"""Datasets: what is listed, what is wrong with it, and which part of it is for what."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pytest

from har_edge.datasets import (
    Listing,
    Problem,
    Sample,
    list_dataset,
    list_predictions,
    thin_out,
)
from har_edge.errors import DataError
from har_edge.pose_paths import sequence_of
from har_edge.sample_paths import group_of


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


def sample(name: str, split: str = "", label: str = "walk") -> Sample:
    return Sample(Path(name), label, name, split)


def problem(split: str, message: str = "wrong") -> Problem:
    return Problem("row", Path("gone"), "walk", split, message)


def names_of(listing: Listing) -> list[str]:
    return [str(s.path) for s in listing.samples]


def test_problems_are_listed_beside_what_can_be_used(tmp_path: Path) -> None:
    touch(tmp_path, "folders/train/walk/1.png", "folders/test/fall/readme.txt")
    listing = list_dataset(tmp_path / "folders")
    assert [s.label for s in listing.samples] == ["walk"]
    assert [(p.kind, p.label, p.split) for p in listing.problems] == [("empty", "fall", "test")]
    listing = list_dataset(manifest(tmp_path, "path,label\na.png,walk\ngone.png,fall\nb.png,\n"))
    assert [s.path.name for s in listing.samples] == ["a.png"]
    assert [(p.kind, p.path.name) for p in listing.problems] == [
        ("row", "gone.png"),
        ("row", "b.png"),
    ]


def test_groups_of_ucf101_names() -> None:
    first, second = "v_PushUps_g03_c01.avi", "v_PushUps_g03_c02.avi"
    assert group_of(Path("x", first)) == group_of(Path("y", second)) == "v_PushUps_g03"
    assert group_of(Path("v_PushUps_g04_c01.avi")) != group_of(Path(first))
    assert group_of(Path("v_Punch_g03_c01.avi")) != group_of(Path(first))
    assert group_of(Path("a/1.png")) != group_of(Path("b/1.png"))


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    text = 'path,label,group\n\na.png,walk,"two\nlines"\ngone.png,walk,\n'
    listing = list_dataset(manifest(tmp_path, text))
    assert [p.message.split(":")[0] for p in listing.problems] == [f"{tmp_path}/list.csv, line 5"]
    assert [s.group for s in listing.samples] == ["two\nlines"]


def test_data_that_is_not_split_is_one_part() -> None:
    listing = Listing([sample("1"), sample("2")], [problem("")])
    assert listing.parts() == {"all": listing}
    assert listing.training() == listing.judged() == listing


def test_where_anything_is_split_the_rest_is_for_training() -> None:
    listing = Listing([sample("1"), sample("2", "test"), sample("3", "train"), sample("4", "val")])
    parts = listing.parts()
    assert list(parts) == ["train", "val", "test"]
    assert {name: names_of(part) for name, part in parts.items()} == {
        "train": ["1", "3"],
        "val": ["4"],
        "test": ["2"],
    }
    assert names_of(listing.training()) == ["1", "3"]
    assert names_of(listing.judged()) == ["2"]


def test_a_model_is_judged_on_what_there_is() -> None:
    assert names_of(Listing([sample("1"), sample("2", "val")]).judged()) == ["2"]
    assert names_of(Listing([sample("1", "train"), sample("2", "train")]).judged()) == ["1", "2"]
    assert Listing([sample("1", "test")]).training() == Listing()


def test_problems_of_another_part_do_no_harm() -> None:
    listing = Listing([sample("1", "train"), sample("2", "test")], [problem("train")])
    assert listing.judged().usable() == [sample("2", "test")]
    with pytest.raises(DataError, match="wrong"):
        listing.training().usable()


def test_problems_of_no_known_part_are_everyones() -> None:
    listing = Listing([sample("1", "train"), sample("2", "test")], [problem("tset")])
    for part in (listing.training(), listing.judged()):
        with pytest.raises(DataError, match="wrong"):
            part.usable()
    with pytest.raises(DataError, match="wrong"):
        Listing([sample("1")], [problem("tset")]).training().usable()


def test_a_class_without_samples_is_still_usable(tmp_path: Path) -> None:
    listing = list_dataset(touch(tmp_path, "walk/1.png", "fall/readme.txt"))
    assert [p.kind for p in listing.problems] == ["empty"]
    assert [s.label for s in listing.usable()] == ["walk"]


def test_hidden_folders_are_no_classes_and_that_is_said(tmp_path: Path) -> None:
    listing = list_dataset(
        touch(
            tmp_path,
            "walk/1.png",
            "walk/notes.txt",
            "walk/.ipynb_checkpoints/1-checkpoint.png",
            "fall/1.png",
            ".Trash-1000/files/1.png",
            "@eaDir/1.png",
            "__MACOSX/walk/1.png",
            "lost+found/1.png",
        )
    )
    assert [s.label for s in listing.samples] == ["fall", "walk"]
    assert listing.problems == []
    assert str(listing.skipped) == (
        "Skipped 1 file: 1 text; and what is in .Trash-1000, .ipynb_checkpoints, @eaDir, "
        "__MACOSX, lost+found"
    )


def test_a_test_part_without_a_file_is_none_to_judge_on(tmp_path: Path) -> None:
    """Rather than the training part, which would flatter."""
    (touch(tmp_path, "train/walk/1.png") / "test").mkdir()
    listing = list_dataset(tmp_path)
    assert listing.judged() == Listing()
    assert len(listing.training().samples) == 1


PREDICTIONS = """path,label,first_frame,action,p(walk),split,start_s,end_s
c.mp4,walk,0,walk,1.0,test,,2.5
c.mp4,walk,4,walk,1.0,test,,2.5
c.mp4,fall,0,walk,1.0,test,3,
gone.mp4,walk,0,walk,1.0,test,,
"""


def test_predictions_name_each_clip_once(tmp_path: Path) -> None:
    listing = list_predictions(manifest(tmp_path, PREDICTIONS), tmp_path)
    clip = str(tmp_path / "c.mp4")
    assert listing.samples == [
        Sample(tmp_path / "c.mp4", "walk", clip, "test", 0.0, 2.5),
        Sample(tmp_path / "c.mp4", "fall", clip, "test", 3.0, math.inf),
    ]
    assert [p.message.split(": ")[1] for p in listing.problems] == [
        f"there is no file {tmp_path}/gone.mp4. Check the path and --root."
    ]
    with pytest.raises(DataError, match=r"should have the columns path,label,first_frame"):
        list_predictions(manifest(tmp_path, "path,label\n"), tmp_path)


def test_thinning_takes_of_every_class_evenly() -> None:
    counts = {"a": 20, "b": 1, "c": 9}
    samples = [sample(str(i), label=label) for label, n in counts.items() for i in range(n)]
    kept = thin_out(samples, 12)
    assert Counter(s.label for s in kept) == {"a": 4, "b": 1, "c": 4}
    assert [str(s.path) for s in kept if s.label == "a"] == ["0", "5", "10", "15"]
    assert len(thin_out(samples, 2)) == 2
    assert thin_out(samples, 100) == samples
    assert thin_out([], 3) == []


def test_a_manifest_names_sequences_of_pose_sets(tmp_path: Path) -> None:
    touch(tmp_path, "sets/a.npz")
    path = manifest(tmp_path, "path,label\nsets/a.npz#0,walk\nsets/a.npz#12,fall\n")
    listing = list_dataset(path)
    assert listing.problems == []
    first, second = listing.samples
    assert sequence_of(second.path) == (tmp_path / "sets" / "a.npz", 12)
    assert first.is_pose and not first.is_still
    assert first.group == second.group == str(tmp_path / "sets" / "a.npz")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.npz#0,walk,,", r"there is no file .*gone\.npz\. Check"),
        ("a.npz,walk,,", r"expected FILE\.npz#N.*Received .*a\.npz\. Add the number"),
        ("a.npz#0,walk,1,2", "only a video can have start_s and end_s"),
    ],
)
def test_sequences_that_cannot_be_meant_are_named(tmp_path: Path, row: str, message: str) -> None:
    touch(tmp_path, "a.npz")
    listing = list_dataset(manifest(tmp_path, f"path,label,start_s,end_s\n{row}\n"))
    assert listing.samples == []
    assert re.search(message, listing.problems[0].message)
