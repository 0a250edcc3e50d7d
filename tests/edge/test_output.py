"""Writers and the summary."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import OutputError
from har_edge.output import (
    CSV_COLUMNS,
    WRITERS,
    CsvWriter,
    JsonLinesWriter,
    TextWriter,
    format_time,
    open_output,
)
from har_edge.recognizer import Prediction
from har_edge.summary import Summary

LABELS = ("falling", 'écrire, "vite"', "still")


def prediction(*probabilities: float, frame: int = 0, source: str = "a.mp4") -> Prediction:
    return Prediction(
        source=source,
        frame=frame,
        timestamp_s=frame / 8,
        probabilities=np.array(probabilities, np.float32),
        labels=LABELS,
        window_frames=16,
        decode_ms=1.0,
        preprocess_ms=0.25,
        encode_ms=float(frame),
        classify_ms=0.5,
    )


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


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_every_line_is_out_at_once(tmp_path: Path, kind: str) -> None:
    """A killed process loses nothing that was written before."""
    with open_output(tmp_path / "out") as stream:
        WRITERS[kind](stream, 1).write(prediction(0.8, 0.1, 0.1))
        assert "falling" in (tmp_path / "out").read_text(encoding="utf-8")


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


def test_summary_counts_shares_and_percentiles() -> None:
    summary = Summary(frames=10)
    rows = [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.1, 0.2, 0.7), (0.9, 0.1, 0.0)]
    for i, row in enumerate(rows):
        summary.add(prediction(*row, frame=i))
    (first, share, confidence), (second, _, _) = summary.actions()
    assert (first, second) == ("falling", "still")
    assert share == 0.75
    assert confidence == pytest.approx((0.8 + 0.6 + 0.9) / 3, abs=1e-6)
    assert summary.latency_ms(50) == pytest.approx(np.median([1.75, 2.75, 3.75, 4.75]))
    text = summary.format()
    assert "75.0%" in text
    assert "4 predictions from 10 frames" in text


def test_empty_summary() -> None:
    assert Summary().format() == "No prediction was made.\n"
