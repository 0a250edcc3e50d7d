"""A run over sources: what is written, what is reported, how it ends."""

from __future__ import annotations

import io
import signal
from functools import partial
from pathlib import Path

import pytest
from conftest import ASSETS, MakeVideo

from har_edge.errors import SourceError
from har_edge.live import LiveOptions, LiveSource
from har_edge.output import JsonLinesWriter
from har_edge.preprocess import Pixels, bgr_to_rgb, import_cv2
from har_edge.recognizer import Prediction, load_model
from har_edge.runner import Run, RunLimits, RunResult
from har_edge.sources import Frame, VideoSource

MODEL = ASSETS / "tiny-int8.tflite"


def make_run(notes: list[str], **options: object) -> tuple[Run, io.StringIO]:
    stream = io.StringIO()
    run = Run(load_model(MODEL), JsonLinesWriter(stream, 3), notes.append, **options)  # type: ignore[arg-type]
    return run, stream


class Filming:
    """A camera that films a video once, as fast as it can be read, and is then unplugged."""

    finite = False
    caveat = ""
    corrupt = 0

    def __init__(self, path: Path) -> None:
        self._capture = import_cv2().VideoCapture(str(path))
        self.grab = self._capture.grab
        self.close = self._capture.release

    def retrieve(self) -> Pixels | None:
        return bgr_to_rgb(self._capture.retrieve()[1])


@pytest.fixture
def camera(make_video: MakeVideo) -> LiveSource:
    path = make_video(count=3000)
    return LiveSource("camera:0", lambda: Filming(path), LiveOptions(max_retries=0))


def test_lost_camera_ends_with_4(camera: LiveSource) -> None:
    notes: list[str] = []
    run, _ = make_run(notes)
    result = run([("camera:0", lambda: camera)])
    assert result.exit_code == 4
    assert result.failed == ["camera:0"]
    assert "camera:0 stopped delivering" in notes[-1]


def test_camera_frames_have_an_age_and_old_ones_are_dropped(camera: LiveSource) -> None:
    seen: list[tuple[Frame, Prediction | None]] = []

    def watch(frame: Frame, prediction: Prediction | None) -> bool:
        seen.append((frame, prediction))
        return True

    run, _ = make_run([], watch=watch)
    run([("camera:0", lambda: camera)])
    indices = [frame.index for frame, _ in seen]
    assert indices == sorted(set(indices))
    # Far more frames than the model's 5 Hz has room for.
    assert 0 < len(indices) < 300
    predictions = [p for _, p in seen if p is not None]
    assert all(p.age_ms is not None and p.age_ms > 0 for p in predictions)


def test_failed_source_is_named_and_the_next_one_taken(make_video: MakeVideo) -> None:
    notes: list[str] = []
    run, stream = make_run(notes)
    sources = [(n, partial(VideoSource, n)) for n in ("gone.mp4", str(make_video()))]
    result = run(sources)  # type: ignore[arg-type]
    assert result.exit_code == SourceError.exit_code == 1
    assert result.failed == ["gone.mp4"]
    assert len(stream.getvalue().splitlines()) == 7
    assert "gone.mp4 does not exist" in notes[0]


def test_window_does_not_reach_from_one_source_into_the_next(make_video: MakeVideo) -> None:
    run, stream = make_run([])
    path = make_video()
    run([("a", lambda: VideoSource(path)), ("b", lambda: VideoSource(path))])
    lines = stream.getvalue().splitlines()
    strip = [line.split('"latency_ms"')[0] for line in lines]
    assert strip[:7] == strip[7:]


def test_limit_counts_over_all_sources(make_video: MakeVideo) -> None:
    run, _ = make_run([], limits=RunLimits(max_frames=12))
    path = make_video()
    result = run([(str(i), lambda: VideoSource(path)) for i in range(3)])
    assert result.summary.frames == 12


def test_viewer_can_end_the_run(make_video: MakeVideo) -> None:
    run, _ = make_run([], watch=lambda frame, prediction: frame.index < 20)
    path = make_video()
    result = run([("a", lambda: VideoSource(path))])
    assert result.summary.frames == 5
    assert result.exit_code == 0


def test_handlers_are_put_back(make_video: MakeVideo) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run, _ = make_run([])
    path: Path = make_video()
    run([("a", lambda: VideoSource(path))])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


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
