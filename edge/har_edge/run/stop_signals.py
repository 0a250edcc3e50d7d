"""SIGINT, SIGTERM and SIGHUP end a run, not the process: what was promised is still written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

NUMBERS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class StopSignal:
    """Which signal asked for the end: its number, or None so far."""

    number: int | None = None


@contextlib.contextmanager
def stop_signals(hurry: Callable[[], None] = lambda: None) -> Iterator[StopSignal]:
    """Say the first SIGINT, SIGTERM and SIGHUP; the next one of the same kind acts as usual.

    Whoever runs inside looks at the note, ends early and closes what it opened before it leaves:
    so the first signal ends a run cleanly whether it comes while frames are read or while
    outputs are being closed, and the second one kills. Signals belong to the main thread: on
    another one nothing is changed. What `nohup` had ignored stays ignored.

    Args:
        hurry: Called at each signal, in its handler; sets flags alone.
    """
    noted = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, _: FrameType | None) -> None:
        noted.number = noted.number or number
        hurry()
        signal.signal(number, previous[number])

    previous = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in previous.items():
        if number != signal.SIGHUP or handler != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
