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
import stat
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO, get_args

from har_edge.config import Emit
from har_edge.durations import format_duration
from har_edge.durations import format_time as format_time  # noqa: PLC0414 - others take it here
from har_edge.errors import OutputError
from har_edge.locks import try_lock
from har_edge.paths import display_path
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.recognition.visits import Visit
from har_edge.sinks.base import Record
from har_edge.sources.base import SourceStatus
from har_edge.visible import spreadsheet_cell, visible, visible_json

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
# People whose last action a text keeps in mind, so that it says each change once.
MOST_PEOPLE = 1000
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
        _write(self._stream, visible_json(json.dumps(values, ensure_ascii=self._ascii)) + "\n")


class CsvWriter:
    """One row a prediction, with a header."""

    def __init__(self, stream: TextIO, top_k: int, *, people: bool = False) -> None:
        del top_k  # a table has one action a row
        self._stream = stream
        self._columns = CSV_COLUMNS + (PERSON_COLUMNS if people else ())
        _write(stream, _row(self._columns))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, Prediction):
            values = record.as_dict(1)
            if record.box is not None:
                edges = (round(edge, 4) for edge in record.box)
                values |= dict(zip(PERSON_COLUMNS[2:6], edges, strict=True))
            _write(self._stream, _row([values.get(name) for name in self._columns]))


class CsvEventWriter:
    """One row an action that ended, with a header."""

    def __init__(self, stream: TextIO, top_k: int, *, people: bool = False) -> None:
        del top_k
        self._stream = stream
        self._columns = EVENT_COLUMNS + (EVENT_PERSON_COLUMNS if people else ())
        _write(stream, _row(self._columns))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, Event) and record.kind == "action_ended":
            values = record.as_dict()
            _write(self._stream, _row([values.get(name) for name in self._columns]))


class CsvFileWriter:
    """One row a file, with a header; the seconds of each action are one cell, as JSON."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        del top_k
        self._stream = stream
        _write(stream, _row(FILE_COLUMNS))

    def write(self, record: Record) -> None:
        """Write one row and flush it."""
        if isinstance(record, FileAnswer):
            values = record.as_dict()
            values["seconds"] = json.dumps(values["seconds"], ensure_ascii=False)
            _write(self._stream, _row([values[name] for name in FILE_COLUMNS]))


class _Sections:
    """Lines of text under a heading for each source, where it is another than before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._source: str | None = None

    def write(self, source: str, line: str) -> None:
        heading = "" if source == self._source else f"{visible(source)}\n"
        self._source = source
        _write(self._stream, f"{heading}  {visible(line.rstrip())}\n")


class TextWriter:
    """One line whenever the action changes, a person's on their own, under a heading a source."""

    def __init__(self, stream: TextIO, top_k: int, sections: _Sections | None = None) -> None:
        self._sections = sections or _Sections(stream)
        self._top_k = top_k
        self._source: str | None = None
        # By person; None is the whole picture.
        self._last: dict[int | None, str] = {}

    def write(self, record: Record) -> None:
        """Write a line if the action or the source is another than before."""
        if not isinstance(record, Prediction) or not self._is_news(record):
            return
        # Where the best guess is not claimed, it is still worth listing.
        listed = record.top(self._top_k)[0 if record.rejected else 1 :]
        others = "  ".join(f"{action} {share:.0%}" for action, share in listed)
        self._sections.write(
            record.source,
            f"{format_time(record.timestamp_s):>8}  {_who(record.person)}{record.action:<20}"
            f" {record.confidence:>4.0%}   {others}",
        )

    def _is_news(self, record: Prediction) -> bool:
        if record.source != self._source or len(self._last) > MOST_PEOPLE:
            self._source, self._last = record.source, {}
        if self._last.get(record.person) == record.action:
            return False
        if record.is_nobody:
            self._last = {}
        elif record.person is not None and self._last.get(None) == NOBODY:
            del self._last[None]
        self._last[record.person] = record.action
        return True


class TextEventWriter:
    """One line when an action begins, ends, or a source changes its state.

    A live source's lines carry the local date and time, a file's the time in the file.
    """

    def __init__(self, stream: TextIO, top_k: int, sections: _Sections | None = None) -> None:
        del top_k
        self._sections = sections or _Sections(stream)

    def write(self, record: Record) -> None:
        """Write one line, under a heading where the source is another than before."""
        match record:
            case Event(kind="action_started"):
                when = _when(record.start_at_s, record.start_s)
                text = f"{_who(record.person)}{record.action:<20} began"
            case Event():
                assert record.end_s is not None and record.duration_s is not None
                when = _when(record.end_at_s, record.end_s)
                lasted = format_duration(record.duration_s)
                text = f"{_who(record.person)}{record.action:<20} ended after {lasted}, "
                text += f"{record.confidence:.0%} sure"
            case Visit():
                when = _when(record.end_at_s or record.start_at_s, record.end_s or record.start_s)
                stayed = (
                    "" if record.dwell_s is None else f" after {format_duration(record.dwell_s)}"
                )
                what = "left" if record.kind == "zone_left" else "entered"
                text = f"{_who(record.person)}{what} {record.zone}{stayed}"
            case SourceStatus():
                when = _when(record.at_s, 0.0)
                text = f"[{record.state}] {record.detail}".rstrip()
            case _:
                return
        self._sections.write(record.source, f"{when:>8}  {text}")


class TextFileWriter:
    """One line a file: what it shows, and for how long."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        self._stream = stream
        self._top_k = top_k

    def write(self, record: Record) -> None:
        """Write one line."""
        if not isinstance(record, FileAnswer):
            return
        if record.action is None or record.confidence is None:
            said = "nothing could be read"
        else:
            longest = list(record.seconds.items())[: self._top_k]
            times = ", ".join(f"{action} {time_s:.1f} s" for action, time_s in longest if time_s)
            windows = f"{record.windows} window{'s' if record.windows != 1 else ''}"
            said = f"{record.action:<20} {record.confidence:>4.0%}   {windows:<12} {times}"
        cut = "" if record.error is None or record.action is None else "  [not read in full]"
        _write(self._stream, f"{visible(record.source)}  {visible(said.rstrip())}{cut}\n")


class _Both:
    """Predictions and events in one text."""

    def __init__(self, stream: TextIO, top_k: int) -> None:
        sections = _Sections(stream)
        self._writers = (
            TextWriter(stream, top_k, sections),
            TextEventWriter(stream, top_k, sections),
        )

    def write(self, record: Record) -> None:
        for writer in self._writers:
            writer.write(record)


TEXTS: dict[Emit, Callable[[TextIO, int], Writer]] = {
    "predictions": TextWriter,
    "events": TextEventWriter,
    "all": _Both,
}
FILE_WRITERS: dict[str, Callable[[TextIO, int], Writer]] = {
    "text": TextFileWriter,
    "jsonl": JsonLinesWriter,
    "csv": CsvFileWriter,
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


def _write(stream: TextIO, line: str) -> None:
    stream.write(line)
    stream.flush()


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(spreadsheet_cell, values))
    return line.getvalue()


def _who(person: int | None) -> str:
    return "" if person is None else f"{f'person {person}':<10} "


def _when(at_s: float | None, source_s: float) -> str:
    if at_s is None:
        return format_time(source_s)
    return f"{datetime.fromtimestamp(at_s):%Y-%m-%d %H:%M:%S}"


def open_output(path: str | os.PathLike[str] | None) -> TextIO:
    """Open the output file, or standard output for None or '-'.

    Raises:
        OutputError: if it cannot be written.
    """
    if path is None or os.fspath(path) == "-":
        # A process may be started without one; mypy believes that there always is.
        stream: TextIO | None = sys.stdout
        if stream is None:
            raise OutputError(
                "Standard output is closed. Open it, or write to a file: --output FILE."
            )
        return stream
    file = Path(path)
    try:
        return os.fdopen(_open_file(file), "w", encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(
            f"{display_path(path)} cannot be written: {error.strerror}. Choose a file in an "
            "existing folder that you can write to."
        ) from error


def _open_file(path: Path) -> int:
    """Open what `--output` names; of files only the user may read, and one run at a time write."""
    try:
        special = not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        special = False
    # A device, a named pipe, or what the system itself links to: /dev/stdout, which may be a file.
    if special or path.is_relative_to("/dev") or path.is_relative_to("/proc"):
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    if path.is_symlink():
        raise OutputError(
            f"{display_path(path)} should be a file. Received a link, which somebody else may "
            "have put there. Name the file itself."
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if not try_lock(descriptor):
            raise OutputError(
                f"{display_path(path)} should be written by one run at a time. Another one is at "
                "it. Give another --output."
            )
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
