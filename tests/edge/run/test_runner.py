"""A run over sources: what is written, what is reported, how it ends."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_edge.arrays import Pixels
from har_edge.config import LiveOptions, RunLimits
from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.frames.opencv import bgr_to_rgb, import_cv2
from har_edge.model.loaded import load_model
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.prediction import Prediction
from har_edge.run.lanes import SourceOpener
from har_edge.run.runner import Run, RunResult
from har_edge.run.watchdog import Watchdog
from har_edge.sinks.base import Record, Shot
from har_edge.sources.files import VideoSource
from har_edge.sources.live.source import LiveSource
from tests.conftest import ASSETS, MakeVideo, moving_square, write_video

MODEL = ASSETS / "tiny-int8.tflite"


class Collected:
    """Sinks that keeps everything."""

    want_shots = False

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, record: Record, *, wait: bool) -> None:
        self.records.append(record)

    def hurry(self) -> None:
        pass

    @property
    def predictions(self) -> list[Prediction]:
        return [record for record in self.records if isinstance(record, Prediction)]

    @property
    def events(self) -> list[Event]:
        return [record for record in self.records if isinstance(record, Event)]


def make_run(notes: list[str], **options: Any) -> tuple[Run, Collected]:
    model, sinks = load_model(MODEL), Collected()
    decider = partial(Decider, model.spec.labels, smoothing_s=0.0)
    return Run(model, sinks, notes.append, **{"new_decider": decider, **options}), sinks


def video(path: Path | str, name: str = "") -> SourceOpener:
    return SourceOpener(name or str(path), lambda notify: VideoSource(path))


def live(source: LiveSource) -> SourceOpener:
    return SourceOpener(source.name, lambda notify: source, apart=True)


class Filming:
    """A camera that films a video once, in quick motion, and is then unplugged."""

    finite = False
    caveat = ""
    corrupt = 0

    def __init__(self, path: Path, pace_s: float = 0.002) -> None:
        self._pace_s = pace_s
        self._capture = import_cv2().VideoCapture(str(path))
        self.close = self._capture.release

    def grab(self) -> bool:
        time.sleep(self._pace_s)
        return bool(self._capture.grab())

    def retrieve(self) -> Pixels | None:
        return bgr_to_rgb(self._capture.retrieve()[1])


@pytest.fixture
def camera(make_video: MakeVideo) -> LiveSource:
    path = make_video(count=700)
    return LiveSource("camera:0", lambda: Filming(path), LiveOptions(max_retries=0))


def test_lost_camera_ends_with_4(camera: LiveSource) -> None:
    notes: list[str] = []
    run, _ = make_run(notes)
    result = run([live(camera)])
    assert result.exit_code == 4
    assert result.failed == ["camera:0"]
    assert "camera:0 stopped delivering" in notes[-1]


def test_camera_frames_have_an_age_and_old_ones_are_dropped(camera: LiveSource) -> None:
    seen: list[tuple[Frame, Prediction | None]] = []

    def watch(shot: Shot) -> bool:
        seen.append((shot.frame, shot.prediction))
        return True

    run, _ = make_run([], watch=watch)
    run([live(camera)])
    indices = [frame.index for frame, _ in seen]
    assert indices == sorted(set(indices))
    # Far more frames than the model's 5 Hz has room for.
    assert 0 < len(indices) < 300
    predictions = [p for _, p in seen if p is not None]
    assert all(p.age_ms is not None and p.age_ms > 0 for p in predictions)


def test_failed_source_is_named_and_the_next_one_taken(make_video: MakeVideo) -> None:
    notes: list[str] = []
    run, sinks = make_run(notes)
    result = run([video("gone.mp4"), video(make_video())])
    assert result.exit_code == SourceError.exit_code == 1
    assert result.failed == ["gone.mp4"]
    assert len(sinks.predictions) == 7
    assert "gone.mp4 does not exist" in notes[0]


def test_window_does_not_reach_from_one_source_into_the_next(make_video: MakeVideo) -> None:
    run, sinks = make_run([])
    path = make_video()
    run([video(path), video(path)])
    values = [(p.frame, p.probabilities.tolist()) for p in sinks.predictions]
    assert values[:7] == values[7:]


def test_limit_counts_over_all_sources(make_video: MakeVideo) -> None:
    run, _ = make_run([], limits=RunLimits(max_frames=12))
    path = make_video()
    result = run([video(path)] * 3)
    assert result.summary.frames == 12


def test_viewer_can_end_the_run(make_video: MakeVideo) -> None:
    run, _ = make_run([], watch=lambda shot: shot.frame.index < 20)
    path = make_video()
    result = run([video(path)])
    assert result.summary.frames == 5
    assert result.exit_code == 0


@pytest.mark.parametrize("model", ["tiny-float32", "tiny-int8"])
def test_encoding_frames_beside_each_other_changes_nothing(
    model: str, make_video: MakeVideo
) -> None:
    path = make_video(count=200)
    answers = []
    for num_workers in (1, 3):
        run, sinks = make_run([], num_workers=num_workers)
        run.model = load_model(ASSETS / f"{model}.tflite")
        run([video(path)])
        answers.append([(p.frame, p.probabilities.tolist()) for p in sinks.predictions])
    assert len(answers[0]) > 30
    assert answers[0] == answers[1]


def test_pictures_are_kept_in_full_where_somebody_looks(make_video: MakeVideo) -> None:
    path = make_video(count=60)
    run, sinks = make_run([], num_workers=2)
    sinks.want_shots = True
    run([video(path)])
    source = VideoSource(path)
    shots = [record for record in sinks.records if isinstance(record, Shot)]
    assert len(shots) > 5
    assert {s.frame.pixels.shape for s in shots} == {(source.height, source.width, 3)}


def test_two_live_sources_and_a_file_share_the_model(make_video: MakeVideo) -> None:
    path = make_video(count=700)
    cameras = [
        LiveSource(f"camera:{i}", lambda: Filming(path), LiveOptions(max_retries=0))
        for i in range(2)
    ]
    run, sinks = make_run([])
    result = run([*map(live, cameras), video(path)])
    assert {p.source for p in sinks.predictions} == {"camera:0", "camera:1", str(path)}
    assert sorted(result.failed) == ["camera:0", "camera:1"]
    alone, only = make_run([])
    alone([video(path)])
    of_file = [p.probabilities.tolist() for p in sinks.predictions if p.source == str(path)]
    assert of_file == [p.probabilities.tolist() for p in only.predictions]


def test_slow_model_gets_young_frames(make_video: MakeVideo) -> None:
    """30 frames a second from the camera, and a model that has time for ten of them."""
    path, period_s = make_video(count=90), 0.1
    camera = LiveSource("camera:0", lambda: Filming(path, 1 / 30), LiveOptions(max_retries=0))
    run, sinks = make_run([], watch=lambda shot: not time.sleep(period_s))
    clip = replace(run.model.spec.clip, frame_rate_hz=30.0)
    run.model.spec = run.model.spec.with_(clip=clip)
    result = run([live(camera)])
    ages_ms = [p.age_ms for p in sinks.predictions if p.age_ms is not None]
    # The age is taken when the model has answered, before the sleep that stands for its work.
    assert np.median(ages_ms) / 1e3 + period_s < 2 * period_s
    # Nothing queues: the last are as young as the first, and most frames are passed over.
    assert np.median(ages_ms[-8:]) < 2 * np.median(ages_ms[:8]) + 50
    # One figure, whether they gave way before they were read or after it.
    (line,) = result.live
    told = re.fullmatch(r"camera:0: 90 frames, (\d+) dropped for newer ones", line)
    assert told
    passed_over = int(told[1])
    assert 45 < passed_over < 75
    assert result.summary.frames + passed_over == 90


def test_fewer_predictions_where_they_are_not_wanted(make_video: MakeVideo) -> None:
    path = make_video(count=200)
    every, all_of_them = make_run([])
    every([video(path)])
    few, some = make_run([], inference_hz=1.0)
    few([video(path)])
    by_frame = {p.frame: p.probabilities.tolist() for p in all_of_them.predictions}
    assert len(some.predictions) == pytest.approx(len(by_frame) / 5, abs=1)
    # The windows are those of the model's own rate.
    assert all(p.probabilities.tolist() == by_frame[p.frame] for p in some.predictions)


def test_gate_spares_still_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "still.mp4", moving_square(1) * 100)
    run, sinks = make_run([], new_gate=MotionGate)
    result = run([video(path)])
    assert result.summary.frames_skipped > 0.7 * result.summary.frames
    assert sum(not p.encoded for p in sinks.predictions) > 0
    assert "spared" in result.summary.format()


def test_actions_that_go_on_end_with_their_source(make_video: MakeVideo) -> None:
    run, sinks = make_run([], tracker=EventTracker(0.0))
    path = make_video(count=100)
    run([video(path)])
    kinds = [event.kind for event in sinks.events]
    assert kinds.count("action_started") == kinds.count("action_ended") >= 1
    assert sinks.events[-1].end_s == sinks.predictions[-1].timestamp_s


def test_duration_ends_a_camera_that_has_gone_silent(make_video: MakeVideo) -> None:
    class Silent(Filming):
        def grab(self) -> bool:
            time.sleep(0.05)
            return super().grab() if next(self.reads) < 3 else not time.sleep(5)

        reads = itertools.count()

    path = make_video()
    camera = LiveSource("camera:0", lambda: Silent(path), LiveOptions(stall_timeout_s=60.0))
    run, _ = make_run([], limits=RunLimits(duration_s=1.0))
    started_s = time.monotonic()
    result = run([live(camera)])
    assert time.monotonic() - started_s < 30
    assert result.exit_code == 0
    assert result.failed == []


def test_files_that_come_later_are_taken(make_video: MakeVideo) -> None:
    path = make_video()
    told_to_stop = threading.Event()

    def follow(stopped: Callable[[], bool]) -> Iterator[SourceOpener]:
        yield video(path)
        yield video(path)
        told_to_stop.wait(5)
        assert stopped()

    run, sinks = make_run([], limits=RunLimits(max_frames=22))
    result = run([video(path)], follow)
    told_to_stop.set()
    assert result.summary.frames == 22
    assert len(sinks.predictions) > 14


def test_service_manager_hears_of_the_run(camera: LiveSource, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000"}
        run, _ = make_run([], watchdog=Watchdog(told))
        messages: list[str] = []

        def listen() -> None:
            while "STOPPING=1" not in messages:
                messages.append(manager.recv(1000).decode())

        listener = threading.Thread(target=listen)
        listener.start()
        run([live(camera)])
        listener.join(10)
    assert messages[0] == "READY=1"
    assert "WATCHDOG=1" in messages


class Dark(Filming):
    """A camera in a dark room."""

    def retrieve(self) -> Pixels | None:
        return np.zeros((48, 64, 3), np.uint8)


class Frozen(Filming):
    """A camera whose driver goes on with the last picture."""

    def retrieve(self) -> Pixels | None:
        return np.full((48, 64, 3), 99, np.uint8)


@pytest.mark.parametrize(("kind", "is_fed"), [(Dark, True), (Frozen, False)])
def test_watchdog_takes_darkness_for_no_fault(
    make_video: MakeVideo, kind: type[Filming], is_fed: bool
) -> None:
    path = make_video(count=300)
    options = LiveOptions(max_retries=0, frozen_after_s=0.01)
    camera = LiveSource("camera:0", lambda: kind(path), options)
    fed: list[None] = []

    class Counted(Watchdog):
        def fresh(self) -> None:
            fed.append(None)

    run, sinks = make_run([], watchdog=Counted({}))
    run([live(camera)])
    assert len(sinks.predictions) <= 1
    assert (len(fed) > 1) is is_fed


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (RunResult(), 0),
        (RunResult(failed=["a"]), 1),
        (RunResult(failed=["a"], lost=True), 4),
        (RunResult(signal=signal.SIGINT, failed=["a"]), 130),
        (RunResult(signal=signal.SIGTERM), 143),
    ],
)
def test_exit_codes(result: RunResult, code: int) -> None:
    assert result.exit_code == code
