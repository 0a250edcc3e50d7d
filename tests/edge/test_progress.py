"""Count, rate and time left."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading
import time

import pytest

from har_edge import progress as module
from har_edge.progress import Progress, cleared
from tests.support.terminal import Terminal

SOON_S = 10.0


def wait_for_lines(stream: io.StringIO, count: int) -> list[str]:
    until_s = time.monotonic() + SOON_S
    while stream.getvalue().count("\n") < count and time.monotonic() < until_s:
        time.sleep(0.01)
    return stream.getvalue().splitlines()


def threads() -> int:
    return sum(thread.name == "progress" for thread in threading.enumerate())


def wait_for_no_thread() -> None:
    until_s = time.monotonic() + SOON_S
    while threads() and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not threads()


def test_a_log_gets_a_line_now_and_then_also_while_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_LINE_S", 0.05)
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.05)
    stream = io.StringIO()
    tick = Progress(1200, "Encoding (3 classes)", "file", stream=stream)
    assert wait_for_lines(stream, 1)[0] == "Encoding (3 classes): 0 of 1,200 files, after 0.1 s"
    tick(4)
    tick(50)
    seen = len(stream.getvalue().splitlines())
    last = wait_for_lines(stream, seen + 2)[-1]
    assert last.startswith("Encoding (3 classes): 54 of 1,200 files, ")
    assert last.endswith(" left")
    tick(1146)
    wait_for_no_thread()


def test_the_first_says_nothing_of_those_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LINE_S", 0.02)
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.02)
    stream = io.StringIO()
    with Progress(60, "Training", "epoch", stream=stream) as tick:
        tick(1)
        seen = len(stream.getvalue().splitlines())
        assert wait_for_lines(stream, seen + 2)[-1].startswith("Training: 1 of 60 epochs, after ")


def test_a_bar_goes_by_those_behind_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import tqdm.std

    clock = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: clock[0])
    monkeypatch.setattr(module.time, "time", lambda: clock[0])
    stream = Terminal()
    with Progress(61, "Training", "epoch", stream=stream) as tick:
        clock[0] += 600.0
        tick(1)
        assert "[10:00<?" in stream.getvalue()
        clock[0] += 2.0
        tick(1)
        assert "[10:02<01:58" in stream.getvalue()


def test_the_first_line_comes_within_two_seconds() -> None:
    assert module.FIRST_LINE_S < 2.0
    assert module.LINE_EVERY_S == 10.0


def test_a_short_job_says_nothing_in_a_log() -> None:
    stream = io.StringIO()
    with Progress(3, "Reading", stream=stream) as tick:
        for _ in range(3):
            tick()
    assert stream.getvalue() == ""
    wait_for_no_thread()


@pytest.mark.parametrize("how", ["error", "forgotten"])
def test_a_job_that_fails_shows_nothing_any_more(how: str) -> None:
    stream = io.StringIO()
    if how == "error":
        with pytest.raises(ZeroDivisionError), Progress(3, "Reading", stream=stream):
            raise ZeroDivisionError
    else:
        tick = Progress(3, "Reading", stream=stream)
        tick(1)
        del tick
        gc.collect()
    wait_for_no_thread()


def test_a_log_that_is_gone_stops_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LINE_S", 0.0)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with Progress(2, "Reading") as tick:
        stream.close()
        time.sleep(0.05)
        tick(1)
    wait_for_no_thread()


def test_a_terminal_sees_a_bar_from_the_start() -> None:
    stream = Terminal()
    with Progress(4, "Encoding", "file", stream=stream, keep=True) as tick:
        assert "Encoding" in stream.getvalue()
        assert "0/4" in stream.getvalue()
        for _ in range(4):
            tick(1)
    assert "100%" in stream.lines[-1]
    assert "4/4" in stream.lines[-1]
    assert not threads()


def test_a_bar_leaves_the_terminal_clean() -> None:
    stream = Terminal()
    with Progress(4, "Encoding", stream=stream) as tick:
        tick(1)
        with cleared(stream):
            stream.write("a.jpg cannot be read\n")
    assert stream.lines[0] == "a.jpg cannot be read"
    assert not stream.lines[-1].strip()


def test_of_nothing_nothing_is_shown() -> None:
    stream = Terminal()
    with Progress(0, "Encoding", stream=stream):
        pass
    assert stream.getvalue() == ""


def test_where_no_bar_is_shown_its_library_is_not_loaded() -> None:
    code = (
        "import sys; from har_edge.progress import Progress, cleared\n"
        "with Progress(1, 'x') as tick, cleared(): tick(1)\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.PIPE)
