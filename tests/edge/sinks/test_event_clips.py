"""Clips of actions: times, memory, room on the disk, files of others."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.sinks import event_clips
from har_edge.sinks import video as recording
from har_edge.sinks.event_clips import EventClips
from tests.edge.sinks.test_video import RATE_HZ, near, read, shot
from tests.support import records

event = partial(records.event, source="a.mp4", action="falling")


def clips_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.startswith("har-"))


def feed(sink: EventClips, start_s: float, end_s: float, **options: object) -> None:
    for i in range(round(start_s * 8), round(end_s * 8)):
        sink.take(shot(i / 8, **options))  # type: ignore[arg-type]


def test_a_clip_holds_the_seconds_around_the_action(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0, min_duration_s=0.5)
    feed(sink, 0, 10.625)
    sink.take(event(1, "action_started", 10.0))
    feed(sink, 10.625, 13)
    sink.take(event(1, "action_ended", 10.0, 12.0))
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
    monkeypatch.setattr(event_clips, "MAX_CLIP_S", 5.0)
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2.5)
    sink.take(event(1, "action_started", 2.0))
    feed(sink, 2.5, 30)
    (clip,) = clips_in(tmp_path)
    assert len(read(clip)[1]) == (1 + 5) * 8 + 1
    sink.take(event(1, "action_ended", 2.0, 29.0))
    sink.close()
    assert clips_in(tmp_path) == [clip]


def test_a_gap_and_the_end_finish_a_clip(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2)
    sink.take(event(1, "action_started", 1.5))
    sink.take(shot(9.0, after_gap=True))
    assert len(clips_in(tmp_path)) == 1
    sink.take(event(2, "action_started", 9.0))
    sink.close()
    first, second = clips_in(tmp_path)
    assert len(read(first)[1]) == 12  # from 0.5 s on
    assert len(read(second)[1]) == 1  # nothing from before the gap
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_clip_that_is_lost_does_not_take_others_with_it(tmp_path: Path, lost: int) -> None:
    sink = EventClips(tmp_path, RATE_HZ)
    for number, source in enumerate(("a.mp4", "b.mp4"), 1):
        feed(sink, 0, 2, source=source)
        sink.take(event(number, "action_started", 1.5, source=source))
    hidden = sorted(path for path in tmp_path.iterdir() if path.name.startswith("."))
    hidden[lost].unlink()
    with pytest.raises(OutputError, match="was lost"):
        sink.close()
    (kept,) = clips_in(tmp_path)
    assert kept.name == hidden[1 - lost].name[1:]


def test_clips_of_many_cameras_are_whole(tmp_path: Path) -> None:
    count = recording.MAX_OPEN + 2
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    for i in range(24):
        for number in range(count):
            one = shot(i / 8, source=f"camera:{number}")
            sink.take(replace(one, frame=replace(one.frame, captured_s=1000.0 + i / 8)))
            if i == 16:
                started = event(number, "action_started", 1.5, source=f"camera:{number}")
                sink.take(replace(started, start_at_s=1e9))
    sink.close()
    assert [len(read(path)[1]) for path in clips_in(tmp_path)] == [24 - 4] * count


def test_sources_and_names_of_all_kinds(tmp_path: Path) -> None:
    sink = EventClips(tmp_path, RATE_HZ)
    for number, source in enumerate(["../../etc/x", "rtsp://cam/1?a=b", "🙂", "é" * 200], 1):
        sink.take(shot(0.0, source=source))
        sink.take(event(number, "action_started", 0.0, source=source, action="../écrire/"))
    sink.close()
    names = [path.name for path in clips_in(tmp_path)]
    assert len(names) == 4
    assert sorted(tmp_path.rglob("*")) == [tmp_path / name for name in sorted(names)]
    assert all(event_clips.OWN_CLIP.fullmatch(name) for name in names)


def record_one(folder: Path, number: int, max_bytes: int) -> Path:
    before = set(clips_in(folder))
    sink = EventClips(folder, RATE_HZ, padding_s=1.0, max_bytes=max_bytes)
    feed(sink, 0, 2, size=(320, 240))
    sink.take(event(number, "action_started", 1.0))
    sink.close()
    (new,) = set(clips_in(folder)) - before
    os.utime(new, (number, number))
    return new


def test_room_is_made_by_deleting_the_oldest_own_clips_alone(tmp_path: Path) -> None:
    first = record_one(tmp_path, 1, 10**9)
    size = first.stat().st_size
    others = [
        tmp_path / f"holiday{first.suffix}",
        tmp_path / f"har-notes{first.suffix}",
        tmp_path / first.name.replace("har-", "kept-har-"),
        tmp_path / f"{first.stem} copy{first.suffix}",
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
    assert [p for p in clips_in(tmp_path) if event_clips.OWN_CLIP.fullmatch(p.name)] == sorted(
        [last, link]
    )
    assert all(other.exists() for other in others) and link.is_symlink()


def test_clips_end_on_a_full_disk_and_begin_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = EventClips(tmp_path, RATE_HZ, padding_s=1.0)
    feed(sink, 0, 2)
    sink.take(event(1, "action_started", 1.5))
    monkeypatch.setattr(recording, "MIN_FREE_BYTES", 2**60)
    with pytest.raises(OutputError, match="of free disk"):
        feed(sink, 2, 20)
    feed(sink, 20, 22)  # goes on, without a clip
    with pytest.raises(OutputError, match="of free disk"):
        sink.take(event(2, "action_started", 21.5))
    monkeypatch.setattr(recording, "MIN_FREE_BYTES", 0)
    sink.take(event(3, "action_started", 21.5))
    sink.close()
    first, last = clips_in(tmp_path)
    assert len(read(first)[1]) == recording.CHECK_SPACE_FRAMES
    assert "_3-" in last.name and len(read(last)[1]) == 12


def test_what_a_kill_left_behind_is_cleared_away_later(tmp_path: Path) -> None:
    own = ".har-000001.0_a_falling_1-0123abcd.mp4"
    (tmp_path / own).write_bytes(b"x")
    (tmp_path / ".har-config").write_bytes(b"x")
    os.utime(tmp_path / ".har-config", (1, 1))
    another = EventClips(tmp_path, RATE_HZ)
    feed(another, 0, 2)
    another.take(event(1, "action_started", 1.5))
    (begun,) = tmp_path.glob(".har-0000*")
    assert begun.name != own
    EventClips(tmp_path, RATE_HZ)
    assert begun.exists()  # the other run is still at it
    another.close()
    assert {p.name for p in tmp_path.iterdir()} == {".har-config", begun.name[1:]}


def test_without_locks_only_old_ones_are_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr("har_edge.locks.fcntl.flock", refuse)
    own = tmp_path / ".har-000001.0_a_falling_1-0123abcd.mp4"
    own.write_bytes(b"x")
    EventClips(tmp_path, RATE_HZ)
    assert own.exists()  # another run may still be at it
    os.utime(own, (1, 1))
    EventClips(tmp_path, RATE_HZ)
    assert not own.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be used for clips"):
        EventClips(tmp_path / "file" / "clips", RATE_HZ)


def test_old_clips_are_deleted(tmp_path: Path) -> None:
    old, young = (
        tmp_path / f"har-20260101-00000{i}_cam_falling_{i}-0000000{i}.mp4" for i in (1, 2)
    )
    other = tmp_path / "holiday.mp4"
    for path in (old, young, other):
        path.write_bytes(b"clip")
    os.utime(old, (1.0, 1.0))
    os.utime(other, (1.0, 1.0))
    EventClips(tmp_path, RATE_HZ)
    assert old.exists()
    EventClips(tmp_path, RATE_HZ, max_age_s=86_400)
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_clips_are_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        sink = EventClips(tmp_path / "new" / "clips", RATE_HZ, padding_s=1.0)
        feed(sink, 0, 3)
        sink.take(event(1, "action_started", 2.0))
        sink.close()
    finally:
        os.umask(before)
    (clip,) = clips_in(tmp_path / "new" / "clips")
    assert stat.S_IMODE(clip.stat().st_mode) == 0o600
    assert stat.S_IMODE(clip.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(clip.parent.parent.stat().st_mode) == 0o700
