"""Writers and the summary."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from har_edge.durations import format_duration, format_time
from har_edge.errors import OutputError
from har_edge.recognition.answer import FileAnswer
from har_edge.recognition.events import Event
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.visits import Visit
from har_edge.run.summary import Summary
from har_edge.sinks.base import Record
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
from har_edge.testing import make_event
from tests.conftest import ROOT
from tests.support.records import weighed

LABELS = ("falling", 'écrire, "vite"', "still")


def prediction(*probabilities: float, frame: int = 0, source: str = "a.mp4") -> Prediction:
    at_s = frame / 8
    said = weighed(*probabilities, at_s=at_s, frame=frame, source=source, labels=LABELS)
    spent = {"decode_ms": 1.0, "preprocess_ms": 0.25, "encode_ms": float(frame), "classify_ms": 0.5}
    return replace(said, window_frames=16, **spent)


def test_json_lines_have_the_promised_fields() -> None:
    stream = io.StringIO()
    writer = JsonLinesWriter(stream, top_k=2)
    writer.write(prediction(0.1, 0.7, 0.2, frame=4))
    writer.write(prediction(0.9, 0.1, 0.0, frame=5))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "source": "a.mp4",
        "frame": 4,
        "timestamp_s": 0.5,
        "action": LABELS[1],
        "confidence": 0.7,
        "all_predictions": [
            {"action": LABELS[1], "confidence": 0.7},
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
    writer.write(prediction(0.1, 0.7, 0.2))
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(row) == CSV_COLUMNS
    assert row["action"] == LABELS[1]


def test_text_has_a_line_for_every_change() -> None:
    stream = io.StringIO()
    writer = TextWriter(stream, top_k=2)
    for i, row in enumerate([(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (0.1, 0.2, 0.7)]):
        writer.write(prediction(*row, frame=8 * i))
    writer.write(prediction(0.1, 0.2, 0.7, source="b.mp4"))
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
        build_writer(kind, "predictions", stream, 1).write(prediction(0.8, 0.1, 0.1))
        assert "falling" in (tmp_path / "out").read_text(encoding="utf-8")


def test_an_output_is_for_the_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for name, text in (("new", ""), ("old", "of before")):
            path = tmp_path / name
            if text:
                path.write_text(text)
            with open_output(path) as stream:
                stream.write("x")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert path.read_text() == "x"
    finally:
        os.umask(before)


def test_a_planted_link_is_no_output(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    for content in (None, "precious"):
        if content:
            victim.write_text(content)
        link = tmp_path / f"link {content}"
        link.symlink_to(victim)
        with pytest.raises(OutputError, match=r"should be a file\. Received a link"):
            open_output(link)
        assert victim.exists() == bool(content)
    assert victim.read_text() == "precious"


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(path) as first:
        first.write("kept")
        first.flush()
        with pytest.raises(OutputError, match="one run at a time"):
            open_output(path)
        assert path.read_text() == "kept"
    with open_output(path):
        assert path.read_text() == ""


def test_devices_pipes_and_links_of_the_system_are_outputs(tmp_path: Path) -> None:
    with open_output(os.devnull) as stream:
        stream.write("x")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "link").symlink_to(pipe)
    with open_output(tmp_path / "link") as stream:
        stream.write("through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o644
    code = "from har_edge.sinks.output import open_output\n"
    code += "with open_output('/dev/stdout') as s: s.write('x')"
    with (tmp_path / "redirected").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, timeout=60)
    assert (tmp_path / "redirected").read_text() == "x"


def test_unwritable_output_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "such" / "folder.txt"):
        with pytest.raises(OutputError, match="cannot be written"):
            open_output(path)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00.00"),
        (7.254, "0:07.25"),
        (59.999, "1:00.00"),
        (61.5, "1:01.50"),
        (3725, "1:02:05.00"),
    ],
)
def test_times(seconds: float, shown: str) -> None:
    assert format_time(seconds) == shown


STARTED = Event("action_started", 3, "a.mp4", LABELS[1], 1.25, None, 0.91234)
ENDED = Event("action_ended", 3, "a.mp4", LABELS[1], 1.25, 3.75, 0.87654)
LOST = SourceStatus("camera:0", "lost", datetime(2026, 3, 1, 14, 5, 9).timestamp(), "No frames.")


def live(event: Event) -> Event:
    """The same event of a live source, whose time 0 is at five past two."""
    start = datetime(2026, 3, 1, 14, 5).timestamp()
    end_at_s = None if event.end_s is None else start + event.end_s
    return replace(event, source="camera:0", start_at_s=start + event.start_s, end_at_s=end_at_s)


def written(output_format: str, emit: str, *records: Record) -> str:
    stream = io.StringIO()
    writer = build_writer(output_format, emit, stream, 2)  # type: ignore[arg-type]
    for record in records:
        writer.write(record)
    return stream.getvalue()


def test_events_and_states_as_json_lines() -> None:
    lines = written("jsonl", "all", STARTED, prediction(0.8, 0.1, 0.1), ENDED, LOST)
    started, said, ended, lost = map(json.loads, lines.splitlines())
    assert started == {
        "event": "action_started",
        "number": 3,
        "source": "a.mp4",
        "action": LABELS[1],
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
    said = replace(prediction(0.8, 0.1, 0.1), age_ms=12.0, captured_at_s=at_s)
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
    assert (first["action"], first["start_s"], first["end_s"]) == (LABELS[1], "1.25", "3.75")
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
    both = written("text", "all", prediction(0.8, 0.1, 0.1), STARTED, ENDED)
    assert [len(both.splitlines()), both.count("began"), both.count("falling")] == [4, 1, 1]


def test_an_unknown_action_still_lists_the_best_guess() -> None:
    text = written("text", "predictions", replace(prediction(0.5, 0.3, 0.2), rejected=True))
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
            sink.take(prediction(0.8, 0.1, 0.1, frame=i))
    sink.close()


# Writes as fast as it can, by way of a queue, and tells what it has put in.
WRITING = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.edge.sinks.test_stream import ENDED, prediction
from dataclasses import replace
from har_edge.sinks.stream import StreamSink
from har_edge.sinks.queue import SinkQueue
_, _, path, output_format, emit = sys.argv
queue = SinkQueue(StreamSink(path, output_format, emit, 3), note=print, vital=True)
print("ready", flush=True)
for number in range(1_000_000):
    queue.put(prediction(0.8, 0.1, 0.1, frame=number), wait=True)
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


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (4.52, "4.5 s"),
        (59.96, "1 min 0 s"),
        (128, "2 min 8 s"),
        (3599.7, "1 h 0 min"),
        (11540, "3 h 12 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


def test_summary_counts_shares_and_percentiles() -> None:
    summary = Summary(frames=10)
    rows = [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.1, 0.2, 0.7), (0.9, 0.1, 0.0)]
    for i, row in enumerate(rows):
        said = prediction(*row, frame=i)
        summary.add(said, said)
    (first, share, confidence), (second, _, _) = summary.actions()
    assert (first, second) == ("falling", "still")
    assert share == 0.75
    assert confidence == pytest.approx((0.8 + 0.6 + 0.9) / 3, abs=1e-6)
    # Of an even number the lower one in the middle, to within half a bin of 1 %.
    assert summary.latency_ms(50) == pytest.approx(2.75, rel=0.005)
    text = summary.format()
    assert "75.0%" in text
    assert "4 predictions from 10 frames" in text


def test_empty_summary() -> None:
    assert Summary().format() == "No prediction was made.\n"


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


def test_visits_stand_among_events() -> None:
    entered = Visit("zone_entered", 1, "a.mp4", "bed", 2, 1.5)
    left = replace(entered, kind="zone_left", end_s=61.5)
    lines = written("jsonl", "events", entered, left).splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["zone_entered", "zone_left"]
    assert json.loads(lines[1])["duration_s"] == 60.0
    _, *text = written("text", "all", entered, left).splitlines()
    assert text[0].split() == ["0:01.50", "person", "2", "entered", "bed"]
    assert "left bed after 1 min 0 s" in text[1]
    assert len(written("csv", "events", entered, left).splitlines()) == 1


def of_person(
    person: int, action: str = "falling", *, at_s: float = 0.0, source: str = "a.mp4"
) -> Prediction:
    labels = ("falling", "still")
    said = weighed(*((0.8, 0.2) if action == "falling" else (0.2, 0.8)), at_s=at_s, labels=labels)
    box = (0.1, 0.2, 0.30001, 0.9)
    points = np.full((17, 3), 0.5, np.float32)
    return replace(said, source=source, person=person, box=box, keypoints=points, locate_ms=2.0)


def nobody(at_s: float = 0.0) -> Prediction:
    said = weighed(1.0, 0.0, at_s=at_s)
    return replace(said, labels=("nobody",), probabilities=np.ones(1, np.float32), locate_ms=1.0)


def test_json_says_who_and_where_and_keypoints_if_asked() -> None:
    for keypoints in (False, True):
        stream = io.StringIO()
        build_writer("jsonl", "all", stream, 1, keypoints=keypoints).write(of_person(3))
        line = json.loads(stream.getvalue())
        assert (line["person"], line["box"]) == (3, [0.1, 0.2, 0.3, 0.9])
        assert (line["located"], line["zone"], line["locate_ms"]) == (True, None, 2.0)
        assert ("keypoints" in line) == keypoints
    assert line["keypoints"] == [[0.5, 0.5, 0.5]] * 17


def test_a_table_of_people_has_columns_for_them() -> None:
    stream = io.StringIO()
    writer = build_writer("csv", "predictions", stream, 1, people=True)
    writer.write(of_person(3))
    writer.write(nobody())
    first, second = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(first)[: len(CSV_COLUMNS)] == CSV_COLUMNS
    edges = [first[f"box_{edge}"] for edge in ("left", "top", "right", "bottom")]
    assert (first["person"], edges) == ("3", ["0.1", "0.2", "0.3", "0.9"])
    assert (second["action"], second["person"], second["box_left"]) == ("nobody", "", "")
    stream = io.StringIO()
    build_writer("csv", "events", stream, 1, people=True).write(
        replace(make_event(), person=2, zone="bed")
    )
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert (row["person"], row["zone"]) == ("2", "bed")


def test_text_tells_of_each_person_when_something_changes() -> None:
    stream = io.StringIO()
    writer = build_writer("text", "predictions", stream, 1)
    for record in (
        nobody(0.0),
        nobody(0.5),
        of_person(1, at_s=1.0),
        of_person(2, "still", at_s=1.0),
        of_person(1, at_s=1.5),
        of_person(2, "falling", at_s=1.5),
        nobody(2.0),
        of_person(1, at_s=3.0),
    ):
        writer.write(record)
    lines = [" ".join(line.split()[1:4]) for line in stream.getvalue().splitlines()[1:]]
    assert lines == [
        "nobody 100%",
        "person 1 falling",
        "person 2 still",
        "person 2 falling",
        "nobody 100%",
        "person 1 falling",
    ]


def test_events_in_text_say_whose_they_are() -> None:
    stream = io.StringIO()
    build_writer("text", "events", stream, 1).write(replace(make_event(), person=2))
    assert "person 2   falling" in stream.getvalue()
