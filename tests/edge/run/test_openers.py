"""Settings that name sources: which openers they become, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from har_edge.config import LiveOptions, SourceConfig
from har_edge.errors import ConfigError, SourceError
from har_edge.run.openers import build_follow, build_openers
from har_edge.sources.live.source import LiveSource


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


def test_patience_arrives_at_the_source() -> None:
    live = LiveOptions(stall_timeout_s=1.5, max_retries=2, wait_for_source=True)
    (opener,) = build_openers(SourceConfig(camera="0", live=live))
    source = opener.open(lambda status: None)
    assert isinstance(source, LiveSource)
    assert source.options == live


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
