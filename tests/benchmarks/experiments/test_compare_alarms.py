"""Planted slow-downs, and how they are counted."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments import compare_alarms
from har_benchmarks.plan.plan import Settings
from har_edge.model.loaded import load_model
from tests.benchmarks.experiments.conftest import Experiment
from tests.support.tiny import ASSETS


def test_tries_are_added_and_summed_up(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = partial(Settings, rounds=1, num_runs=2, warmup_runs=1)
    monkeypatch.setattr(compare_alarms, "Settings", quick)
    model = ("--model", str(ASSETS / "tiny-int8.tflite"))
    experiment("compare-alarms", "run", "tries", "--tries", "1", "--slow-down", "10%", *model)
    (line,) = Path("tries/tries.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["slow_down"], row["verdict"]) == (0.1, "too few rounds")
    known = {**row, "slow_down": 0.0, "verdict": "same", "low": 0.9, "high": 1.1, "ratio": 1.0}
    slow = {**known, "slow_down": 0.1, "verdict": "slower", "low": 1.05, "regression": True}
    lines = [json.dumps(r) for r in (known, known, slow)]
    Path("tries/tries.jsonl").write_text("\n".join(lines) + "\n")
    experiment("compare-alarms", "summary", "tries", "--out", "out.json")
    calm, planted = json.loads(Path("out.json").read_text())["groups"]
    assert (calm["tries"], calm["regressions"], calm["called_different"]) == (2, 0, 0)
    assert (planted["tries"], planted["regressions"], planted["intervals_without_1"]) == (1, 1, 1)


def test_the_slow_backend_is_slow_and_says_the_same() -> None:
    model = load_model(ASSETS / "tiny-int8.tflite")
    slow = compare_alarms.SlowBackend(model, 500.0)
    frame = np.zeros((1, *model.spec.clip.frame_shape), np.uint8)
    started = time.perf_counter()
    np.testing.assert_array_equal(slow.encode(frame), model.backend.encode(frame))
    assert time.perf_counter() - started > 0.0005
