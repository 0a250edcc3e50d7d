"""Servers for chaos tests, and somebody who watches what a live source makes of them."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.recognition.recognizer import Recognizer
from har_edge.sources.base import SourceState, SourceStatus
from har_edge.sources.live.source import LiveSource
from tests.support.chaos import pattern

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = Path(__file__).with_name("rtsp_server.py")


@functools.cache
def missing_for_rtsp() -> str:
    """What the RTSP tests need and is not there; empty if all is."""
    if importlib.util.find_spec("av") is None:
        return "PyAV (pip install av)"
    try:
        found = subprocess.run(
            [SYSTEM_PYTHON, str(RTSP_SERVER), "--check"], capture_output=True, check=False
        )
    except OSError:
        return SYSTEM_PYTHON
    return "" if found.returncode == 0 else (
        "Debian's gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,bad,ugly}"
    )  # fmt: skip


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RtspServer:
    """The RTSP camera of `rtsp_server.py`, in a process of its own.

    Attributes:
        port: Where it listens, always the same.
        login: User and password that it asks for from its next start on, or None.
    """

    def __init__(self, login: tuple[str, str] | None = None, key_interval: int = 15) -> None:
        self.port = free_port()
        self.login = login
        self._key_interval = key_interval
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Serve; returns when it does."""
        self._process = subprocess.Popen(
            [
                SYSTEM_PYTHON,
                str(RTSP_SERVER),
                str(self.port),
                str(self._key_interval),
                *(self.login or ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def order(self, line: str) -> None:
        """Tell it what to show."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@dataclass(frozen=True)
class Seen:
    """A frame that reached the recogniser.

    Attributes:
        at_s: Monotonic time at which it did.
        age_s: Age by the stamp in its pixels; None if it is not a picture that was ever drawn.
        after_gap: As the frame says.
        size: Width and height.
        span_s: Where a prediction came of it: time between the first and the last picture of the
            window, by their stamps; else None.
    """

    at_s: float
    age_s: float | None
    after_gap: bool
    size: tuple[int, int]
    span_s: float | None


class Watch:
    """Runs a source through a recogniser on a thread of its own and writes down what comes."""

    def __init__(self, make_source: Callable[[Callable[[SourceStatus], None]], LiveSource],
                 model: LoadedModel) -> None:  # fmt: skip
        self.seen: list[Seen] = []
        self.statuses: list[tuple[float, SourceStatus]] = []
        self.error: BaseException | None = None
        self.source = make_source(lambda s: self.statuses.append((time.monotonic(), s)))
        self._model = model
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        clip = self._model.spec.clip
        recognizer = Recognizer(self._model)
        stamps: list[int | None] = []
        try:
            frames = self.source.frames(FrameSampler(clip.frame_rate_hz))
            with contextlib.closing(frames):
                for frame in frames:
                    stamp = pattern.read(frame.pixels)
                    if frame.after_gap:
                        stamps = []
                    stamps = [*stamps, stamp][-clip.num_frames :]
                    span_s = None
                    if recognizer.push(frame) is not None:
                        known = [s for s in stamps if s is not None]
                        span_s = (max(known) - min(known)) / 1e3 if known else 0.0
                        assert len(stamps) == clip.num_frames, "a window reaches over a gap"
                    age_s = None if stamp is None else pattern.age_s(stamp)
                    size = (frame.pixels.shape[1], frame.pixels.shape[0])
                    self.seen.append(Seen(time.monotonic(), age_s, frame.after_gap, size, span_s))
        except BaseException as error:  # asserted on by the test
            self.error = error

    def states(self) -> list[SourceState]:
        """The states so far."""
        return [status.state for _, status in self.statuses]

    def wait(self, condition: Callable[[], object], limit_s: float = 20.0) -> float:
        """Wait until something is so; gives the time that took, in seconds."""
        start_s = time.monotonic()
        while not condition():
            assert self.error is None, self.error
            assert time.monotonic() - start_s < limit_s, (self.states(), self.source.stats)
            time.sleep(0.02)
        return time.monotonic() - start_s

    def wait_state(self, state: SourceState, limit_s: float = 20.0) -> float:
        """Wait for a state."""
        return self.wait(lambda: self.states()[-1:] == [state], limit_s)

    def wait_frames(self, count: int = 10, limit_s: float = 20.0) -> float:
        """Wait for so many more frames; gives the time until the first of them."""
        start_s, before = time.monotonic(), len(self.seen)
        self.wait(lambda: len(self.seen) >= before + count, limit_s)
        return self.seen[before].at_s - start_s

    def stop(self) -> None:
        """Stop the source; it must obey within two seconds."""
        self.source.stop()
        self._thread.join(2.0)
        assert not self._thread.is_alive(), "the source does not stop"
