"""A live run whose clock is set an hour ahead and back, and a day of events in simulated time."""

from __future__ import annotations

import io
import itertools
import json
import resource
import time
from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from har_edge.config import DecideConfig, RunConfig, SinkConfig, SourceConfig
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.recognition.events import EventTracker
from har_edge.run.build import build_run
from har_edge.run.lanes import SourceOpener
from har_edge.sinks.base import Shot
from har_edge.sinks.event_clips import EventClips
from har_edge.sinks.stream import build_writer
from har_edge.sinks.totals import Totals
from har_edge.sources.base import OpenSource
from tests.conftest import ASSETS
from tests.support.records import prediction

HOUR_S, DAY_S = 3600.0, 86_400.0
RATE_HZ, SECONDS = 20.0, 3.0


class Camera(OpenSource):
    """Films the same grey wall in real time; the clock of the machine is set twice meanwhile."""

    name = "camera:0"
    live = True
    duration_s = None

    def __init__(self, offset: list[float]) -> None:
        self._offset = offset

    def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
        started_s = time.monotonic()
        for i in range(round(RATE_HZ * SECONDS)):
            at_s = i / RATE_HZ
            time.sleep(max(0.0, started_s + at_s - time.monotonic()))
            self._offset[0] = (0.0, HOUR_S, -HOUR_S)[int(3 * at_s / SECONDS)]
            if sampler.takes(at_s):
                pixels = np.full((48, 64, 3), 90, np.uint8)
                yield Frame(pixels, at_s, i, self.name, 0.0, captured_s=time.monotonic())

    def stop(self) -> None:
        pass


def test_the_clock_is_set_in_a_live_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offset, clock = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: clock() + offset[0])
    config = RunConfig(
        model=ASSETS / "tiny-int8.tflite",
        source=SourceConfig(demo=True),
        decide=DecideConfig(smoothing_s=0.0, score_threshold=0.0),
        sink=SinkConfig(
            output=tmp_path / "out.jsonl",
            output_format="jsonl",
            emit="all",
            totals=tmp_path / "totals.db",
            save_events=tmp_path / "clips",
        ),
    )
    built = build_run(config, lambda _: None)
    opener = SourceOpener(Camera.name, lambda notify: Camera(offset), apart=True)
    result = replace(built.run)([opener], None)
    totals = built.sinks.totals
    built.sinks.close()
    assert result.exit_code == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    seen = [r for r in records if "confidence" in r and "event" not in r]
    assert len(seen) > 5
    steps = [b["timestamp_s"] - a["timestamp_s"] for a, b in itertools.pairwise(seen)]
    assert all(0 < step < 1 for step in steps)  # nothing was dropped or doubled
    (ended,) = [r for r in records if r.get("event") == "action_ended"]
    start, end = (datetime.fromisoformat(ended[key]) for key in ("start_time", "end_time"))
    assert (end - start).total_seconds() == pytest.approx(ended["duration_s"], abs=0.01)
    assert totals is not None
    seconds = sum(s for day in totals.days().values() for s in day[Camera.name].values())
    assert seconds == pytest.approx(sum(steps), abs=0.01)  # no hour more, none less
    (clip,) = (tmp_path / "clips").glob("har-*.m*")
    assert import_cv2().VideoCapture(str(clip)).grab()


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.mark.slow
def test_a_day_of_events(tmp_path: Path) -> None:
    """24 hours at 2 Hz: every minute somebody falls for five seconds."""
    midnight_s = datetime(2026, 3, 1).timestamp()
    lines = io.StringIO()
    tracker, writer = EventTracker(1.0), build_writer("jsonl", "events", lines, 5)
    totals = Totals(tmp_path / "totals.db", pytest.fail)
    clips = EventClips(tmp_path / "clips", 2.0, padding_s=1.0, max_bytes=300_000)
    pixels = np.full((24, 32, 3), 90, np.uint8)
    early_mb, numbers = 0.0, []
    for i in range(round(DAY_S * 2)):
        at_s = i / 2
        said = prediction(at_s, "falling" if at_s % 60 < 5 else "sitting", start_s=midnight_s)
        totals.take(said)
        clips.take(Shot(Frame(pixels, at_s, i, "camera:0", 0.0, captured_s=at_s), said))
        for event in tracker.add(said):
            writer.write(event)
            if event.action == "falling":
                clips.take(event)
            if event.kind == "action_started":
                numbers.append(event.number)
        if at_s == 2 * HOUR_S:
            early_mb = memory_mb()
    grown_mb = memory_mb() - early_mb
    clips.close()
    totals.close()
    assert numbers == list(range(1, 2 * 24 * 60 + 1))
    day = totals.days()["2026-03-01"]["camera:0"]
    assert day["falling"] == pytest.approx(24 * 60 * 5, abs=1)
    assert sum(day.values()) == pytest.approx(DAY_S, abs=1)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert len(events) == 2 * len(numbers) - 1  # the last one goes on
    kept = list((tmp_path / "clips").iterdir())
    assert 0 < sum(path.stat().st_size for path in kept) <= 300_000
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    assert grown_mb < 20 + len(lines.getvalue()) / 1e6
