"""The motion gate, with and without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments import motion_gate
from har_edge.model.loaded import load_model
from har_edge.recognition.motion import MotionGate
from tests.benchmarks.experiments.conftest import Experiment
from tests.conftest import moving_square, write_video
from tests.support.tiny import ASSETS


def test_clips_and_still_scenes_are_answered(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny = load_model(ASSETS / "tiny-int8.tflite")
    monkeypatch.setattr(motion_gate, "load_model", lambda name, num_threads: tiny)
    monkeypatch.setattr(motion_gate, "STILL_S", 2)
    for folder in motion_gate.FOLDERS.values():
        (tmp_path / folder).mkdir(parents=True)
        write_video(tmp_path / folder / "clip.mp4", moving_square(50), 25.0)
    experiment("motion-gate", tmp_path, "--every", "1", "--out", "out.json")
    found = json.loads(Path("out.json").read_text())
    assert found["clips"].keys() == motion_gate.FOLDERS.keys()
    for rows in (*found["clips"].values(), *found["still_scenes"].values()):
        assert rows.keys() == {f"{t:g}" for t in motion_gate.THRESHOLDS}
        assert rows["0"]["changed"] == 0.0


def test_a_frame_without_motion_is_answered_by_the_one_before() -> None:
    clip = np.zeros((4, 32, 32, 3), np.uint8)
    clip[2:, :, 16:] = 200
    assert motion_gate.reused(MotionGate(threshold=0.01), clip, 5.0) == [0, 0, 2, 2]
