"""Settings that name sources: which openers they become, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.config import LiveOptions, SourceConfig, StdinFormat
from har_edge.errors import ConfigError, SourceError
from har_edge.run.openers import build_follow, build_openers
from har_edge.sources.base import FrameSource, SourceStatus
from har_edge.sources.live.source import LiveSource
from tests.conftest import MakeVideo


def test_live_sources_that_print_the_same_are_numbered() -> None:
    names = ("rtsp://a:x@cam/1", "rtsp://b:y@cam/1", "a.mp4", "rtsp://cam/2", "rtsp://a:x@cam/1")
    openers = build_openers(SourceConfig(names=names, camera="0"))
    shown = [opener.name for opener in openers]
    same = "rtsp://***@cam/1"
    assert shown == [same, f"{same} (2)", "a.mp4", "rtsp://cam/2", f"{same} (3)", "camera:0"]
    # What is seen carries the same names.
    sources = [opener.open(lambda status: None) for opener in openers if opener.apart]
    assert all(isinstance(source, LiveSource) for source in sources)
    assert [source.name for source in sources] == [n for n in shown if n != "a.mp4"]


def test_files_may_be_given_twice() -> None:
    openers = build_openers(SourceConfig(names=("a.mp4", "a.mp4")))
    assert [opener.name for opener in openers] == ["a.mp4", "a.mp4"]


def test_standard_input_is_read_once() -> None:
    with pytest.raises(ConfigError, match="once"):
        build_openers(SourceConfig(names=("-", "a.mp4", "-")))


def test_patience_and_form_arrive_at_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def open_source(name: str, **options: object) -> FrameSource:
        asked.append({"name": name, **options})
        return LiveSource(name, pytest.fail)

    monkeypatch.setattr("har_edge.run.openers.open_source", open_source)
    live = LiveOptions(stall_timeout_s=1.5, max_retries=2, wait_for_source=True)
    form = StdinFormat.parse("mjpeg@live")
    (opener,) = build_openers(SourceConfig(names=("-",), live=live, stdin_format=form))
    assert opener.apart

    def notify(status: SourceStatus) -> None:
        raise AssertionError(status)

    assert opener.open(notify).name == "-"
    assert asked == [{"name": "-", "options": live, "notify": notify, "stdin_format": form}]


def test_the_demo_is_there_wherever_one_is() -> None:
    openers = build_openers(SourceConfig(demo=True))
    assert {Path(opener.name).suffix for opener in openers} == {".jpg", ".mp4"}
    assert all(Path(opener.name).is_file() for opener in openers)


def test_watched_folders_give_files_as_they_come(tmp_path: Path) -> None:
    assert build_follow(SourceConfig(), pytest.fail) is None
    with pytest.raises(SourceError, match="no folder to watch"):
        build_follow(SourceConfig(watch=(str(tmp_path / "gone"),)), pytest.fail)
    notes: list[str] = []
    follow = build_follow(SourceConfig(watch=(str(tmp_path),)), notes.append)
    assert follow is not None and notes == []
    assert list(follow(lambda: True)) == []
    assert [note for note in notes if "for new files; Ctrl-C ends" in note] == notes != []


def test_a_source_without_anything_to_read_does_not_stop_the_others(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    video = str(make_video("a.mp4"))
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    first, second = build_openers(SourceConfig(names=(empty, video)))
    assert (first.name, second.name) == (empty, video)
    with pytest.raises(SourceError, match="no picture and no video"):
        first.open(lambda status: None)
    assert second.open(lambda status: None).name == video
    with pytest.raises(SourceError, match="no picture and no video"):
        build_openers(SourceConfig(names=(empty,)))


def test_several_cameras() -> None:
    openers = build_openers(SourceConfig(camera=("0", "/dev/video2")))
    assert [opener.name for opener in openers] == ["camera:0", "/dev/video2"]


def test_no_password_is_in_the_name_of_a_source() -> None:
    url = "rtsp://admin:p@ge/heim@10.0.0.9/live"
    names = [opener.name for opener in build_openers(SourceConfig(names=(url, url)))]
    assert names == ["rtsp://***@10.0.0.9/live", "rtsp://***@10.0.0.9/live (2)"]
    assert "heim" not in repr(SourceConfig(names=(url,)))
