"""Predictions, events and states for tests of what takes them; made by `har_edge.testing`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from har_edge.recognition.events import Event, EventKind
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.base import Record
from har_edge.sinks.stream import build_writer
from har_edge.sources.base import SourceState, SourceStatus
from har_edge.testing import make_answer, make_event, make_prediction

ACTIONS = ("falling", "sitting")
UNUSUAL_LABELS = ("falling", 'écrire, "vite"', "still")


def prediction(
    at_s: float,
    action: str = "sitting",
    confidence: float = 0.9,
    *,
    source: str = "camera:0",
    start_s: float | None = None,
    labels: Sequence[str] = ACTIONS,
) -> Prediction:
    """What is said at a time of a source; of a live one, `start_s` is the Unix time it began."""
    return make_answer(
        action,
        labels,
        confidence=confidence,
        source=source,
        timestamp_s=at_s,
        captured_at_s=None if start_s is None else start_s + at_s,
    )


def weighed(
    *probabilities: float,
    at_s: float = 0.0,
    frame: int = 0,
    source: str = "a.mp4",
    labels: Sequence[str] = ACTIONS,
) -> Prediction:
    """What the model says in numbers, in the order of the labels."""
    return make_prediction(
        dict(zip(labels, probabilities, strict=True)),
        source=source,
        frame=frame,
        timestamp_s=at_s,
    )


def measured(*probabilities: float, frame: int = 0, source: str = "a.mp4") -> Prediction:
    """What a model of clips says of `UNUSUAL_LABELS`, with the time that each step took."""
    at_s = frame / 8
    said = weighed(*probabilities, at_s=at_s, frame=frame, source=source, labels=UNUSUAL_LABELS)
    spent = {"decode_ms": 1.0, "preprocess_ms": 0.25, "encode_ms": float(frame), "classify_ms": 0.5}
    return replace(said, window_frames=16, **spent)


def event(
    number: int,
    kind: EventKind = "action_started",
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    source: str = "camera:0",
    action: str = "sitting",
    start_at_s: float | None = None,
) -> Event:
    """An action that began, unless another kind is given; at the second of its number."""
    start_s = float(number) if start_s is None else start_s
    return make_event(
        kind, number=number, source=source, action=action, start_s=start_s, end_s=end_s,
        started_at_s=start_at_s,
    )  # fmt: skip


def status(
    at_s: float, state: SourceState = "lost", source: str = "camera:0", detail: str = ""
) -> SourceStatus:
    """A state that a source came to at a Unix time."""
    return SourceStatus(source, state, at_s, detail)


def written(output_format: str, emit: str, *records: Record) -> str:
    """What a writer that lists the two best actions makes of records."""
    stream = io.StringIO()
    writer = build_writer(output_format, emit, stream, 2)  # type: ignore[arg-type]
    for record in records:
        writer.write(record)
    return stream.getvalue()
