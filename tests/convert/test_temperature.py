"""A tempered model is compared with tempered Keras, not with its raw probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from har_convert.conversion import convert_run
from har_convert.run_folder import load_run
from har_edge.model.loaded import load_model

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


def test_float32_of_a_tempered_run_is_the_same_network(copied_run: Path, tmp_path: Path) -> None:
    spec = json.loads((copied_run / "spec.json").read_text(encoding="utf-8"))
    spec["temperature"] = 3.0
    (copied_run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    (conversion,) = convert_run(load_run(copied_run), ["float32"], tmp_path / "out").conversions
    assert conversion.result.max_difference < 1e-4
    assert load_model(conversion.paths[0]).spec.temperature == 3.0
