"""Write predictions, events and states: text for people, JSON lines and CSV for machines.

A line is put together in full and then written at once, so that a process that is killed at any
moment leaves a file whose lines are whole, but for the last one at most.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TextIO, get_args

from har_edge.config import Emit
from har_edge.errors import OutputError
from har_edge.paths import display_path
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.sinks.base import Record
from har_edge.sinks.output import open_output
from har_edge.sinks.text import TextBoth, TextEventWriter, TextFileWriter, TextWriter, write_line
from har_edge.sources.base import SourceStatus
from har_edge.visible import spreadsheet_cell, visible_json

EMITS: tuple[Emit, ...] = get_args(Emit)

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
    "time",
)
# Added where people are told apart; edges of the box are fractions of the picture.
PERSON_COLUMNS = (
    "locate_ms",
    "person",
    "box_left",
    "box_top",
    "box_right",
    "box_bottom",
    "located",
    "zone",
)
EVENT_PERSON_COLUMNS = ("person", "zone")
# One row an action, written when it ends; what is going on has no row yet.
EVENT_COLUMNS = (
    "number",
    "source",
    "action",
    "start_s",
    "end_s",
    "duration_s",
    "confidence",
    "start_time",
    "end_time",
)


# One row a file.
FILE_COLUMNS = ("source", "action", "confidence", "seconds", "windows", "error")
FILE_PERSON_COLUMNS = ("people",)


class Writer(Protocol):
    """Takes records one by one; each is on its way to the reader when `write` returns."""

    def write(self, record: Record) -> None:
        """Write one record; kinds that it has no form for are passed over."""


class JsonLinesWriter:
    """One JSON object a line; its kind shows by `action` alone, `event` or `status`."""

    def __init__(self, stream: TextIO, top_k: int, *, keypoints: bool = False) -> None:
        self._stream = stream
        self._top_k = top_k
        self._keypoints = keypoints
        # In other encodings JSON has its own way to write what they lack.
        encoding = getattr(stream, "encoding", None) or "utf-8"
        self._ascii = encoding.lower().replace("-", "") != "utf8"

    def write(self, record: Record) -> None:
        """Write one line and flush it: a kill loses at most the line being written."""
        match record:
            case Prediction():
                values = record.as_dict(self._top_k, keypoints=self._keypoints)
            case Event() | Visit() | SourceStatus() | FileAnswer():
                values = record.as_dict()
            case _:
                return
        write_line(self._stream, visible_json(json.dumps(values, ensure_ascii=self._ascii)) + "\n")


class CsvWriter:
    """One row a prediction, with a header."""

    def __init__(self, stream: TextIO, top_k: int, *, people: bool = False) -> None:
        del top_k  # a table has one action a row
        self._stream = stream
        self._columns = CSV_COLUMNS + (PERSON_COLUMNS if people else ())
        write_line(stream, _row(self._columns))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, Prediction):
            values = record.as_dict(1)
            if record.box is not None:
                edges = (round(edge, 4) for edge in record.box)
                values |= dict(zip(PERSON_COLUMNS[2:6], edges, strict=True))
            write_line(self._stream, _row([values.get(name) for name in self._columns]))


class CsvEventWriter:
    """One row an action that ended, with a header."""

    def __init__(self, stream: TextIO, top_k: int, *, people: bool = False) -> None:
        del top_k
        self._stream = stream
        self._columns = EVENT_COLUMNS + (EVENT_PERSON_COLUMNS if people else ())
        write_line(stream, _row(self._columns))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, Event) and record.kind == "action_ended":
            values = record.as_dict()
            write_line(self._stream, _row([values.get(name) for name in self._columns]))


class CsvFileWriter:
    """One row a file, with a header; the seconds of each action, and people, are JSON in a cell."""

    def __init__(self, stream: TextIO, top_k: int, *, people: bool = False) -> None:
        del top_k
        self._stream = stream
        self._columns = FILE_COLUMNS + (FILE_PERSON_COLUMNS if people else ())
        write_line(stream, _row(self._columns))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, FileAnswer):
            values = record.as_dict()
            for name in ("seconds", *FILE_PERSON_COLUMNS):
                if name in values:
                    values[name] = json.dumps(values[name], ensure_ascii=False)
            write_line(self._stream, _row([values.get(name) for name in self._columns]))


TEXTS: dict[Emit, Callable[[TextIO, int], Writer]] = {
    "predictions": TextWriter,
    "events": TextEventWriter,
    "all": TextBoth,
}
FILE_WRITERS: dict[str, Callable[[TextIO, int], Writer]] = {
    "text": TextFileWriter,
    "jsonl": JsonLinesWriter,
}
EMITTED: dict[Emit, tuple[type, ...]] = {
    "predictions": (Prediction,),
    "events": (Event, Visit, SourceStatus),
    "all": (Prediction, Event, Visit, SourceStatus),
    "files": (FileAnswer,),
}


def build_writer(
    output_format: str,
    emit: Emit,
    stream: TextIO,
    top_k: int,
    *,
    people: bool = False,
    keypoints: bool = False,
) -> Writer:
    """Choose a writer by `--output-format` and `--emit`.

    Args:
        output_format, emit: As the options.
        stream: Where to write.
        top_k: Number of actions to list with each prediction.
        people: Whether a table has columns for people.
        keypoints: Whether JSON lists each person's keypoints.

    Raises:
        OutputError: for `csv` with `all`: predictions and events have different columns.
    """
    if emit == "files":
        if output_format == "csv":
            return CsvFileWriter(stream, top_k, people=people)
        return FILE_WRITERS[output_format](stream, top_k)
    if output_format == "text":
        return TEXTS[emit](stream, top_k)
    if output_format == "jsonl":
        return JsonLinesWriter(stream, top_k, keypoints=keypoints)
    if emit == "all":
        raise OutputError(
            "A CSV table should have one kind of row. Received --emit all, for predictions and "
            "events. Use --output-format jsonl, or --emit predictions or events."
        )
    table = CsvWriter if emit == "predictions" else CsvEventWriter
    return table(stream, top_k, people=people)


class StreamSink:
    """A writer on standard output or a file, as a sink."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        output_format: str,
        emit: Emit,
        top_k: int,
        *,
        people: bool = False,
        keypoints: bool = False,
    ) -> None:
        """Open the output.

        Raises:
            OutputError: if it cannot be written, or the format has no room for what is emitted.
        """
        build = partial(build_writer, output_format, emit, people=people, keypoints=keypoints)
        build(io.StringIO(), top_k)  # refuses before a file is emptied
        self.wants = EMITTED[emit]
        self._stream = open_output(path)
        self._to_stdout = self._stream is sys.stdout
        self.name = "standard output" if self._to_stdout else display_path(path or "-")
        self._writer = build(self._stream, top_k)

    def take(self, record: Record) -> None:
        """Write one record.

        Raises:
            BrokenPipeError: if the reader of standard output has gone.
            OutputError: if the disk is full or the file has gone.
        """
        try:
            self._writer.write(record)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"{self.name} can no longer be written to: {error.strerror}. Everything before "
                "is complete, except for the last line. Free some space and run again."
            ) from error

    def close(self) -> None:
        """Close a file; standard output stays open."""
        if not self._to_stdout:
            # What could not be written has been reported by `take`.
            with contextlib.suppress(OSError):
                self._stream.close()


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(spreadsheet_cell, values))
    return line.getvalue()
