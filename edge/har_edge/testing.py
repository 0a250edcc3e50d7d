"""Stand-ins for tests of programs built on har_edge: a model, a source, a clock, results.

They keep to the same interfaces as the real ones, so that nothing need be patched:

    >>> from har_edge import Model
    >>> from har_edge.testing import ScriptedSource, scripted_model
    >>> model = Model(scripted_model([{"sitting": 0.9, "falling": 0.1}, {"falling": 1.0}]))
    >>> [p.action for p in model.recognize(ScriptedSource(count=2), smoothing_s=0)]
    ['sitting', 'falling']
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from har_edge.arrays import FloatArray
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ClipSpec, ModelSpec
from har_edge.model.tensors import Array
from har_edge.recognition.events import Event, EventKind
from har_edge.recognition.prediction import UNKNOWN, Prediction
from har_edge.sources.base import OpenSource

FEATURE_SIZE = 4


def make_prediction(
    probabilities: Mapping[str, float],
    *,
    source: str = "made-up.mp4",
    frame: int = 0,
    timestamp_s: float = 0.0,
    window_frames: int = 1,
    captured_at_s: float | None = None,
    rejected: bool = False,
) -> Prediction:
    """Make a prediction with these probabilities; its latencies are 0.

    Args:
        probabilities: Label to probability, in the order of the labels.
        source, frame, timestamp_s, window_frames, captured_at_s, rejected: See `Prediction`.

    Example:
        >>> make_prediction({"falling": 0.75, "sitting": 0.25}).action
        'falling'
    """
    return Prediction(
        source=source,
        frame=frame,
        timestamp_s=timestamp_s,
        probabilities=np.array(list(probabilities.values()), np.float32),
        labels=tuple(probabilities),
        window_frames=window_frames,
        decode_ms=0.0,
        preprocess_ms=0.0,
        encode_ms=0.0,
        classify_ms=0.0,
        captured_at_s=captured_at_s,
        rejected=rejected,
    )


def make_answer(
    action: str,
    labels: Sequence[str],
    *,
    confidence: float = 0.8,
    source: str = "made-up.mp4",
    timestamp_s: float = 0.0,
    captured_at_s: float | None = None,
) -> Prediction:
    """Make a prediction of this action; the others share the rest equally.

    Example:
        >>> make_answer("unknown", ("falling", "sitting")).action
        'unknown'
    """
    rest = (1 - confidence) / (len(labels) - 1)
    best = action if action in labels else labels[0]
    return make_prediction(
        {label: confidence if label == best else rest for label in labels},
        source=source,
        timestamp_s=timestamp_s,
        captured_at_s=captured_at_s,
        rejected=action == UNKNOWN,
    )


def make_event(
    kind: EventKind = "action_ended",
    *,
    number: int = 1,
    source: str = "made-up.mp4",
    action: str = "falling",
    start_s: float = 1.0,
    end_s: float | None = None,
    started_at_s: float | None = None,
) -> Event:
    """Make an event; one that ended lasted two seconds unless its end is given.

    Args:
        kind, number, source, action, start_s, end_s: See `Event`.
        started_at_s: Of a live source: Unix time of `start_s`.

    Example:
        >>> print(make_event(start_s=1.0))
        falling ended after 2.0 s, 0:03.00 of made-up.mp4
    """
    if kind == "action_ended" and end_s is None:
        end_s = start_s + 2.0
    over_at_s = None if started_at_s is None or end_s is None else started_at_s + end_s - start_s
    return Event(kind, number, source, action, start_s, end_s, 0.9, started_at_s, over_at_s)


class ScriptedBackend:
    """A runtime that returns scripted probabilities, window by window.

    Attributes:
        encoded: Frames that were encoded.
        classified: Windows that were classified.
    """

    name = "scripted"
    version = "0"

    def __init__(self, script: Sequence[Sequence[float]]) -> None:
        """Learn what to say.

        Args:
            script: Probabilities, (C,), of each window in turn; the last ones stay.
        """
        self._script = [np.array(row, np.float32) for row in script]
        self.encoded = 0
        self.classified = 0

    def encode(self, frame: Array) -> FloatArray:
        """Features (1, D): how bright the frame (1, H, W, 3) is."""
        self.encoded += 1
        return np.full((1, FEATURE_SIZE), frame.mean(), np.float32)

    def classify(self, features: Array) -> FloatArray:
        """The next scripted probabilities, (1, C)."""
        del features
        row = self._script[min(self.classified, len(self._script) - 1)]
        self.classified += 1
        return row[np.newaxis]


def scripted_model(
    script: Sequence[Mapping[str, float]],
    *,
    num_frames: int = 1,
    frame_rate_hz: float = 10.0,
    reject_threshold: float = 0.0,
) -> LoadedModel:
    """A model that returns scripted predictions, window by window, whatever it sees.

    Args:
        script: Label to probability, for each window in turn; the last one is repeated. Labels
            that one leaves out have probability 0 there.
        num_frames: Frames per window.
        frame_rate_hz: Rate at which frames are sampled.
        reject_threshold: Confidence below which an action counts as unknown.

    Example:
        >>> scripted_model([{"falling": 0.75, "sitting": 0.25}]).spec.labels
        ('falling', 'sitting')
    """
    labels = tuple(dict.fromkeys(label for said in script for label in said))
    spec = ModelSpec(
        name="scripted",
        labels=labels,
        clip=ClipSpec(num_frames, frame_rate_hz, 8, 8),
        feature_size=FEATURE_SIZE,
        reject_threshold=reject_threshold,
        model_sha256="0" * 64,
    )
    rows = [[said.get(label, 0.0) for label in labels] for said in script]
    return LoadedModel(spec, Path("scripted.tflite"), 0, ScriptedBackend(rows))


class ScriptedSource(OpenSource):
    """A source of small grey frames at an even pace.

    Attributes:
        read: Frames that were delivered, or passed over by the sampler.
        opened: How often its frames were asked for.
        closed: How often they came to their end, or were closed.
        stopped: Set by `stop`.

    Example:
        >>> from har_edge.frames.sampling import FrameSampler
        >>> source = ScriptedSource(count=3, rate_hz=10)
        >>> [frame.timestamp_s for frame in source.frames(FrameSampler(10))]
        [0.0, 0.1, 0.2]
    """

    def __init__(
        self,
        name: str = "made-up.mp4",
        count: int = 1,
        *,
        rate_hz: float = 10.0,
        live: bool = False,
        pace_s: float = 0.0,
        gaps: Iterable[int] = (),
        error: Exception | None = None,
    ) -> None:
        """Say what it delivers.

        Args:
            name: Printable name.
            count: Frames in all.
            rate_hz: Frames a second of the source's own time.
            live: Whether it is a camera, whose frames may be dropped.
            pace_s: Real time before each frame.
            gaps: Numbers of the frames that come after a gap.
            error: Raised at the end, if given.
        """
        self.name = name
        self.live = live
        self.duration_s = None if live else count / rate_hz
        self.read = self.opened = self.closed = 0
        self.stopped = threading.Event()
        self._count = count
        self._rate_hz = rate_hz
        self._pace_s = pace_s
        self._gaps = frozenset(gaps)
        self._error = error

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        """Yield the frames that `sampler` takes, then raise the scripted error."""
        self.opened += 1
        try:
            for index in range(self._count):
                if self.stopped.wait(self._pace_s):
                    return
                self.read = index + 1
                timestamp_s, after_gap = index / self._rate_hz, index in self._gaps
                if sampler.takes(timestamp_s):
                    pixels = np.full((8, 8, 3), index % 256, np.uint8)
                    yield Frame(pixels, timestamp_s, index, self.name, 0.0, after_gap=after_gap)
            if self._error is not None:
                raise self._error
        finally:
            self.closed += 1

    def stop(self) -> None:
        """End `frames` before the next one."""
        self.stopped.set()


class ManualClock:
    """A clock that moves when a test sets it, or when code sleeps by it.

    Attributes:
        now_s: Its time.
        slept: Length of each sleep.

    Example:
        >>> clock = ManualClock()
        >>> clock.sleep(2.5)
        >>> clock()
        2.5
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Advance the clock without waiting."""
        self.slept.append(seconds)
        self.now_s += seconds
