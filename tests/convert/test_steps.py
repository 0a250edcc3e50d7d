"""What is shown while a conversion is under way."""

from __future__ import annotations

import io
import time

import pytest

from har_convert import steps as module
from har_convert.steps import Steps
from har_edge import silence
from tests.support.terminal import Terminal


def test_a_file_gets_a_line_a_step() -> None:
    stream = io.StringIO()
    with Steps(stream) as steps:
        steps.begin("converting to int8")
        steps.bar(2)(1)
        steps.begin("timing frames")
    assert stream.getvalue() == "  converting to int8\n  timing frames\n"


def test_a_long_step_is_told_of_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "FIRST_LINE_S", 0.1)
    monkeypatch.setattr(silence, "TICK_S", 0.02)
    stream = io.StringIO()
    with silence.never_silent(stream), Steps(stream) as steps:
        steps.begin("converting to int8")
        until_s = time.monotonic() + 30
        while " …" not in stream.getvalue() and time.monotonic() < until_s:
            time.sleep(0.02)
    assert stream.getvalue().startswith("  converting to int8\n  converting to int8, 0.0 s …\n")


def test_a_terminal_sees_the_seconds_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.05)
    stream = Terminal()
    with Steps(stream) as steps:
        steps.begin("converting to int8")
        until_s = time.monotonic() + 30
        while "  2 s" not in stream.getvalue() and time.monotonic() < until_s:
            time.sleep(0.05)
        assert "\r  converting to int8  1 s\r" in stream.getvalue()
        steps.begin("two lines\nof a log")
        steps.begin("verifying")
        update = steps.bar(2)
        update(1)
        update(1)
    assert stream.lines[0].startswith("  converting to int8  ")
    assert stream.lines[1:4] == ["  two lines", "of a log", "  verifying"]
    assert "100%" in stream.lines[-1]


def test_an_error_leaves_the_line_and_ends_the_counting() -> None:
    stream = Terminal()
    with pytest.raises(ZeroDivisionError), Steps(stream) as steps:
        steps.begin("converting to int8")
        raise ZeroDivisionError
    assert stream.lines == ["  converting to int8"]
    assert not steps._thread.is_alive()
