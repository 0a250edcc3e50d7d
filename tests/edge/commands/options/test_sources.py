"""Options that name sources: which openers they become, and under which names."""

from __future__ import annotations

from typing import Any

import click
import pytest

from har_edge.commands.options.sources import build_openers
from har_edge.sources.live.source import LiveSource

OPTIONS: dict[str, Any] = {
    "demo": False,
    "camera": None,
    "stdin_format": None,
    "stall_timeout": 5.0,
    "frozen_after": 5.0,
    "max_retries": None,
    "wait_for_source": False,
}


def test_live_sources_that_print_the_same_are_numbered() -> None:
    names = ["rtsp://a:x@cam/1", "rtsp://b:y@cam/1", "a.mp4", "rtsp://cam/2", "rtsp://a:x@cam/1"]
    openers = build_openers({**OPTIONS, "sources": names, "camera": "0"})
    shown = [opener.name for opener in openers]
    same = "rtsp://***@cam/1"
    assert shown == [same, f"{same} (2)", "a.mp4", "rtsp://cam/2", f"{same} (3)", "camera:0"]
    # What is seen carries the same names.
    sources = [opener.open(lambda status: None) for opener in openers if opener.apart]
    assert all(isinstance(source, LiveSource) for source in sources)
    assert [source.name for source in sources] == [n for n in shown if n != "a.mp4"]


def test_files_may_be_given_twice() -> None:
    openers = build_openers({**OPTIONS, "sources": ["a.mp4", "a.mp4"]})
    assert [opener.name for opener in openers] == ["a.mp4", "a.mp4"]


def test_standard_input_is_read_once() -> None:
    with pytest.raises(click.UsageError, match="once"):
        build_openers({**OPTIONS, "sources": ["-", "a.mp4", "-"]})
