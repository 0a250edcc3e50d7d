"""Data that one command takes, all take alike: training, calibration, evaluation, benchmarks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from har_benchmarks.plan.data import load_items
from har_convert.calibration import calibration_samples
from har_edge.datasets import Sample
from har_edge.errors import DataError
from har_train.dataset.samples import load_dataset
from har_train.evaluation.evaluate import load_data

LABELS = ("fall", "walk")
# A sample as every command sees it: path, label, group, start, end.
Seen = tuple[str, str, str, float, float]
Reader = Callable[[Path, str], set[Seen]]


def touch(root: Path, *names: str) -> None:
    """Make files that have the right names; nothing here looks into them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def seen(samples: Sequence[Sample]) -> set[Seen]:
    return {(str(s.path), s.label, s.group, s.start_s, s.end_s) for s in samples}


def trained(data: Path, root: str) -> set[Seen]:
    return seen(load_dataset(data, root))


def calibrated(data: Path, root: str) -> set[Seen]:
    by_label = calibration_samples(data, LABELS, root=root)
    assert all(s.label == label for label, members in by_label.items() for s in members)
    return seen([s for members in by_label.values() for s in members])


def evaluated(data: Path, root: str) -> set[Seen]:
    parts = load_data("model.tflite", str(data), root=root).parts
    return set().union(*map(seen, parts.values()))


def benchmarked(data: Path, root: str) -> set[Seen]:
    return {(i.path, i.label, i.group, i.start_s, i.end_s) for i in load_items(str(data), root)}


READERS: Mapping[str, Reader] = {
    "train": trained,
    "convert": calibrated,
    "evaluate": evaluated,
    "benchmark": benchmarked,
}


@dataclass(frozen=True)
class Case:
    """Data as a user names it, and the samples in it: for training, and held out."""

    data: Path
    root: str
    training: set[Seen]
    held_out: set[Seen]

    def expected(self, reader: str) -> set[Seen]:
        """What a command is to see: all, or its part where the data is split."""
        if reader == "convert" or not self.held_out:
            return self.training
        return self.held_out if reader == "benchmark" else self.training | self.held_out


def plain_folder(base: Path) -> Case:
    names = ("fall/1.jpg", "fall/deep/2.mp4", "walk/v_Walk_g03_c01.avi", "walk/v_Walk_g03_c02.avi")
    touch(base, *names, "walk/notes.txt", "walk/.hidden.jpg")
    groups = (str(base / names[0]), str(base / names[1]), "v_Walk_g03", "v_Walk_g03")
    found = {
        (str(base / name), name.split("/")[0], group, 0.0, math.inf)
        for name, group in zip(names, groups, strict=True)
    }
    return Case(base, "", found, set())


def folders_of_splits(base: Path) -> Case:
    names = [f"{split}/{label}/1.mp4" for split in ("train", "test") for label in LABELS]
    touch(base, *names, "other/run/1.mp4")
    found = [(str(base / n), n.split("/")[1], str(base / n), 0.0, math.inf) for n in names]
    return Case(base, "", set(found[:2]), set(found[2:]))


def manifest_with_spans(base: Path) -> Case:
    touch(base, "a.mp4", "b.jpg")
    lines = ("path,label,start_s,end_s", "a.mp4,fall,1.5,4", "a.mp4,walk,4,", "b.jpg,walk,,")
    a, b = str(base / "a.mp4"), str(base / "b.jpg")
    found = {(a, "fall", a, 1.5, 4.0), (a, "walk", a, 4.0, math.inf), (b, "walk", b, 0.0, math.inf)}
    return Case(table(base / "list.csv", *lines), "", found, set())


def manifest_from_a_root(base: Path) -> Case:
    touch(base / "clips", "fall/1.mp4", "walk/1.mp4")
    lines = ("path,label", "fall/1.mp4,fall", "walk/1.mp4,walk")
    paths = [str(base / "clips" / label / "1.mp4") for label in LABELS]
    found = {(p, label, p, 0.0, math.inf) for p, label in zip(paths, LABELS, strict=True)}
    return Case(table(base / "lists" / "list.csv", *lines), str(base / "clips"), found, set())


def manifest_with_groups(base: Path) -> Case:
    touch(base, "1.mp4", "2.mp4", "3.mp4")
    lines = ("group,path,label", "anna,1.mp4,fall", "anna,2.mp4,walk", ",3.mp4,walk")
    rows = (("1.mp4", "fall", "anna"), ("2.mp4", "walk", "anna"))
    found = {(str(base / name), label, group, 0.0, math.inf) for name, label, group in rows}
    third = str(base / "3.mp4")
    found.add((third, "walk", third, 0.0, math.inf))
    return Case(table(base / "list.csv", *lines), "", found, set())


def manifest_with_splits(base: Path) -> Case:
    """What has no split is for training; the benchmark judges on `val` where there is no test."""
    names = [f"{i}.mp4" for i in range(4)]
    touch(base, *names)
    lines = ("path,label,split", "0.mp4,fall,train", "1.mp4,walk,", "2.mp4,fall,val",
             "3.mp4,walk,val")  # fmt: skip
    found = [
        (str(base / name), LABELS[i % 2], str(base / name), 0.0, math.inf)
        for i, name in enumerate(names)
    ]
    return Case(table(base / "list.csv", *lines), "", set(found[:2]), set(found[2:]))


def run_folder(base: Path) -> Case:
    """The run says where its data lies; its table looks as `har-train fit` writes it."""
    touch(base / "clips", "1.mp4", "2.mp4", "3.mp4", "4.mp4")
    lines = (
        "path,label,group,split,start_s,end_s",
        "1.mp4,fall,anna,train,,2.5",
        "2.mp4,walk,bea,train,,",
        "3.mp4,fall,carl,test,1,",
        "4.mp4,walk,dora,test,,",
    )
    table(base / "run" / "split.csv", *lines)
    (base / "run" / "config.toml").write_text(f'data = "{base / "clips"}"\n', encoding="utf-8")
    first, second, third, fourth = (str(base / "clips" / f"{i}.mp4") for i in range(1, 5))
    training = {(first, "fall", "anna", 0.0, 2.5), (second, "walk", "bea", 0.0, math.inf)}
    held_out = {(third, "fall", "carl", 1.0, math.inf), (fourth, "walk", "dora", 0.0, math.inf)}
    return Case(base / "run", "", training, held_out)


CASES = (
    plain_folder, folders_of_splits, manifest_with_spans, manifest_from_a_root,
    manifest_with_groups, manifest_with_splits, run_folder,
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", CASES)
def test_the_same_samples_are_seen(
    make: Callable[[Path], Case], reader: str, tmp_path: Path
) -> None:
    case = make(tmp_path)
    data, root = case.data, case.root
    if make is run_folder and reader == "train":
        data, root = case.data / "split.csv", str(tmp_path / "clips")
    assert READERS[reader](data, root) == case.expected(reader)


@pytest.mark.parametrize("reader", ["evaluate", "benchmark"])
def test_a_bundled_run_is_judged_on_its_test_part(reader: str, tmp_path: Path) -> None:
    """It names the files of that part alone, and not where they lie."""
    touch(tmp_path / "clips", "1.mp4")
    run = tmp_path / "run"
    table(run / "predictions.csv", "path,label,first_frame,split", "1.mp4,fall,0,test",
          "1.mp4,fall,4,test")  # fmt: skip
    (run / "config.toml").write_text('data = ""\nroot = ""\n', encoding="utf-8")
    (run / "spec.json").touch()
    clip = str(tmp_path / "clips" / "1.mp4")
    found = READERS[reader](run, str(tmp_path / "clips"))
    assert found == {(clip, "fall", clip, 0.0, math.inf)}
    with pytest.raises(DataError, match=r"does not say where its data is.*--root"):
        READERS[reader](run, "")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gone.mp4,fall,,", r"there is no file .*gone\.mp4\. Check the path and --root"),
        ("a.mp4,,,", "expected a path, a single-line label"),
        ("a.mp4,fall,,,,", "no more cells than columns"),
        ("a.mp4", "expected a path, a single-line label"),
        ("a.mp4,fall,3,2", r"start_s and end_s should be seconds.*Received 3, 2"),
        ("b.jpg,fall,1,2", r"only a video can have start_s.*b\.jpg"),
    ],
)
def test_the_same_lines_are_refused(line: str, message: str, reader: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.jpg")
    lines = ("path,label,start_s,end_s", "a.mp4,fall,,", "", "b.jpg,walk,,", line)
    data = table(tmp_path / "list.csv", *lines)
    with pytest.raises(DataError, match=rf"list\.csv, line 5: .*{message}"):
        READERS[reader](data, "")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,strat_s\na.mp4,fall,1\n", "optionally group,split,start_s,end_s"),
        ("path,label,split\na.mp4,fall,tset\n", r"line 2: split should be .*'tset'"),
    ],
)
def test_slips_of_the_pen_are_refused(text: str, message: str, reader: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"list\.csv.*{message}"):
        READERS[reader](tmp_path / "list.csv", "")
