"""The harness beside the runtime's own tool."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.experiments.conftest import Experiment


def test_all_three_ways_are_measured(experiment: Experiment) -> None:
    if not Path(sys.executable).with_name("litert-benchmark").exists():
        pytest.skip("needs litert-benchmark, which comes with ai-edge-litert")
    quick = ("--threads", "1", "--rounds", "1", "--num-runs", "5", "--out", "out.json")
    out = experiment("against-litert-benchmark", "clips", *quick)
    assert [line.split()[1] for line in out.splitlines()] == ["encode", "classify"]
    for row in json.loads(Path("out.json").read_text())["rows"]:
        assert len(row["theirs_ms"]) == len(row["ours"]["ms"]) == len(row["in_place"]["ms"]) == 1
        assert row["ours"]["ratio"] > 0
