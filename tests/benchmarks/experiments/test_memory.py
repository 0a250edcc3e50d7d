"""Memory of a long run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.experiments.conftest import Experiment
from tests.support.tiny import ASSETS


def test_memory_is_watched(experiment: Experiment) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("this system has no /proc")
    model = ASSETS / "tiny-int8.tflite"
    experiment("memory", "--model", model, "--frames", "1000", "--out", "out.json")
    (row,) = json.loads(Path("out.json").read_text())["rows"]
    assert row["peak_mb"] >= row["settled_mb"] > 10
    assert len(row["looks_mb"]) == 200
