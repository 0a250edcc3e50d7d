"""Answers of a file in one runtime and in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_edge.errors import DataError
from tests.benchmarks.experiments.conftest import Experiment
from tests.conftest import moving_square, write_video
from tests.support.tiny import ASSETS


def test_answers_are_written_and_compared(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    write_video(tmp_path / "a.mp4", moving_square(30), 25.0)
    Path("manifest.csv").write_text("path,label,split\na.mp4,left,test\na.mp4,left,train\n")
    for name in ("tiny-int8.tflite", "tiny-float32.tflite"):
        experiment("across-runtimes", "run", ASSETS / name, "manifest.csv", tmp_path, f"{name}.npz")
    same = ["tiny-int8.tflite.npz"] * 2
    out = experiment("across-runtimes", "compare", *same, "--out", "same.json")
    assert "same top-1 on 100.00%" in out
    (row,) = json.loads(Path("same.json").read_text())["comparisons"]
    assert row["same_top_1"] == 1.0
    assert row["largest_difference"] == 0.0
    with pytest.raises(DataError, match="have the same sha256"):
        experiment("across-runtimes", "compare", same[0], "tiny-float32.tflite.npz")
