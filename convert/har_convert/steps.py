"""Shows what a conversion is doing, and for how long: library calls of minutes have no callback."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from har_edge.progress import Progress
from har_edge.silence import doing, enter_view, leave_view, shown
from har_edge.visible import visible

TICK_S = 1.0
# What is longer would wrap, and could not be rewritten in place.
MAX_COLUMNS = 70


class Steps:
    """A line a step, with its seconds as they pass; used as a context manager.

    Without a terminal, a step that takes long gets a line every ten seconds, where the command
    never stays silent (`har_edge.silence`).

    Args:
        stream: Where to write; by default stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._step = ""
        self._since_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, name="steps", daemon=True)
        self._named = contextlib.ExitStack()

    def __enter__(self) -> Steps:
        if self._live:
            enter_view()
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        self._ended.set()
        if self._live:
            self._thread.join()
            leave_view()

    def begin(self, step: str) -> None:
        """Say what is done from now on."""
        self.end()
        step = visible(step, lines=True)  # a runtime's answer may speak of names in a file
        if not self._live:
            shown()
            self._named.enter_context(doing(f"  {step.splitlines()[0] if step else 'working'}"))
        with self._lock:
            self._step, self._since_s = step, time.monotonic()
            if self._live and "\n" not in step and len(step) <= MAX_COLUMNS:
                self._show()
            else:
                self._stream.write(f"  {step}\n")
                self._step = ""
            self._stream.flush()

    def end(self) -> None:
        """Leave the line of the step in hand as it is."""
        self._named.close()
        with self._lock:
            if self._step:
                self._show()
                self._stream.write("\n")
                self._stream.flush()
            self._step = ""

    def bar(self, length: int) -> Callable[[int], object]:
        """End the step and give a function that counts, as `har_edge.progress` shows it."""
        self.end()
        return Progress(length, "  verifying", "clip", stream=self._stream, keep=self._live)

    def _show(self) -> None:
        seconds = int(time.monotonic() - self._since_s)
        self._stream.write(f"\r  {self._step}" + (f"  {seconds} s" if seconds else ""))

    def _count(self) -> None:
        while not self._ended.wait(TICK_S):
            with self._lock:
                if self._step:
                    self._show()
                    self._stream.flush()
