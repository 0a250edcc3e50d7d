"""Videos and clips: times, parts, room on the disk, files of others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from har_edge import recording
from har_edge.errors import OutputError
from har_edge.events import Event
from har_edge.preprocess import import_cv2
from har_edge.recognizer import Prediction
from har_edge.recording import EventClips, VideoSink
from har_edge.sinks import Shot
from har_edge.sources import Frame

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
    prediction = Prediction(
        source=source,
        frame=frame.index,
        timestamp_s=at_s,
        probabilities=np.array([0.75, 0.25], np.float32),
        labels=("falling", "sitting"),
        window_frames=1,
        decode_ms=0.0,
        preprocess_ms=0.0,
        encode_ms=0.0,
        classify_ms=0.0,
    )
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


def clips_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.startswith("har-"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
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
    picture = import_cv2().VideoCapture(str(tmp_path / "out.mp4")).read()[1]
    assert picture[:80, :200].max() > 200
    assert picture[120:].max() < 40


def test_a_new_size_or_source_goes_on_in_another_part(tmp_path: Path) -> None:
    (tmp_path / "out-2.mp4").write_bytes(b"somebody else's")
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for i in range(8):
        sink.take(shot(i / 8, size=(64, 48) if i < 4 else (80, 60)))
        sink.take(shot(i / 8, source="b.mp4"))
    sink.close()
    assert [p.name for p in sink.parts] == ["out.mp4", "out-3.mp4", "out-4.mp4"]
    assert [len(read(path)[1]) for path in sink.parts] == [4, 8, 4]
    assert [read(path)[2] for path in sink.parts] == [(64, 48), (64, 48), (80, 60)]
    assert (tmp_path / "out-2.mp4").read_bytes() == b"somebody else's"


def test_a_long_break_is_cut_out(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for at_s in (0.0, 0.125, 3600.0, 3600.125, 1.0, 1.125):
        sink.take(shot(at_s, level=50))
    sink.close()
    assert len(read(tmp_path / "out.mp4")[1]) == 6


def test_only_so_many_files_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_OPEN", 2)
    sink = VideoSink(tmp_path / "out.mp4", RATE_HZ)
    for name in "abcdef":
        for i in range(4):
            sink.take(shot(i / 8, source=name))
    whole = [path for path in sink.parts[:4] if len(read(path)[1]) == 4]
    assert len(whole) == 4
    sink.close()


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


def event(kind: str, number: int, start_s: float, end_s: float | None = None, **more: str) -> Event:
    values = {"source": "a.mp4", "action": "falling", **more}
    return Event(kind, number, values["source"], values["action"], start_s, end_s, 0.9)  # type: ignore[arg-type]


def feed(sink: EventClips, start_s: float, end_s: float, **options: object) -> None:
    for i in range(round(start_s * 8), round(end_s * 8)):
        sink.take(shot(i / 8, **options))  # type: ignore[arg-type]


def test_a_clip_holds_the_seconds_around_the_action(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0, min_duration_s=0.5)
    feed(sink, 0, 10.625)
    sink.take(event("action_started", 1, 10.0))
    feed(sink, 10.625, 13)
    sink.take(event("action_ended", 1, 10.0, 12.0))
    assert clips_in(tmp_path) == []  # not before it is whole
    feed(sink, 13, 20)
    (clip,) = clips_in(tmp_path)
    assert clip.name.startswith("har-000010.0_a.mp4_falling_1-")
    _, levels, _ = read(clip)
    # From 9 s to 13 s, whose frames have the grey levels 72 to 104.
    assert near(levels, list(range(72, 105)))
    sink.close()
    assert clips_in(tmp_path) == [clip]


def test_memory_holds_only_the_last_seconds(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=2.0, min_duration_s=0.5)
    feed(sink, 0, 60)
    (reel,) = sink._reels.values()
    assert len(reel.ring) == (2.0 + 0.5 + 1.0) * 8 + 1
    assert all(isinstance(jpeg, bytes) for _, jpeg in reel.ring)


def test_of_a_long_action_the_beginning_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_CLIP_S", 5.0)
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2.5)
    sink.take(event("action_started", 1, 2.0))
    feed(sink, 2.5, 30)
    (clip,) = clips_in(tmp_path)
    assert len(read(clip)[1]) == (1 + 5) * 8 + 1
    sink.take(event("action_ended", 1, 2.0, 29.0))
    sink.close()
    assert clips_in(tmp_path) == [clip]


def test_a_gap_and_the_end_finish_a_clip(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2)
    sink.take(event("action_started", 1, 1.5))
    sink.take(shot(9.0, after_gap=True))
    assert len(clips_in(tmp_path)) == 1
    sink.take(event("action_started", 2, 9.0))
    sink.close()
    first, second = clips_in(tmp_path)
    assert len(read(first)[1]) == 12  # from 0.5 s on
    assert len(read(second)[1]) == 1  # nothing from before the gap
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_sources_and_names_of_all_kinds(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ)
    for number, source in enumerate(["../../etc/x", "rtsp://cam/1?a=b", "🙂", "é" * 200], 1):
        sink.take(shot(0.0, source=source))
        sink.take(event("action_started", number, 0.0, source=source, action="../écrire/"))
    sink.close()
    names = [path.name for path in clips_in(tmp_path)]
    assert len(names) == 4
    assert sorted(tmp_path.rglob("*")) == [tmp_path / name for name in sorted(names)]
    assert all(recording.OWN_CLIP.fullmatch(name) for name in names)


def record_one(folder: Path, number: int, max_bytes: int) -> Path:
    before = set(clips_in(folder))
    sink = EventClips(folder, RATE_HZ, padding_s=1.0, max_bytes=max_bytes)
    feed(sink, 0, 2, size=(320, 240))
    sink.take(event("action_started", number, 1.0))
    sink.close()
    (new,) = set(clips_in(folder)) - before
    os.utime(new, (number, number))
    return new


def test_room_is_made_by_deleting_the_oldest_own_clips_alone(tmp_path: Path) -> None:
    first = record_one(tmp_path, 1, 10**9)
    size = first.stat().st_size
    others = [
        tmp_path / "holiday.mp4",
        tmp_path / "har-notes.mp4",
        tmp_path / first.name.replace("har-", "kept-har-"),
        tmp_path / first.name.replace(".mp4", " copy.mp4"),
        tmp_path / "sub" / first.name,
    ]
    (tmp_path / "sub").mkdir()
    for other in others:
        other.write_bytes(b"x" * 10 * size)
        os.utime(other, (0, 0))
    link = tmp_path / first.name.replace("_1-", "_9-")
    link.symlink_to(others[0])

    limit = size * 7 // 2  # room for three
    rest = [record_one(tmp_path, number, limit) for number in (2, 3, 4, 5)]
    assert not first.exists() and not rest[0].exists()
    assert all(path.exists() for path in rest[1:])
    # One that is larger than all the room is kept, alone.
    last = record_one(tmp_path, 6, 10)
    assert [p for p in clips_in(tmp_path) if recording.OWN_CLIP.fullmatch(p.name)] == sorted(
        [last, link]
    )
    assert all(other.exists() for other in others) and link.is_symlink()


def test_clips_end_on_a_full_disk_and_begin_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2)
    sink.take(event("action_started", 1, 1.5))
    monkeypatch.setattr(recording, "MIN_FREE_BYTES", 2**60)
    with pytest.raises(OutputError, match="of free disk"):
        feed(sink, 2, 20)
    feed(sink, 20, 22)  # goes on, without a clip
    with pytest.raises(OutputError, match="of free disk"):
        sink.take(event("action_started", 2, 21.5))
    monkeypatch.setattr(recording, "MIN_FREE_BYTES", 0)
    sink.take(event("action_started", 3, 21.5))
    sink.close()
    first, last = clips_in(tmp_path)
    assert len(read(first)[1]) == recording.CHECK_SPACE_FRAMES
    assert "_3-" in last.name and len(read(last)[1]) == 12


def test_what_a_kill_left_behind_is_cleared_away_later(tmp_path: Path) -> None:
    own = ".har-000001.0_a_falling_1-0123abcd.mp4"
    (tmp_path / own).write_bytes(b"x")
    (tmp_path / ".har-config").write_bytes(b"x")
    EventClips(tmp_path, RATE_HZ)
    assert (tmp_path / own).exists()  # another run may still be at it
    os.utime(tmp_path / own, (1, 1))
    os.utime(tmp_path / ".har-config", (1, 1))
    EventClips(tmp_path, RATE_HZ)
    assert [p.name for p in tmp_path.iterdir()] == [".har-config"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be used for clips"):
        EventClips(tmp_path / "file" / "clips", RATE_HZ)
