"""Writers: JSON lines, tables and text, line by line."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from har_edge.errors import OutputError
from har_edge.recognition.answer import FileAnswer, PersonAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.sinks.output import open_output
from har_edge.sinks.stream import (
    CSV_COLUMNS,
    EMITS,
    EVENT_COLUMNS,
    CsvWriter,
    JsonLinesWriter,
    StreamSink,
    build_writer,
)
from har_edge.sinks.text import TextWriter
from har_edge.sources.base import SourceStatus
from tests.conftest import ROOT
from tests.support.records import UNUSUAL_LABELS, measured, weighed, written


def test_json_lines_have_the_promised_fields() -> None:
    stream = io.StringIO()
    writer = JsonLinesWriter(stream, top_k=2)
    writer.write(measured(0.1, 0.7, 0.2, frame=4))
    writer.write(measured(0.9, 0.1, 0.0, frame=5))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "source": "a.mp4",
        "frame": 4,
        "timestamp_s": 0.5,
        "action": UNUSUAL_LABELS[1],
        "confidence": 0.7,
        "all_predictions": [
            {"action": UNUSUAL_LABELS[1], "confidence": 0.7},
            {"action": "still", "confidence": 0.2},
        ],
        "window_frames": 16,
        "latency_ms": 5.75,
        "decode_ms": 1.0,
        "preprocess_ms": 0.25,
        "encode_ms": 4.0,
        "classify_ms": 0.5,
        "age_ms": None,
    }
    assert second["action"] == "falling"


def test_csv_reads_back_whatever_the_labels() -> None:
    stream = io.StringIO()
    writer = CsvWriter(stream, top_k=3)
    writer.write(measured(0.1, 0.7, 0.2))
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(row) == CSV_COLUMNS
    assert row["action"] == UNUSUAL_LABELS[1]


def test_text_has_a_line_for_every_change() -> None:
    stream = io.StringIO()
    writer = TextWriter(stream, top_k=2)
    for i, row in enumerate([(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (0.1, 0.2, 0.7)]):
        writer.write(measured(*row, frame=8 * i))
    writer.write(measured(0.1, 0.2, 0.7, source="b.mp4"))
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [
        "a.mp4",
        "0:00.00",
        "0:02.00",
        "b.mp4",
        "0:00.00",
    ]
    assert "still" in lines[2]
    assert "70%" in lines[2]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "text"])
def test_every_line_is_out_at_once(tmp_path: Path, kind: str) -> None:
    """A killed process loses nothing that was written before."""
    with open_output(tmp_path / "out") as stream:
        build_writer(kind, "predictions", stream, 1).write(measured(0.8, 0.1, 0.1))
        assert "falling" in (tmp_path / "out").read_text(encoding="utf-8")


STARTED = Event("action_started", 3, "a.mp4", UNUSUAL_LABELS[1], 1.25, None, 0.91234)
ENDED = Event("action_ended", 3, "a.mp4", UNUSUAL_LABELS[1], 1.25, 3.75, 0.87654)
LOST = SourceStatus("camera:0", "lost", datetime(2026, 3, 1, 14, 5, 9).timestamp(), "No frames.")


def live(event: Event) -> Event:
    """The same event of a live source, whose time 0 is at five past two."""
    start = datetime(2026, 3, 1, 14, 5).timestamp()
    end_at_s = None if event.end_s is None else start + event.end_s
    return replace(event, source="camera:0", start_at_s=start + event.start_s, end_at_s=end_at_s)


def test_events_and_states_as_json_lines() -> None:
    lines = written("jsonl", "all", STARTED, measured(0.8, 0.1, 0.1), ENDED, LOST)
    started, said, ended, lost = map(json.loads, lines.splitlines())
    assert started == {
        "event": "action_started",
        "number": 3,
        "source": "a.mp4",
        "action": UNUSUAL_LABELS[1],
        "start_s": 1.25,
        "end_s": None,
        "duration_s": None,
        "confidence": 0.9123,
    }
    assert "event" not in said and said["action"] == "falling"
    assert ended == {
        **started,
        "event": "action_ended",
        "end_s": 3.75,
        "duration_s": 2.5,
        "confidence": 0.8765,
    }
    assert (lost["status"], lost["source"], lost["detail"]) == ("lost", "camera:0", "No frames.")


def test_live_sources_tell_the_time_with_its_offset() -> None:
    at_s = datetime(2026, 3, 1, 14, 5, 9, 250_000).timestamp()
    said = replace(measured(0.8, 0.1, 0.1), age_ms=12.0, captured_at_s=at_s)
    lines = written("jsonl", "all", said, live(ENDED), LOST).splitlines()
    times = [json.loads(lines[0])["time"], json.loads(lines[2])["time"]]
    times += [json.loads(lines[1])[name] for name in ("start_time", "end_time")]
    parsed = [datetime.fromisoformat(text) for text in times]
    assert all(moment.utcoffset() is not None for moment in parsed)
    seconds = [moment.timestamp() for moment in parsed]
    assert seconds == [at_s, at_s - 0.25, at_s - 8.0, at_s - 5.5]
    (row,) = csv.DictReader(io.StringIO(written("csv", "predictions", said)))
    assert row["time"] == times[0]


def test_events_as_a_table_of_actions() -> None:
    text = written("csv", "events", STARTED, ENDED, LOST, live(ENDED))
    first, second = csv.DictReader(io.StringIO(text))
    assert tuple(first) == EVENT_COLUMNS
    assert (first["action"], first["start_s"], first["end_s"]) == (
        UNUSUAL_LABELS[1],
        "1.25",
        "3.75",
    )
    assert (first["duration_s"], first["start_time"]) == ("2.5", "")
    assert second["end_time"].startswith("2026-03-01T14:05:03.750")


def test_a_table_cannot_hold_both(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("precious")
    with pytest.raises(OutputError, match="Use --output-format jsonl"):
        StreamSink(kept, "csv", "all", 3)
    assert kept.read_text() == "precious"


def test_events_as_text_for_people() -> None:
    text = written("text", "events", STARTED, ENDED, live(STARTED), live(ENDED), LOST)
    assert text == (
        "a.mp4\n"
        '   0:01.25  écrire, "vite"       began\n'
        '   0:03.75  écrire, "vite"       ended after 2.5 s, 88% sure\n'
        "camera:0\n"
        '  2026-03-01 14:05:01  écrire, "vite"       began\n'
        '  2026-03-01 14:05:03  écrire, "vite"       ended after 2.5 s, 88% sure\n'
        "  2026-03-01 14:05:09  [lost] No frames.\n"
    )
    both = written("text", "all", measured(0.8, 0.1, 0.1), STARTED, ENDED)
    assert [len(both.splitlines()), both.count("began"), both.count("falling")] == [4, 1, 1]


def test_an_unknown_action_still_lists_the_best_guess() -> None:
    text = written("text", "predictions", replace(measured(0.5, 0.3, 0.2), rejected=True))
    assert text.split()[2:5] == ["unknown", "50%", "falling"]


ANSWERS = (
    FileAnswer("a.mp4", "falling", 0.95, {"falling": 3.0, 'écrire, "vite"': 1.25}, 17),
    FileAnswer("b.jpg", "still", 0.5, {"still": 0.0}, 1),
    FileAnswer("c.mp4", None, None, error="c.mp4 is empty."),
)


def test_one_row_a_file_in_text() -> None:
    lines = written("text", "files", *ANSWERS).splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ["a.mp4", "falling", "95%"],
        ["b.jpg", "still", "50%"],
    ]
    assert "17 windows" in lines[0] and lines[0].endswith('falling 3.0 s, écrire, "vite" 1.2 s')
    assert lines[2] == "c.mp4  nothing could be read"


def test_one_row_a_file_for_machines() -> None:
    rows = [json.loads(line) for line in written("jsonl", "files", *ANSWERS).splitlines()]
    assert rows[0] == {
        "source": "a.mp4",
        "action": "falling",
        "confidence": 0.95,
        "seconds": {"falling": 3.0, 'écrire, "vite"': 1.25},
        "windows": 17,
        "error": None,
    }
    table = list(csv.DictReader(io.StringIO(written("csv", "files", *ANSWERS))))
    assert [row["action"] for row in table] == ["falling", "still", ""]
    assert json.loads(table[0]["seconds"]) == rows[0]["seconds"]
    assert table[2]["error"] == "c.mp4 is empty."


def test_people_of_a_file_stand_in_its_row() -> None:
    people = (
        PersonAnswer(1, "falling", 0.95, {"falling": 3.0}, 17),
        PersonAnswer(4, "still", 0.5, {"still": 0.25}, 2),
    )
    answer = replace(ANSWERS[0], people=people)
    assert written("text", "files", answer).endswith("; person 1 falling 95%, person 4 still 50%\n")
    crowd = tuple(replace(people[0], person=n, windows=n) for n in range(1, 10))
    said = written("text", "files", replace(answer, people=crowd))
    assert "; person 4 falling" in said and said.endswith("person 9 falling 95%, 3 more\n")
    (row,) = map(json.loads, written("jsonl", "files", answer).splitlines())
    assert row["people"][1] == {
        "person": 4,
        "action": "still",
        "confidence": 0.5,
        "seconds": {"still": 0.25},
        "windows": 2,
    }
    stream = io.StringIO()
    writer = build_writer("csv", "files", stream, 3, people=True)
    for each in (answer, ANSWERS[2]):
        writer.write(each)
    table = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert json.loads(table[0]["people"]) == row["people"]
    assert (table[0]["action"], table[1]["people"]) == ("falling", "")


def test_sinks_want_what_is_emitted(tmp_path: Path) -> None:
    for emit in EMITS:
        sink = StreamSink(tmp_path / "out.jsonl", "jsonl", emit, 3)
        assert (Prediction in sink.wants) == (emit in ("predictions", "all"))
        assert (Event in sink.wants) == (SourceStatus in sink.wants) == (emit in ("events", "all"))
        assert (FileAnswer in sink.wants) == (emit == "files")
        sink.close()


def test_a_full_disk_is_said(small_disk: Callable[[int], Path]) -> None:
    sink = StreamSink(small_disk(16) / "out.jsonl", "jsonl", "predictions", 3)
    with pytest.raises(OutputError, match="can no longer be written to: No space left"):
        for i in range(1000):
            sink.take(measured(0.8, 0.1, 0.1, frame=i))
    sink.close()


# Writes as fast as it can, by way of a queue, and tells what it has put in.
WRITING = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.edge.sinks.test_stream import ENDED
from tests.support.records import measured
from dataclasses import replace
from har_edge.sinks.stream import StreamSink
from har_edge.sinks.queue import SinkQueue
_, _, path, output_format, emit = sys.argv
queue = SinkQueue(StreamSink(path, output_format, emit, 3), note=print, vital=True)
print("ready", flush=True)
for number in range(1_000_000):
    queue.put(measured(0.8, 0.1, 0.1, frame=number), wait=True)
    queue.put(replace(ENDED, number=number), wait=True)
"""


@pytest.mark.parametrize(
    ("output_format", "emit"),
    [("jsonl", "all"), ("jsonl", "predictions"), ("csv", "predictions"), ("csv", "events")],
)
def test_a_kill_at_any_moment_leaves_whole_lines(
    tmp_path: Path, output_format: str, emit: str
) -> None:
    path, folder = tmp_path / "out", str(ROOT)
    for size in (3_000, 20_000, 250_000):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, folder, str(path), output_format, emit],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        while path.stat().st_size < size:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        # All lines but a last one without its end are whole, and none is missing between.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        lines = lines if lines[-1].endswith("\n") else lines[:-1]
        if output_format == "csv":
            rows = list(csv.DictReader(lines))
            assert all(None not in row and None not in row.values() for row in rows)
            numbers = [int(row["number" if emit == "events" else "frame"]) for row in rows]
        else:
            records = [json.loads(line) for line in lines]
            numbers = [r["number"] for r in records if "event" in r]
            frames = [r["frame"] for r in records if "event" not in r]
            assert frames == list(range(len(frames)))
            assert len(numbers) in (
                (0,) if emit == "predictions" else (len(frames), len(frames) - 1)
            )
        assert numbers == list(range(len(numbers)))
        assert len(lines) > 5


def test_text_does_not_steer_the_terminal() -> None:
    stream = io.StringIO()
    evil = "cam\x1b[2J\u202e\n\x9b0m"
    writer = build_writer("text", "predictions", stream, 1)
    writer.write(weighed(1.0, source=evil, labels=("f\x07",)))
    assert stream.getvalue().replace("\n", "").isprintable()
    assert r"cam\x1b[2J\u202e\n\x9b0m" in stream.getvalue()


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2+3", "@SUM(A1)"])
def test_csv_cells_are_no_formulas(name: str) -> None:
    stream = io.StringIO()
    writer = build_writer("csv", "predictions", stream, 1)
    writer.write(weighed(1.0, at_s=-1.5, source=name, labels=("falling",)))
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert row["source"] == f"'{name}"
    assert float(row["timestamp_s"]) == -1.5
