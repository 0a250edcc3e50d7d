"""One run: sources in, predictions out, until they end or somebody stops it."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType

from har_edge.errors import SourceError, SourceLostError
from har_edge.output import Writer, format_time
from har_edge.recognizer import Model, Prediction, Recognizer
from har_edge.sampling import FrameSampler
from har_edge.sources import Frame, FrameSource, prefetch
from har_edge.summary import Summary

# A source is judged too slow only after so many frames, past a camera's uneven start.
SLOW_AFTER_FRAMES = 16
PROGRESS_INTERVAL_S = 0.1

Note = Callable[[str], None]
Watcher = Callable[[Frame, "Prediction | None"], bool]


@dataclass(frozen=True)
class RunLimits:
    """When to stop early: frames in all, seconds of each source's own time."""

    max_frames: int | None = None
    duration_s: float | None = None


@dataclass
class RunResult:
    """How a run went.

    Attributes:
        summary: Figures over all sources.
        failed: Sources that could not be read in full.
        stopped: Whether the viewer was closed.
        signal: The signal that stopped the run, or None.
        lost: Whether a live source ended for good.
    """

    summary: Summary = field(default_factory=Summary)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False
    signal: int | None = None
    lost: bool = False

    @property
    def exit_code(self) -> int:
        """0 done, 1 a source failed, 4 live source lost, 128 + n stopped by signal n."""
        if self.signal is not None:
            return 128 + self.signal
        if self.lost:
            return SourceLostError.exit_code
        return SourceError.exit_code if self.failed else 0


@dataclass
class Run:
    """Feeds sources to one model and hands on what it predicts.

    Attributes:
        model: The loaded model.
        writer: Where predictions go.
        note: Takes lines for the user: warnings and failed sources.
        limits: When to stop early.
        watch: Sees every frame with its prediction; returns False to stop (a viewer).
        progress: Whether to show a live line on stderr.
    """

    model: Model
    writer: Writer
    note: Note
    limits: RunLimits = RunLimits()
    watch: Watcher | None = None
    progress: bool = False

    def __call__(self, sources: Iterable[tuple[str, Callable[[], FrameSource]]]) -> RunResult:
        """Run over named sources, each opened when its turn comes.

        A source that fails is reported and the next one is taken.
        """
        result = RunResult()
        with _stop_signals(result):
            for name, open_source in sources:
                try:
                    self._one(open_source(), result)
                except SourceError as error:
                    self.note(f"Error: {error}")
                    result.failed.append(name)
                    result.lost = result.lost or isinstance(error, SourceLostError)
                if self._ends(result):
                    break
        return result

    def _one(self, source: FrameSource, result: RunResult) -> None:
        clip = self.model.spec.clip
        sampler = FrameSampler(clip.frame_rate_hz)
        recognizer = Recognizer(self.model)
        progress = _Progress(source, result.summary) if self.progress else None
        warned = False
        prediction = None
        try:
            # Closed here and not when garbage is collected: that frees the camera.
            frames = source.frames(sampler)
            with contextlib.closing(frames if source.live else prefetch(frames)) as frames:
                for frame in frames:
                    if self._past_duration(frame):
                        break
                    prediction = recognizer.push(frame)
                    result.summary.frames += 1
                    self._emit(prediction, result)
                    if not warned and sampler.taken >= SLOW_AFTER_FRAMES:
                        warned = self._warn_if_slow(source, sampler)
                    if progress:
                        progress.show(frame, prediction)
                    if self.watch and not self.watch(frame, prediction):
                        result.stopped = True
                    if self._ends(result):
                        break
        finally:
            # A file that breaks off still gets the prediction of what could be read.
            self._emit(None if source.live else recognizer.flush(), result)
            if progress:
                progress.clear()
        if not warned:
            self._warn_if_slow(source, sampler)

    def _emit(self, prediction: Prediction | None, result: RunResult) -> None:
        if prediction is not None:
            result.summary.add(prediction)
            self.writer.write(prediction)

    def _ends(self, result: RunResult) -> bool:
        limit = self.limits.max_frames
        enough = limit is not None and result.summary.frames >= limit
        return enough or result.stopped or result.signal is not None

    def _past_duration(self, frame: Frame) -> bool:
        limit = self.limits.duration_s
        return limit is not None and frame.timestamp_s > limit

    def _warn_if_slow(self, source: FrameSource, sampler: FrameSampler) -> bool:
        if self.model.spec.clip.num_frames == 1 or not sampler.source_is_slow:
            return False
        self.note(
            f"Warning: {source.name} delivers about {sampler.achieved_hz:.1f} frames/s, but the "
            f"model was trained at {sampler.frame_rate_hz:g}. Motion looks faster to it than it "
            "is; expect worse results, or train with a lower --frame-rate."
        )
        return True


class _Progress:
    """A line on stderr that is rewritten in place."""

    def __init__(self, source: FrameSource, summary: Summary) -> None:
        self._source = source
        self._summary = summary
        self._shown_s = 0.0
        self._width = 0

    def show(self, frame: Frame, prediction: Prediction | None) -> None:
        now = time.monotonic()
        if now - self._shown_s < PROGRESS_INTERVAL_S:
            return
        self._shown_s = now
        position = format_time(frame.timestamp_s)
        if self._source.duration_s:
            share = min(1.0, frame.timestamp_s / self._source.duration_s)
            position = f"{share:>4.0%}  {position} of {format_time(self._source.duration_s)}"
        action = f"{prediction.action} {prediction.confidence:.0%}" if prediction else "…"
        line = f"{position}  {self._summary.frames_per_second():.0f} frames/s  {action}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        sys.stderr.write("\r" + " " * self._width + "\r")
        sys.stderr.flush()


@contextlib.contextmanager
def _stop_signals(result: RunResult) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a note on `result`; a second one acts as usual.

    The run then ends after the frame in hand, with its outputs whole.
    """

    def stop(number: int, _: FrameType | None) -> None:
        result.signal = number
        signal.signal(number, previous[number])

    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in numbers}
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
