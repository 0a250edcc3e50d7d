"""Write predictions: text for people, JSON lines and CSV for machines."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TextIO

from har_edge.errors import OutputError
from har_edge.preprocess import display_path
from har_edge.recognizer import Prediction

CSV_COLUMNS = (
    "source",
    "frame",
    "timestamp_s",
    "action",
    "confidence",
    "window_frames",
    "latency_ms",
    "decode_ms",
    "preprocess_ms",
    "encode_ms",
    "classify_ms",
    "age_ms",
)


class Writer(Protocol):
    """Takes predictions one by one; each is on its way to the reader when `write` returns."""

    def write(self, prediction: Prediction) -> None:
        """Write one prediction."""


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
    return record


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        self._stream = stream
        self._top_k = top_k

    def write(self, prediction: Prediction) -> None:
        """Write one line and flush it: a kill loses at most the line being written."""
        json.dump(to_record(prediction, self._top_k), self._stream, ensure_ascii=False)
        self._stream.write("\n")
        self._stream.flush()


class CsvWriter:
    """One row a prediction, with a header."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        del top_k  # a table has one action a row
        self._stream = stream
        self._rows = csv.DictWriter(stream, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
        self._rows.writeheader()

    def write(self, prediction: Prediction) -> None:
        """Write one row and flush it."""
        self._rows.writerow(to_record(prediction, top_k=1))
        self._stream.flush()


class TextWriter:
    """One line whenever the action changes, under a heading for each source."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        self._stream = stream
        self._top_k = top_k
        self._last: tuple[str, str] | None = None

    def write(self, prediction: Prediction) -> None:
        """Write a line if the action or the source is another than before."""
        previous, self._last = self._last, (prediction.source, prediction.action)
        if previous == self._last:
            return
        if previous is None or previous[0] != prediction.source:
            self._stream.write(f"{prediction.source}\n")
        others = "  ".join(f"{a} {c:.0%}" for a, c in prediction.top(self._top_k)[1:])
        self._stream.write(
            f"  {format_time(prediction.timestamp_s):>8}  {prediction.action:<20}"
            f" {prediction.confidence:>4.0%}   {others}".rstrip()
            + "\n"
        )
        self._stream.flush()


WRITERS: dict[str, Callable[[TextIO, int], Writer]] = {
    "text": TextWriter,
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
}


def format_time(seconds: float) -> str:
    """Format a time as `0:07.25`, with hours where there are any."""
    minutes, rest = divmod(max(0.0, round(seconds, 2)), 60)
    hours, minutes = divmod(int(minutes), 60)
    clock = f"{minutes}:{rest:05.2f}"
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else clock


def open_output(path: str | os.PathLike[str] | None) -> TextIO:
    """Open the output file, or standard output for None or '-'.

    Raises:
        OutputError: if it cannot be written.
    """
    if path is None or os.fspath(path) == "-":
        return sys.stdout
    try:
        return Path(path).open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. "
            "Choose a file in a folder that exists and is yours to write."
        ) from error
