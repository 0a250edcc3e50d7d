"""Frames in half blocks, on terminals that can."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from har_edge.frames.frame import Frame
from har_edge.run import terminal_view as module
from har_edge.run.terminal_view import TerminalView, can_show, half_blocks
from har_edge.sinks.base import Shot
from tests.support.terminal import Terminal


class Utf8Terminal(Terminal):
    """As wide as a terminal without a size is taken to be."""

    encoding = "UTF-8"


def frame(colour: tuple[int, int, int], time_s: float, source: str = "a.mp4") -> Frame:
    pixels = np.full((90, 160, 3), colour, np.uint8)
    return Frame(pixels, time_s, round(time_s * 8), source, 0.0)


@pytest.mark.parametrize(
    ("environ", "shows"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ],
)
def test_a_terminal_must_have_colours(environ: dict[str, str], shows: bool) -> None:
    assert can_show(Utf8Terminal(), environ) is shows
    assert not can_show(io.StringIO(), {"TERM": "xterm-256color"})


def test_each_character_holds_two_pixels() -> None:
    pixels = np.zeros((4, 3, 3), np.uint8)
    pixels[:2] = (255, 0, 0)
    lines = half_blocks(pixels, 3)
    assert [line.count("▀") for line in lines] == [3, 3]
    assert "38;2;255;0;0;48;2;255;0;0m" in lines[0]
    assert "38;2;0;0;0;48;2;0;0;0m" in lines[1]
    assert lines[0].endswith("\x1b[0m")
    few = half_blocks(pixels, 3, true_colour=False)
    assert "38;5;196;48;5;196m" in few[0]
    assert "38;5;16;48;5;16m" in few[1]


def test_frames_are_drawn_over_each_other_and_sources_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    stream = Utf8Terminal()
    view = TerminalView(stream)
    assert view(Shot(frame((255, 0, 0), 0.0), None))
    assert view(Shot(frame((0, 0, 255), 0.125), None))
    assert view(Shot(frame((0, 255, 0), 0.0, "folder/b.jpg"), None))
    view.close()
    text = stream.getvalue()
    height = len(re.findall("\n", text.split("\x1b[", 1)[1].split("a.mp4", 1)[0])) + 4
    assert text.count(f"\x1b[{height}F") == 1
    assert "a.mp4  0.1 s" in text and "b.jpg  0.0 s" in text and "folder" not in text
    assert waited.count(module.PICTURE_S) == 2
    assert any(0 < s <= 0.125 for s in waited)
