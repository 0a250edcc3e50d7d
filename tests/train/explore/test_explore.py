"""Every defect is found where it was planted, and nowhere else."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.commands.harness import run_command
from har_edge.datasets import SPLITS, Sample
from har_edge.errors import DataError, GateError, OutputError
from har_edge.frames.opencv import import_cv2
from har_edge.sources.files import VideoSource
from har_train.commands.main import cli
from har_train.explore import scan
from har_train.explore.explore import (
    OUTPUT_NAMES,
    Exploration,
    ExploreConfig,
    check_gate,
    check_output,
    explore,
)
from har_train.explore.findings import KINDS
from har_train.explore.lookalikes import find_lookalikes
from har_train.explore.report import save_exploration, summary_text
from har_train.explore.scan import read_facts

for package in ("imagehash", "matplotlib"):
    pytest.importorskip(package)
pytestmark = pytest.mark.train

MakeClip = Callable[..., Path]
Command = Callable[..., int]


def photo(path: Path, seed: int, **options: object) -> Path:
    """Write smooth coloured noise, as unlike as two photos; equal seeds give equal pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC)
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def photos(root: Path, *folders: str, count: int = 4, seed: int = 0) -> Path:
    """Fill folders with photos, no two alike in all of them."""
    for number, folder in enumerate(folders):
        for i in range(count):
            photo(root / folder / f"{folder.replace('/', '-')}{i}.png", seed + 1000 * number + i)
    return root


def look(data: Path, **options: object) -> Exploration:
    return explore(ExploreConfig(str(data), **{"min_samples": 1, **options}))  # type: ignore[arg-type]


def kinds_of(found: Exploration) -> dict[str, int]:
    return {kind: count for kind, count in found.counts.items() if count}


def only(found: Exploration) -> tuple[str, str, str, str, str]:
    """The one finding there is, as findings.csv has it."""
    (f,) = found.findings
    return f.kind, f.split, found.shown(f.path), found.shown(f.other_path), f.detail


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `har-train explore` in an empty folder and give its exit code."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as end:
            run_command(cli, ["explore", *map(str, arguments)])
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


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


def resaved(source: Path, target: Path) -> Path:
    """Save a picture again as a website might: smaller by a little, at a low quality."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        picture.resize((184, 138)).save(target, quality=40)
    return target


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


def span_findings(tmp_path: Path, *rows: str) -> list[tuple[str, str, str]]:
    """Kind, split and detail of what is found in rows of `clip.mp4`, which lasts 6 s."""
    path = tmp_path / "spans.csv"
    lines = ["path,label,split,start_s,end_s", *(f"clip.mp4,{row}" for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = look(path).findings
    return [(f.kind, f.split, f.detail) for f in found if f.kind != "constant-labels"]


def test_spans_of_a_video_are_samples_of_their_own(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", "left", count=60)
    apart = "left,train,0,2", "right,train,2,4.0", "left,train,4,"
    assert span_findings(tmp_path, *apart) == []
    # It shares a second with the span before, and one with that after.
    shared = (
        "overlapping parts of one video, 4 s to its end and 3 s to 5 s; labels 'left' and 'right'"
    )
    assert span_findings(tmp_path, *apart, "right,train,3,5") == [
        ("conflict", "train", shared),
        ("duplicates", "train", shared),
    ]
    chain = "right,train,2.5,4.5", "right,train,4,6"
    assert [detail.rpartition(", ")[2] for *_, detail in span_findings(tmp_path, *apart[:2], *chain)
            ] == ["2 s to 4 s and 2.5 s to 4.5 s", "2.5 s to 4.5 s and 4 s to 6 s"]  # fmt: skip
    assert span_findings(tmp_path, *apart[:2], "right,train,2.5,5") == [
        ("duplicates", "train", "overlapping parts of one video, 2 s to 4 s and 2.5 s to 5 s")
    ]
    assert span_findings(tmp_path, *apart[:2], "left,train,0,2") == [
        ("duplicates", "train", "identical content")
    ]
    # Apart too they show one person in one place.
    assert span_findings(tmp_path, *apart[:2], "left,test,4,") == [
        ("leakage", "train/test", "parts of one video, 0 s to 2 s and 4 s to its end")
    ]
    ((kind, _, detail),) = span_findings(tmp_path, *apart, "left,train,6,7")
    assert kind == "unreadable"
    assert "frames from 6 s to 7 s" in detail
    ((kind, _, detail),) = span_findings(tmp_path, "left,train,0,2", "right,train,2,3.5")
    assert (kind, detail) == (
        "short",
        "12 of 16 frames at 8 Hz: 1.50 s at 10 Hz, from 2 s to 3.5 s",
    )


def test_near_copy_of_a_later_span_is_found(make_clip: MakeClip, tmp_path: Path) -> None:
    """The file itself looks otherwise: only its second half was copied."""
    cv2 = import_cv2()
    source = make_clip(tmp_path / "clip.mp4", "left", count=80, seed=1)
    capture = cv2.VideoCapture(str(source))
    frames = [capture.read()[1] for _ in range(80)]
    writer = cv2.VideoWriter(
        str(tmp_path / "copy.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (80, 60)
    )
    for frame in frames[40:]:
        writer.write(cv2.resize(frame, (80, 60)))
    writer.release()
    table = tmp_path / "spans.csv"
    rows = "clip.mp4,left,train,0,3.5\nclip.mp4,left,train,4,\ncopy.mp4,left,test,,\n"
    table.write_text(f"path,label,split,start_s,end_s\n{rows}", encoding="utf-8")
    assert kinds_of(look(table))["leakage"] == 1


class Unstated(VideoSource):
    """A file that does not state its length."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.duration_s, self.num_frames, self.frame_rate_hz = None, 0, 0.0


@pytest.mark.parametrize("stated", [True, False])
def test_facts_of_a_span_are_those_of_its_frames(
    stated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip that brightens from frame to frame says which frames were looked at."""
    cv2 = import_cv2()
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    for i in range(60):
        writer.write(np.full((48, 64, 3), 4 * i, np.uint8))
    writer.release()
    if not stated:
        monkeypatch.setattr(scan, "VideoSource", Unstated)
    sample = Sample(path, "walk", "g", "", 1.0, 2.5)
    facts = read_facts(sample)
    assert (facts.num_frames, facts.frame_rate_hz) == (15, pytest.approx(10, rel=1e-3))
    looked_at = facts.thumbnails.mean(axis=(1, 2, 3)) / 4
    # Passing by, the second is the last power of two.
    assert looked_at == pytest.approx([10, 17, 24], abs=0.6)
    assert scan.small_picture(sample, 32).mean() / 4 == pytest.approx(17, abs=0.6)


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


def test_gate_by_kind(tmp_path: Path) -> None:
    found = look(photos(tmp_path, "walk"))
    check_gate(found, [])
    check_gate(found, ["leakage", "conflict"])
    with pytest.raises(GateError, match=r"no findings of leakage, constant-labels.*labels 1\. See"):
        check_gate(found, ["leakage", "constant-labels"])


def test_exit_codes(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    assert command(data, "--out", "one") == 0
    assert "few                    2" in capsys.readouterr().out
    assert command(data, "--out", "two", "--fail-on", "leakage, unreadable") == 0
    assert command(data, "--out", "three", "--fail-on", "leakage,few") == 3
    captured = capsys.readouterr()
    assert "Received few 2." in captured.err
    assert "few                    2" in captured.out
    assert command(data, "--out", "four", "--fail-on", "few", "--min-samples", "4") == 0
    for folder in ("one", "three"):
        names = {p.name for p in Path(folder).iterdir()}
        assert names == set(OUTPUT_NAMES) - {"durations.png", "frame_rates.png"}
    assert command(data, "--out", "five", "--fail-on", "leakage,smells") == 2
    assert "smells" in capsys.readouterr().err
    assert command(tmp_path / "gone") == 1
    assert not Path("five").exists()
    assert not Path("explore").exists()


def test_default_folder_and_second_run(command: Command, tmp_path: Path) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    for _ in range(2):
        assert command(data) == 0
        assert Path("explore/data/explore.html").is_file()


def test_output_that_would_do_harm_is_refused(tmp_path: Path) -> None:
    data = ExploreConfig(str(photos(tmp_path / "data", "walk", "fall", count=1)))
    with pytest.raises(OutputError, match="would become a class"):
        check_output(tmp_path / "data" / "report", data)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").touch()
    with pytest.raises(OutputError, match=r"precious.txt.*another --out"):
        check_output(tmp_path / "mine", data)
    with pytest.raises(OutputError, match="cannot be created"):
        check_output(tmp_path / "mine" / "precious.txt" / "x", data)


def test_a_dataset_without_any_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    with pytest.raises(DataError, match=r"should contain pictures.*walk should contain pictures"):
        look(tmp_path)


class _Page(HTMLParser):
    """Collects what a page loads or links to, its text and its images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def saved(found: Exploration, folder: Path) -> _Page:
    folder.mkdir(parents=True, exist_ok=True)
    save_exploration(found, folder)
    return _Page((folder / "explore.html").read_text(encoding="utf-8"))


def test_page_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    label = '<b>&"x'
    data = photos(tmp_path / "<i>data&", label, "fall")
    (data / label / "<u>.png").write_bytes(b"")
    (data / label / "<s>.png").write_bytes((data / "fall" / "fall0.png").read_bytes())
    page = saved(look(data, min_samples=10), tmp_path / "out")
    assert page.targets
    assert all(re.match(r"data:image/(png|jpeg);base64,|#[a-z-]+$", t) for t in page.targets)
    assert not {"b", "i", "u", "s", "script", "link", "iframe"} & set(page.tags)
    for text in (label, "<i>data&", f"{label}/<u>.png", f"{label}/<s>.png"):
        assert text in page.text
    assert "http://" not in page.text
    assert "url(" not in page.text
    assert "prefers-color-scheme: dark" in page.text


def test_captions_say_what_is_shown(clips: Path, tmp_path: Path) -> None:
    data = photos(tmp_path / "data", "walk", "fall")
    for number in range(30):
        copy = data / "walk" / f"copy{number}.png"
        copy.write_bytes((data / "walk" / "walk0.png").read_bytes())
    page = saved(look(data), tmp_path / "out")
    assert "middle frame" not in page.text
    assert "Only the first 24 of 30 rows have pictures." in page.text
    page = saved(look(clips), tmp_path / "clips-out")
    assert "the middle frame of clips" in page.text
    assert "rows have pictures" not in page.text


@pytest.mark.parametrize("count", [2, 40])
def test_any_number_of_classes(count: int, tmp_path: Path) -> None:
    labels = ["walk, fast 🏃", "x" * 90, *(f"class {i}" for i in range(2, count))]
    data = photos(tmp_path / "data", *(f"{s}/{c}" for s in ("train", "test") for c in labels),
                  count=1)  # fmt: skip
    page = saved(look(data), tmp_path / "out")
    assert all(label in page.text for label in labels)
    sizes = {}
    for name in ("class_distribution.png", "samples.jpg"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert np.asarray(picture).std() > 1
            sizes[name] = picture.size
    assert sizes["class_distribution.png"][0] == 960
    # A row for each class, high enough to be read.
    assert sizes["class_distribution.png"][1] >= count * 30
    assert sizes["samples.jpg"][1] >= count * 100


def test_names_that_are_no_text(tmp_path: Path) -> None:
    try:
        data = photos(tmp_path / "data", "l\udce4uft", "fall", count=2)
    except OSError:
        pytest.skip("this file system refuses such names")
    (data / "fall" / "z\udce4.png").write_bytes((data / "fall" / "fall0.png").read_bytes())
    page = saved(look(data, min_samples=4), tmp_path / "out")
    assert "l\\xe4uft" in page.text
    assert "z\\xe4.png" in page.text
    assert "z\\xe4.png" in (tmp_path / "out" / "findings.csv").read_text(encoding="utf-8")


def test_distribution_shows_every_split(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", *(f"{s}/{c}" for s in SPLITS for c in "ab"), count=2)
    saved(look(data), tmp_path / "out")
    with Image.open(tmp_path / "out" / "class_distribution.png") as picture:
        colours = {c for _, c in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00), (0x00, 0x9E, 0x73)} <= colours


def test_tables(clips: Path, tmp_path: Path) -> None:
    found = look(clips)
    page = saved(found, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == set(OUTPUT_NAMES)
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [f.kind for f in found.findings]
    assert {(row["kind"], row["path"]) for row in rows} >= {("short", "left/0.mp4")}
    summary = (tmp_path / "dataset_summary.txt").read_text(encoding="utf-8")
    assert summary == summary_text(found)
    lines = [line.split() for line in summary.splitlines()]
    assert ["frame", "rate", "(Hz)", "10", "10", "10"] in lines
    assert ["duration", "(s)", "0.6", "1.6", "1.6"] in lines
    assert ["left", "6"] in lines
    assert all(kind in page.text for kind in KINDS)


def test_nothing_readable_still_gives_a_report(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "0.png").write_bytes(b"")
    found = look(tmp_path / "data")
    assert kinds_of(found) == {"unreadable": 2}
    assert "0.png" in saved(found, tmp_path / "out").text


@pytest.fixture(autouse=True)
def _no_warning_reaches_the_user(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    yield
    assert [str(w.message) for w in recwarn if "Glyph" in str(w.message)] == []
