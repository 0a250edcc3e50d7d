"""A command that shows nothing for seconds says what it does."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from har_edge import silence
from har_edge.progress import Progress
from har_edge.silence import doing, never_silent, shown
from tests.support.terminal import Terminal

SOON_S = 20.0
# A command with a step that takes longer than anybody waits without a word.
SLOW = """
import time
import click
from har_edge.commands.harness import run_command
from har_edge.silence import doing

@click.command()
def slow():
    with doing("Stirring"):
        time.sleep(5.5)
    click.echo("done")

run_command(slow, [], speaks=True)
"""


def wait_for(found: Callable[[], bool]) -> None:
    until_s = time.monotonic() + SOON_S
    while not found() and time.monotonic() < until_s:
        time.sleep(0.01)
    assert found()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in a twentieth of the time."""
    monkeypatch.setattr(silence, "FIRST_LINE_S", 0.15)
    monkeypatch.setattr(silence, "LINE_EVERY_S", 0.3)
    monkeypatch.setattr(silence, "TICK_S", 0.02)


def test_no_command_is_silent_for_five_seconds() -> None:
    started_s = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stderr.readline()
        assert process.stdout.readline() == "done\n"
        assert process.wait(SOON_S) == 0
    assert first.startswith("Stirring, ") and first.endswith(" s …\n")
    assert time.monotonic() - started_s > 5
    assert silence.FIRST_LINE_S + silence.TICK_S < 5
    assert silence.LINE_EVERY_S == 10


@pytest.mark.usefixtures("fast")
def test_a_log_gets_a_line_now_and_then() -> None:
    stream = io.StringIO()
    with never_silent(stream):
        wait_for(lambda: "Working, 0.0 s …\n" in stream.getvalue())
        with doing("Stirring"):
            wait_for(lambda: stream.getvalue().count("Stirring") == 2)
    ended = stream.getvalue()
    time.sleep(0.4)
    assert stream.getvalue() == ended


@pytest.mark.usefixtures("fast")
def test_a_terminal_has_one_line_that_goes_when_something_is_shown() -> None:
    stream = Terminal()
    with never_silent(stream), doing("Stirring"):
        wait_for(lambda: "\rStirring, 0.0 s" in stream.getvalue())
        shown()
        stream.write("done\n")
    assert stream.lines == ["done"]


@pytest.mark.usefixtures("fast")
def test_nothing_is_said_while_a_bar_is_in_view() -> None:
    stream = io.StringIO()
    with never_silent(stream), Progress(3, "Encoding", stream=io.StringIO()) as tick:
        time.sleep(0.5)
        tick(3)
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("fast")
def test_a_log_that_is_gone_stops_no_work() -> None:
    stream = io.StringIO()
    with never_silent(stream):
        stream.close()
        time.sleep(0.4)
