"""How far a source is: a line that is rewritten, or one now and then in a log."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from har_edge.frames.frame import Frame
from har_edge.run import progress as module
from har_edge.run.progress import Progress
from har_edge.sources.base import FrameSource
from har_edge.sources.open import open_source
from tests.conftest import MakeVideo
from tests.support.terminal import Terminal


@dataclass
class Live:
    """As much of a camera as is asked for."""

    name: str = "camera:0"
    live: bool = True
    duration_s: float | None = None


def frame(time_s: float) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), time_s, 0, "a.mp4", 0.0)


@pytest.fixture
def video(make_video: MakeVideo) -> FrameSource:
    return open_source(make_video("a.mp4", count=50))


def test_a_log_gets_a_line_now_and_then(
    video: FrameSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    shown = Progress(video, lambda: 25.0)
    shown.show(frame(0.5), None)
    assert stream.getvalue() == ""
    monkeypatch.setattr(module, "LOG_INTERVAL_S", 0.0)
    shown.show(frame(1.0), None)
    shown.clear()
    assert stream.getvalue().endswith("a.mp4: 50%  0:01.00 of 0:02.00  25 frames/s  …\n")


def test_of_what_has_no_end_a_log_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(module, "LOG_INTERVAL_S", 0.0)
    Progress(Live(), lambda: 5.0).show(frame(1.0), None)  # type: ignore[arg-type]
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line(video: FrameSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    shown = Progress(video, lambda: 25.0)
    shown.show(frame(1.0), None)
    assert stream.lines == [" 50%  0:01.00 of 0:02.00  25 frames/s  …"]
    shown.clear()
    assert not stream.lines[-1].strip()
