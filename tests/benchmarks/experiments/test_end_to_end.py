"""`har-edge run` beside the bare interpreter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.experiments.conftest import Experiment
from tests.support.tiny import ASSETS


def test_all_is_measured_in_turns(experiment: Experiment) -> None:
    model = ASSETS / "tiny-int8.tflite"
    quick = ("--threads", "1", "--frames", "100", "--rounds", "2", "--out", "out.json")
    experiment("end-to-end", "--model", model, *quick)
    found = json.loads(Path("out.json").read_text())
    (row,) = found["rows"]
    assert row["num_threads"] == 1
    assert len(row["ratios"]) == 2
    for key in ("bare_frames_per_s", "run_frames_per_s", "floor_frames_per_s", "decode_ms"):
        assert row[key] > 0
    assert found["video"]["frames"] == 100
