"""From the command to its first prediction."""

from __future__ import annotations

import json
from pathlib import Path

from har_benchmarks.experiments.cold_start import START, STEPS
from tests.benchmarks.experiments.conftest import Experiment
from tests.support.tiny import ASSETS


def test_every_step_is_timed(experiment: Experiment) -> None:
    model = ASSETS / "tiny-int8.tflite"
    out = experiment("cold-start", "--model", model, "--runs", "1", "--out", "out.json")
    assert "start to first prediction" in out
    found = json.loads(Path("out.json").read_text())
    names = [START, *(name for name, _ in STEPS), "summary and exit"]
    assert list(found["steps"]) == names
    assert all(len(step["samples_ms"]) == 1 for step in found["steps"].values())
    assert found["first_line"]["p50_ms"] <= found["exit"]["p50_ms"]
