"""Traces: what `har-edge run` would say, made once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.alarms import trace
from har_benchmarks.alarms.trace import TraceFolder, trace_recording
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.recognition.model import Model
from tests.conftest import moving_square, write_video
from tests.support.tiny import ASSETS


@pytest.fixture
def model() -> LoadedModel:
    return load_model(ASSETS / "tiny-int8.tflite")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", moving_square(50), 25.0)


def test_it_is_what_a_run_says(model: LoadedModel, clip: Path) -> None:
    found = trace_recording(model, clip)
    said = list(Model(model).recognize(clip, smoothing_s=0, score_threshold=0))
    assert [p.timestamp_s for p in found.predictions] == [p.timestamp_s for p in said]
    for one, two in zip(found.predictions, said, strict=True):
        assert np.array_equal(one.probabilities, two.probabilities)
    assert found.seconds == pytest.approx(2.0, abs=0.2)


def test_a_cut_recording_keeps_what_could_be_read(model: LoadedModel, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.avi", moving_square(100), 25.0, "MJPG")
    whole = trace_recording(model, clip)
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) // 2])
    found = trace_recording(model, clip)
    assert found.broken
    assert 0 < found.seconds < whole.seconds
    assert found.predictions


def test_one_that_cannot_be_read_at_all_has_no_time(model: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    found = trace_recording(model, tmp_path / "clip.mp4")
    assert (found.seconds, found.predictions) == (0.0, ())
    assert "clip.mp4" in found.broken


def test_it_is_made_once(
    model: LoadedModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = TraceFolder(tmp_path / "traces", model).trace(clip)

    def refuse(model: LoadedModel, path: Path) -> object:
        raise AssertionError("made again")

    with monkeypatch.context() as patch, contextlib.suppress(AssertionError):
        patch.setattr(trace, "trace_recording", refuse)
        again = TraceFolder(tmp_path / "traces", model).trace(clip)
    assert (again.seconds, again.broken) == (first.seconds, first.broken)
    assert [p.timestamp_s for p in again.predictions] == [p.timestamp_s for p in first.predictions]
    for one, two in zip(again.predictions, first.predictions, strict=True):
        assert np.array_equal(one.probabilities, two.probabilities)
        assert one.labels == two.labels

    (file,) = (tmp_path / "traces").iterdir()
    file.write_bytes(file.read_bytes()[:100])  # damaged: made anew
    assert TraceFolder(tmp_path / "traces", model).trace(clip).seconds == first.seconds
    other = load_model(ASSETS / "tiny-float32.tflite")
    TraceFolder(tmp_path / "traces", other).trace(clip)
    assert len(list((tmp_path / "traces").iterdir())) == 2
