"""No silence: while a command works and shows nothing, a line says what it does, and since when.

A command that may work for long does so inside `never_silent`. Whoever shows something says so
with `shown`, what is on the screen as long as it lasts (a bar) is wrapped in `in_view`, and
`doing` names the step in hand. On a terminal the line is rewritten each second, and gone as soon
as there is something else to see; elsewhere there is a new one every `LINE_EVERY_S`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from har_edge.durations import format_duration

# Silent for so long, a command is asked what it does.
FIRST_LINE_S = 3.0
LINE_EVERY_S = 10.0
TICK_S = 0.25


class _State:
    """What is known of the process: one command runs in it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.steps: list[tuple[str, float]] = []
        self.shown_s = 0.0
        self.views = 0
        # The terminal that has a line of ours on it, and how long that is.
        self.line_on: TextIO | None = None
        self.width = 0

    def clear(self) -> None:
        """Take our line off the terminal."""
        if self.line_on is not None:
            with contextlib.suppress(OSError, ValueError):
                self.line_on.write("\r" + " " * self.width + "\r")
                self.line_on.flush()
        self.line_on, self.width = None, 0


_state = _State()


def shown() -> None:
    """Say that something is about to be shown: the silence ends."""
    with _state.lock:
        _state.clear()
        _state.shown_s = time.monotonic()


@contextlib.contextmanager
def in_view() -> Iterator[None]:
    """Something stays in view while the block runs, such as a bar."""
    enter_view()
    try:
        yield
    finally:
        leave_view()


def enter_view() -> None:
    """Something is in view from now on, until `leave_view`."""
    shown()
    with _state.lock:
        _state.views += 1


def leave_view() -> None:
    """What `enter_view` announced is no longer in view."""
    with _state.lock:
        _state.views -= 1
    shown()


@contextlib.contextmanager
def doing(step: str) -> Iterator[None]:
    """Name what is done in the block, such as `Loading TensorFlow`.

    Example:
        >>> with doing("Loading TensorFlow"):
        ...     pass
    """
    with _state.lock:
        _state.steps.append((step, time.monotonic()))
    try:
        yield
    finally:
        with _state.lock:
            _state.steps.pop()


@contextlib.contextmanager
def never_silent(stream: TextIO | None = None) -> Iterator[None]:
    """Show a line whenever the block has shown nothing for `FIRST_LINE_S`.

    Args:
        stream: Where; by default stderr.
    """
    ended = threading.Event()
    where = sys.stderr if stream is None else stream
    shown()
    started_s = time.monotonic()
    thread = threading.Thread(
        target=_watch, args=(ended, where, started_s), name="silence", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        shown()


def _watch(ended: threading.Event, stream: TextIO, started_s: float) -> None:
    live, said_s = stream.isatty(), 0.0
    while not ended.wait(TICK_S):
        with _state.lock:
            now_s = time.monotonic()
            silent_s, unsaid_s = now_s - _state.shown_s, now_s - said_s
            if _state.views or silent_s < FIRST_LINE_S:
                said_s = 0.0
                continue
            if unsaid_s < (1.0 if live else LINE_EVERY_S):
                continue
            said_s = now_s
            step, since_s = _state.steps[-1] if _state.steps else ("Working", started_s)
            line = f"{step}, {format_duration(round(now_s - since_s))}"
            # Who reads may be gone; the work itself goes on.
            with contextlib.suppress(OSError, ValueError):
                if live:
                    stream.write("\r" + line.ljust(_state.width))
                    _state.line_on, _state.width = stream, len(line)
                else:
                    stream.write(f"{line} …\n")
                stream.flush()
