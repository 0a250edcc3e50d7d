"""The runner's float path beside the bare interpreter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_edge.errors import ModelFileError, SourceError
from tests.benchmarks.experiments.conftest import Experiment
from tests.conftest import moving_square, write_video
from tests.support.tiny import ASSETS


def test_both_samplings_are_measured(experiment: Experiment, tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", moving_square(50), 25.0)
    model = ("--model", ASSETS / "tiny-float32.tflite")
    out = experiment("float-path", video, *model, "--rounds", "2", "--max-frames", "4",
                     "--out", "out.json")  # fmt: skip
    assert "sampled at 5 Hz" in out
    found = json.loads(Path("out.json").read_text())
    assert [row["frames_per_round"] for row in found["rows"]] == [4, 4]
    assert all(len(row["ratio"]["rounds"]) == 2 for row in found["rows"])


def test_what_does_not_fit_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", moving_square(5), 25.0)
    with pytest.raises(ModelFileError, match="should be a float32 model"):
        experiment("float-path", video, "--model", ASSETS / "tiny-int8.tflite")
    with pytest.raises(SourceError, match="Use a longer video"):
        experiment("float-path", video, "--model", ASSETS / "tiny-float32.tflite")
    with pytest.raises(ModelFileError, match="Expected a float32 model file"):
        experiment("float-path", video)
