"""What training costs; measured by har_train, told and written here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_benchmarks.experiments import train_speed
from tests.benchmarks.experiments.conftest import Experiment


def test_what_the_program_says_is_told_and_written(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = {"lines": ["cache: faster"], "cache_ratio": 30.0, "clips": 40}
    asked: list[object] = []

    def run(*arguments: object, capture: bool) -> str:
        asked.extend(arguments)
        return json.dumps(said)

    monkeypatch.setattr(train_speed, "run_package", run)
    Path("manifest.csv").write_text("path,label\n")
    out = experiment("train-speed", "manifest.csv", tmp_path, "--rounds", "2", "--out", "out.json")
    assert out == "cache: faster\n"
    assert asked[0] == "har_train.features.speed"
    assert asked[asked.index("--rounds") + 1] == 2
    found = json.loads(Path("out.json").read_text())
    assert found.pop("machine")
    assert found == said
