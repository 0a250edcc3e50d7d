"""Videos: times, parts, room on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import OutputError
from har_edge.frames.encode import video_path
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import import_cv2
from har_edge.sinks import video as recording
from har_edge.sinks.base import Shot
from har_edge.sinks.video import VideoSink
from tests.support.records import weighed
from tests.support.videos import needs_av

RATE_HZ = 8.0


def shot(
    at_s: float,
    *,
    source: str = "a.mp4",
    size: tuple[int, int] = (64, 48),
    level: int | None = None,
    after_gap: bool = False,
) -> Shot:
    """A frame whose right half has the grey level that stands for its time."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, size[0] // 2 :] = round(at_s * 8) % 250 if level is None else level
    frame = Frame(pixels, at_s, round(at_s * 25), source, 0.0, after_gap=after_gap)
    prediction = weighed(0.75, 0.25, at_s=at_s, frame=frame.index, source=source)
    return Shot(frame, prediction)


def read(path: Path) -> tuple[float, list[int], tuple[int, int]]:
    """Rate, the grey level of each frame at the right edge, and the size of a video."""
    cv2 = import_cv2()
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    levels, size = [], (0, 0)
    while True:
        decoded, picture = capture.read()
        if not decoded:
            break
        size = (picture.shape[1], picture.shape[0])
        levels.append(round(float(picture[-8:, -8:].mean())))
    return capture.get(cv2.CAP_PROP_FPS), levels, size


def near(levels: list[int], expected: list[int]) -> bool:
    return len(levels) == len(expected) and bool(np.allclose(levels, expected, atol=6))


@pytest.mark.parametrize(
    "suffix",
    [pytest.param(".mp4", marks=needs_av), ".mkv", pytest.param(".avi", marks=needs_av)],
)
def test_a_video_runs_as_long_as_its_source(tmp_path: Path, suffix: str) -> None:
    """Missing frames show the one before for longer, doubled instants are shown once."""
    sink = VideoSink(tmp_path / f"out{suffix}", RATE_HZ)
    for at, level in [(0.0, 20), (0.13, 60), (0.5, 100), (0.51, 140), (0.63, 180)]:
        sink.take(shot(at, level=level))
    sink.close()
    rate_hz, levels, size = read(tmp_path / f"out{suffix}")
    assert rate_hz == RATE_HZ
    assert size == (64, 48)
    assert near(levels, [20, 60, 60, 60, 100, 180])


def test_text_is_drawn_and_the_frame_stays_as_it_was(tmp_path: Path) -> None:
    given = shot(0.0, size=(320, 240), level=0)
    before = given.frame.pixels.copy()
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    sink.take(given)
    sink.close()
    np.testing.assert_array_equal(given.frame.pixels, before)
    picture = import_cv2().VideoCapture(str(video_path(tmp_path / "out.mp4"))).read()[1]
    assert picture[:80, :200].max() > 200
    assert picture[120:].max() < 40


def test_a_new_size_or_source_goes_on_in_another_part(tmp_path: Path) -> None:
    taken = video_path(tmp_path / "out-2.mp4")
    taken.write_bytes(b"somebody else's")
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for i in range(8):
        sink.take(shot(i / 8, size=(64, 48) if i < 4 else (80, 60)))
        sink.take(shot(i / 8, source="b.mp4"))
    sink.close()
    assert [p.stem for p in sink.parts] == ["out", "out-3", "out-4"]
    assert [len(read(path)[1]) for path in sink.parts] == [4, 8, 4]
    assert [read(path)[2] for path in sink.parts] == [(64, 48), (64, 48), (80, 60)]
    assert taken.read_bytes() == b"somebody else's"


def test_thousands_of_sources_take_a_look_at_the_disk_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    exists = Path.exists

    def count(path: Path) -> bool:
        nonlocal looks
        looks += path.suffix == taken.suffix
        return exists(path)

    monkeypatch.setattr(Path, "exists", count)
    taken = video_path(tmp_path / "out-7.avi")
    taken.write_bytes(b"somebody else's")
    sink = VideoSink(tmp_path / "out.avi", RATE_HZ)
    for number in range(100):
        sink.take(shot(0.0, source=f"{number}.jpg", size=(32, 24)))
    sink.close()
    assert sink.parts[-1].stem == "out-101"
    assert len(set(sink.parts)) == 100
    assert looks < 2 * 100


def test_a_long_break_is_cut_out(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for at_s in (0.0, 0.125, 3600.0, 3600.125, 1.0, 1.125):
        sink.take(shot(at_s, level=50))
    sink.close()
    assert len(read(video_path(tmp_path / "out.mp4"))[1]) == 6


def test_only_so_many_files_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_OPEN", 2)
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for name in "abcdef":
        for i in range(4):
            sink.take(shot(i / 8, source=name))
    whole = [path for path in sink.parts[:4] if len(read(path)[1]) == 4]
    assert len(whole) == 4
    sink.close()


def test_many_cameras_have_a_file_each(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.avi", RATE_HZ)
    for i in range(4):
        for number in range(recording.MAX_OPEN + 2):
            one = shot(i / 8, source=f"camera:{number}")
            sink.take(replace(one, frame=replace(one.frame, captured_s=1000.0 + i / 8)))
    sink.close()
    assert len(sink.parts) == recording.MAX_OPEN + 2
    assert all(len(read(path)[1]) == 4 for path in sink.parts)


@pytest.mark.parametrize(
    ("name", "message"),
    [("out.gif", "should end in .mp4"), ("no/such/folder/out.mp4", "folder does not exist")],
)
def test_unusable_videos(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        VideoSink(tmp_path / name, RATE_HZ)


def test_a_disk_that_is_nearly_full_is_left_alone(
    tmp_path: Path, small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk(4_000)
    with pytest.raises(OutputError, match="needs 50 MB of free disk"):
        VideoSink(disk / "out.mp4", RATE_HZ).take(shot(0.0))
    assert list(disk.iterdir()) == []
    # It fills up while the video is being written: what is there can be played.
    monkeypatch.setattr(recording, "MIN_FREE_BYTES", 2_000_000)
    sink = VideoSink(disk / "out.mkv", RATE_HZ)
    rng = np.random.default_rng(1)
    with pytest.raises(OutputError, match="needs 2 MB"):
        for i in range(2000):
            noise = rng.integers(0, 255, (240, 320, 3), np.uint8)
            sink.take(Shot(Frame(noise, i / 8, i, "a", 0.0), None))
    sink.close()
    assert len(read(disk / "out.mkv")[1]) >= 30


def test_a_place_that_cannot_be_written_is_found_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "folder.mkv").mkdir()
    with pytest.raises(OutputError, match="cannot be written: Is a directory"):
        VideoSink(tmp_path / "folder.mkv", 5.0)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", video_path(tmp_path / "film.mp4")
    victim.write_bytes(b"precious")
    target.symlink_to(victim)
    before = os.umask(0)
    try:
        sink = VideoSink(target, RATE_HZ)
        sink.take(shot(0.0))
        sink.close()
    finally:
        os.umask(before)
    assert victim.read_bytes() == b"precious"
    assert not target.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_two_runs_do_not_record_one_file(tmp_path: Path) -> None:
    first, second = (VideoSink(tmp_path / "film.mp4", RATE_HZ) for _ in range(2))
    first.take(shot(0.0))
    with pytest.raises(OutputError, match="one run at a time"):
        second.take(shot(0.0))
    with pytest.raises(OutputError, match="one run at a time"):
        VideoSink(tmp_path / "film.mp4", RATE_HZ)
    first.close()
    second.close()
    third = VideoSink(tmp_path / "film.mp4", RATE_HZ)
    third.take(shot(0.0))
    third.close()
