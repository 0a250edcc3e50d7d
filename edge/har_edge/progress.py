"""How far a job is: count, rate and time left, on stderr.

On a terminal that is a bar of tqdm's, from the start; elsewhere, in logs and pipes, a line every
`LINE_EVERY_S`, the first within two seconds. A job that is over before that says nothing there.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from typing import TextIO

from har_edge.durations import format_duration
from har_edge.silence import enter_view, leave_view

FIRST_LINE_S = 1.5
LINE_EVERY_S = 10.0


class Progress:
    """Counts what is done; called with how many more are.

    It ends when all are done, at `close`, at the end of its `with` block, or when nobody holds it
    any more, whichever comes first.

    Args:
        total: How many there are; of none, nothing is shown.
        title: What is being done, such as `Encoding`.
        unit: What is counted, in the singular.
        stream: Where to show it, by default stderr.
        keep: Leave the full bar on the terminal.

    Example:
        >>> with Progress(3, "Reading", "file") as tick:
        ...     for _ in range(3):
        ...         tick(1)
    """

    def __init__(
        self,
        total: int,
        title: str,
        unit: str = "file",
        *,
        stream: TextIO | None = None,
        keep: bool = False,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._left = total
        self._view: _Bar | _Lines | None = None
        if total > 0:
            live = stream.isatty()
            view = (
                _Bar(total, title, unit, stream, keep)
                if live
                else _Lines(total, title, unit, stream)
            )
            self._view = view
            enter_view()
            self._end = weakref.finalize(self, _end, view)

    def __call__(self, done: int = 1) -> None:
        """Count some more."""
        self._left -= done
        if self._view is not None:
            self._view.add(done)
            if self._left <= 0:
                self.close()

    def close(self) -> None:
        """Show nothing any more."""
        view, self._view = self._view, None
        if view is not None:
            self._end()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end(view: _Bar | _Lines) -> None:
    view.close()
    leave_view()


def cleared(stream: TextIO | None = None) -> contextlib.AbstractContextManager[object]:
    """Take bars off the terminal while the block writes lines there."""
    tqdm = sys.modules.get("tqdm.std")  # not loaded: no bar was ever shown
    if tqdm is None:
        return contextlib.nullcontext()
    where = sys.stderr if stream is None else stream
    found: contextlib.AbstractContextManager[object] = tqdm.tqdm.external_write_mode(file=where)
    return found


def describe(
    done: int,
    total: int,
    elapsed_s: float,
    unit: str = "file",
    *,
    first: tuple[int, float] = (0, 0.0),
) -> str:
    """Say how far a job is.

    Args:
        done, total: How many.
        elapsed_s: Since the start, in seconds.
        unit: What is counted, in the singular.
        first: How many were done first of all, and after how many seconds. Rate and time left go
            by the others: the first of a job takes what starting it takes, too.

    Example:
        >>> describe(54, 120, 10.0)
        '54 of 120 files, 5.4 per second, 12.2 s left'
        >>> describe(2, 6, 60.0, "epoch")
        '2 of 6 epochs, 30.0 s each, 2 min 0 s left'
        >>> describe(2, 6, 60.0, "epoch", first=(1, 40.0))
        '2 of 6 epochs, 20.0 s each, 1 min 20 s left'
        >>> describe(0, 6, 60.0, "epoch")
        '0 of 6 epochs, after 1 min 0 s'
    """
    said = f"{done:,} of {total:,} {unit}s"
    counted, spent_s = done - first[0], elapsed_s - first[1]
    if counted <= 0 or spent_s <= 0:
        return f"{said}, after {format_duration(elapsed_s)}"
    each_s = spent_s / counted
    rate = f"{1 / each_s:.1f} per second" if each_s < 1 else f"{format_duration(each_s)} each"
    return f"{said}, {rate}, {format_duration(max(0, total - done) * each_s)} left"


class _Bar:
    """On a terminal: one line that is rewritten."""

    def __init__(self, total: int, title: str, unit: str, stream: TextIO, keep: bool) -> None:
        from tqdm.std import tqdm  # a tenth of a second, and few commands show a bar

        self._bar = tqdm(
            total=total, desc=title, unit=unit, file=stream, leave=keep, dynamic_ncols=True
        )

    def add(self, done: int) -> None:
        bar = self._bar
        if bar.n or done >= bar.total:
            bar.update(done)
            return
        # What starting takes is in the first: rate and time left go by the others.
        bar.n = bar.initial = bar.last_print_n = done
        bar.last_print_t = time.time()
        bar.refresh()

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """Elsewhere: a line from time to time, also while one thing takes long."""

    def __init__(self, total: int, title: str, unit: str, stream: TextIO) -> None:
        self._total, self._title, self._unit, self._stream = total, title, unit, stream
        self._done = 0
        self._first = (0, 0.0)
        self._start_s = time.monotonic()
        self._ended = threading.Event()
        threading.Thread(target=self._tell, name="progress", daemon=True).start()

    def add(self, done: int) -> None:
        if not self._done:
            self._first = (done, time.monotonic() - self._start_s)
        self._done += done

    def close(self) -> None:
        self._ended.set()

    def _tell(self) -> None:
        wait_s = FIRST_LINE_S
        while not self._ended.wait(wait_s):
            elapsed_s = time.monotonic() - self._start_s
            said = describe(self._done, self._total, elapsed_s, self._unit, first=self._first)
            # Who reads may be gone; the job itself goes on.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(f"{self._title}: {said}\n")
                self._stream.flush()
            wait_s = LINE_EVERY_S
