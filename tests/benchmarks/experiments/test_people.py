"""What telling people apart costs, on a short scene."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from har_benchmarks.experiments import people
from har_benchmarks.experiments.composed import Sprite
from tests.benchmarks.experiments.conftest import Experiment
from tests.support.people import SSD, teacher
from tests.support.tiny import ASSETS


def test_both_ways_are_measured(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    sprite = Sprite((np.full((40, 20, 3), 200, np.uint8),) * 2)
    monkeypatch.setattr(people, "cut_sprites", lambda *arguments: [sprite] * 5)
    monkeypatch.setattr(people, "COUNTS", (0, 1))
    arguments = ("--model", ASSETS / "tiny-int8.tflite", "--num-threads", "1", "--seconds", "2")
    experiment("people", teacher(SSD), ".", *arguments, "--rounds", "1", "--out", "out.json")
    found = json.loads(Path("out.json").read_text())
    assert [row["people"] for row in found["rows"]] == [0, 1]
    for row in found["rows"]:
        assert row["whole"].keys() == row["people_told_apart"].keys()
        assert row["whole"]["peak_mb"] > 10
