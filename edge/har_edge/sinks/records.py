"""Predictions, events and states as plain values; times and durations in words.

The field names are those that users see, in files as on the network.
"""

from __future__ import annotations

from typing import Any

from har_edge.durations import iso_time
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.sources.base import SourceStatus


def to_record(prediction: Prediction, top_k: int) -> dict[str, Any]:
    """Turn a prediction into plain values with the field names of the JSON output."""
    record: dict[str, Any] = {
        "source": prediction.source,
        "frame": prediction.frame,
        "timestamp_s": round(prediction.timestamp_s, 3),
        "action": prediction.action,
        "confidence": round(prediction.confidence, 4),
        "all_predictions": [
            {"action": action, "confidence": round(confidence, 4)}
            for action, confidence in prediction.top(top_k)
        ],
        "window_frames": prediction.window_frames,
    }
    for name in ("latency_ms", "decode_ms", "preprocess_ms", "encode_ms", "classify_ms"):
        record[name] = round(getattr(prediction, name), 3)
    record["age_ms"] = None if prediction.age_ms is None else round(prediction.age_ms, 3)
    if prediction.captured_at_s is not None:
        record["time"] = iso_time(prediction.captured_at_s)
    return record


def event_record(event: Event) -> dict[str, Any]:
    """Turn an event into plain values with the field names of the JSON output."""
    record: dict[str, Any] = {
        "event": event.kind,
        "number": event.number,
        "source": event.source,
        "action": event.action,
        "start_s": round(event.start_s, 3),
        "end_s": None if event.end_s is None else round(event.end_s, 3),
        "duration_s": None if event.duration_s is None else round(event.duration_s, 3),
        "confidence": round(event.confidence, 4),
    }
    if event.start_at_s is not None:
        record["start_time"] = iso_time(event.start_at_s)
        record["end_time"] = None if event.end_at_s is None else iso_time(event.end_at_s)
    return record


def status_record(status: SourceStatus) -> dict[str, Any]:
    """Turn a state into plain values with the field names of the JSON output."""
    return {
        "status": status.state,
        "source": status.source,
        "time": iso_time(status.at_s),
        "detail": status.detail,
    }
