"""All sinks of a run together: opened from options, fed, closed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from har_edge.config import DecideConfig, SinkConfig
from har_edge.errors import OutputError
from har_edge.frames.encode import PLAIN_CAVEAT, video_path, writes_h264
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import load_model
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import EventTracker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.recognizer import Recognizer
from har_edge.sinks.base import Record, Shot
from har_edge.sinks.fan_out import FanOut, RunFacts, open_sinks
from har_edge.sinks.queue import SinkQueue
from har_edge.sinks.totals import Totals
from har_edge.sources.files import VideoSource
from tests.conftest import ASSETS, ROOT, MakeVideo
from tests.support import records

SOON_S = 20.0


def run(video: Path, config: SinkConfig, notes: list[str]) -> FanOut:
    """What the runner does with a file, without its reports and signals."""
    model = load_model(ASSETS / "tiny-int8.tflite")
    rate_hz = model.spec.clip.frame_rate_hz
    recognizer, source = Recognizer(model), VideoSource(video)
    decider = Decider(model.spec.labels, smoothing_s=0.5, threshold=0.0)
    tracker = EventTracker(DecideConfig.min_duration_s)
    sinks = open_sinks(config, RunFacts(rate_hz), notes.append)
    for frame in source.frames(FrameSampler(rate_hz)):
        prediction = recognizer.push(frame)
        decided = None if prediction is None else decider.decide(prediction)
        if sinks.want_shots:
            sinks.put(Shot(frame, decided), wait=True)
        if decided is not None:
            sinks.put(decided, wait=True)
            for event in tracker.add(decided):
                sinks.put(event, wait=True)
    for event in tracker.end_all():
        sinks.put(event, wait=True)
    sinks.close(SOON_S)
    return sinks


def test_a_file_through_all_that_writes_files(tmp_path: Path, make_video: MakeVideo) -> None:
    config = SinkConfig(
        output=tmp_path / "out.jsonl",
        output_format="jsonl",
        emit="all",
        save_video=tmp_path / "out.mp4",
        save_events=tmp_path / "clips",
        totals=tmp_path / "totals.db",
    )
    notes: list[str] = []
    sinks = run(make_video(count=150), config, notes)
    assert notes == ([] if writes_h264() else [PLAIN_CAVEAT])
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    events = [r for r in records if "event" in r]
    predictions = [r for r in records if "event" not in r]
    assert len(predictions) > 20
    assert len(events) >= 2 and len(events) % 2 == 0
    assert {e["action"] for e in events} <= {p["action"] for p in predictions}
    assert len(VideoSource(video_path(tmp_path / "out.mp4")).look()) == 3
    assert len(list((tmp_path / "clips").glob("har-*.m*"))) == len(events) // 2
    assert isinstance(sinks.totals, Totals)
    assert sinks.totals.days() == {}  # a file has no time of day
    assert all(str(queue.stats) == "" for queue in sinks.queues)


def test_events_as_csv_and_no_pictures_where_nobody_wants_them(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    config = SinkConfig(output=tmp_path / "out.csv", output_format="csv", emit="events")
    sinks = run(make_video(count=150), config, [])
    assert not sinks.want_shots
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert rows and all(float(row["duration_s"]) >= 0.499 for row in rows)


@pytest.mark.parametrize(
    "options",
    [
        {"save_video": "out.gif"},
        {"save_video": "no/folder/out.mp4"},
        {"totals": "no/folder/totals.db"},
        {"webhook": "nonsense"},
        {"mqtt": "nonsense"},
    ],
)
def test_what_cannot_be_opened_is_said_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    with pytest.raises(OutputError):
        open_sinks(SinkConfig(output="out.txt", **options), RunFacts(8.0), lambda _: None)
    assert threading.active_count() == before


def test_totals_count_however_few_predictions_are_asked_for(tmp_path: Path) -> None:
    config = SinkConfig(output=tmp_path / "out.txt", totals=tmp_path / "totals.db")
    sinks = open_sinks(config, RunFacts(5.0, inference_hz=0.1), pytest.fail)
    for number in range(4):
        sinks.put(prediction_at(10.0 * number), wait=True)
    sinks.close(SOON_S)
    assert sinks.totals is not None
    (sources,) = sinks.totals.days().values()
    assert sources == {"camera:0": {"sitting": 30.0}}


def prediction_at(at_s: float) -> Prediction:
    start_s = datetime(2026, 3, 1, 12).timestamp()
    return records.prediction(at_s, start_s=start_s)


class Slow:
    """Never gets through with what it is given."""

    wants: tuple[type, ...] = (Shot,)

    def __init__(self, name: str) -> None:
        self.name = name

    def take(self, record: Record) -> None:
        threading.Event().wait()

    def close(self) -> None: ...


def test_sinks_are_closed_at_the_same_time() -> None:
    notes: list[str] = []
    sinks = FanOut([SinkQueue(Slow(f"slow {i}"), note=notes.append) for i in range(8)])
    sinks.put(Shot(None, None), wait=False)  # type: ignore[arg-type]
    started = time.monotonic()
    sinks.close(timeout_s=1.0)
    assert time.monotonic() - started < 4.0
    assert sorted(notes) == [
        f"Warning: slow {i} lost some. Records not delivered in time: 1." for i in range(8)
    ]


class Paused:
    """A reader that goes on when it is told to."""

    name = "main"
    wants: tuple[type, ...] = (Prediction,)

    def __init__(self) -> None:
        self.taken = 0
        self.go_on = threading.Event()

    def take(self, record: Record) -> None:
        self.go_on.wait(SOON_S)
        self.taken += 1

    def close(self) -> None: ...


@pytest.mark.parametrize("signal_s", [0.8, 2.0])
def test_the_main_output_has_its_time_after_a_signal(signal_s: float) -> None:
    """Though another sink uses all of the time for closing, before the signal or beyond it."""
    notes: list[str] = []
    main = Paused()
    sinks = FanOut(
        [SinkQueue(main, note=notes.append, vital=True), SinkQueue(Slow("slow"), note=notes.append)]
    )
    sinks.put(Shot(None, None), wait=False)  # type: ignore[arg-type]
    for number in range(3):
        sinks.put(prediction_at(number), wait=True)
    threading.Timer(signal_s, sinks.hurry).start()
    threading.Timer(signal_s + 0.5, main.go_on.set).start()
    sinks.close(timeout_s=1.0)
    assert main.taken == 3
    assert notes == ["Warning: slow lost some. Records not delivered in time: 1."]


# Writes to standard output until its reader goes.
ENDLESS = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support.records import measured
from har_edge.config import SinkConfig
from har_edge.sinks.fan_out import RunFacts, open_sinks
sinks = open_sinks(SinkConfig(output_format="jsonl"), RunFacts(8.0), print)
try:
    for number in range(1_000_000):
        sinks.put(measured(0.8, 0.1, 0.1, frame=number), wait=True)
except BrokenPipeError:
    sys.stderr.write("the reader has gone")
"""


def test_a_reader_that_has_enough_ends_the_run() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(ROOT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None and process.stderr is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(10)]
    process.stdout.close()
    assert [line["frame"] for line in lines] == list(range(10))
    assert b"the reader has gone" in process.stderr.read()
    process.wait(SOON_S)
    process.stderr.close()
