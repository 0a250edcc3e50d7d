"""Predictions, events and files as lines of text, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from har_edge.counted import counted
from har_edge.durations import format_duration, format_time
from har_edge.recognition.answer import FileAnswer, PersonAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import NOBODY, Prediction
from har_edge.recognition.visits import Visit
from har_edge.sinks.base import Record
from har_edge.sources.base import SourceStatus
from har_edge.visible import visible

# People whose last action a text keeps in mind, so that it says each change once.
MOST_PEOPLE = 1000


class _Sections:
    """Lines of text under a heading for each source, where it is another than before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._source: str | None = None

    def write(self, source: str, line: str) -> None:
        heading = "" if source == self._source else f"{visible(source)}\n"
        self._source = source
        write_line(self._stream, f"{heading}  {visible(line.rstrip())}\n")


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
            f"{format_time(record.timestamp_s):>8}  {say_who(record.person)}{record.action:<20}"
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
                text = f"{say_who(record.person)}{record.action:<20} began"
            case Event():
                assert record.end_s is not None and record.duration_s is not None
                when = _when(record.end_at_s, record.end_s)
                lasted = format_duration(record.duration_s)
                text = f"{say_who(record.person)}{record.action:<20} ended after {lasted}, "
                text += f"{record.confidence:.0%} sure"
            case Visit():
                when = _when(record.end_at_s or record.start_at_s, record.end_s or record.start_s)
                stayed = (
                    "" if record.dwell_s is None else f" after {format_duration(record.dwell_s)}"
                )
                what = "left" if record.kind == "zone_left" else "entered"
                text = f"{say_who(record.person)}{what} {record.zone}{stayed}"
            case SourceStatus():
                when = _when(record.at_s, 0.0)
                text = f"[{record.state}] {record.detail}".rstrip()
            case _:
                return
        self._sections.write(record.source, f"{when:>8}  {text}")


# People of a file who stand in its line.
LISTED_PEOPLE = 6


class TextFileWriter:
    """One line a file: what it shows, and for how long; and what each person does."""

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
            windows = counted(record.windows, "window")
            said = f"{record.action:<20} {record.confidence:>4.0%}   {windows:<12} {times}"
            said += _say_people(record.people or ())
        cut = "" if record.error is None or record.action is None else "  [not read in full]"
        write_line(self._stream, f"{visible(record.source)}  {visible(said.rstrip())}{cut}\n")


def _say_people(people: Sequence[PersonAnswer]) -> str:
    """What each person of a file does, those seen longest if there are many, by number."""
    longest = sorted(people, key=lambda answer: (-answer.windows, answer.person))
    listed = sorted(longest[:LISTED_PEOPLE], key=lambda answer: answer.person)
    said = [f"person {a.person} {a.action} {a.confidence:.0%}" for a in listed]
    if more := len(people) - len(listed):
        said.append(f"{more} more")
    return f"; {', '.join(said)}" if said else ""


class TextBoth:
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


def write_line(stream: TextIO, line: str) -> None:
    stream.write(line)
    stream.flush()


def say_who(person: int | None) -> str:
    return "" if person is None else f"{f'person {person}':<10} "


def _when(at_s: float | None, source_s: float) -> str:
    if at_s is None:
        return format_time(source_s)
    return f"{datetime.fromtimestamp(at_s):%Y-%m-%d %H:%M:%S}"
