"""Private names of LiteRT are still there, and do what they are used for."""

from __future__ import annotations

import numpy as np
import pytest

from har_benchmarks.experiments.compat import invocation
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import TfliteBackend
from tests.support.tiny import ASSETS


def test_a_signature_runs_on_what_lies_in_its_inputs() -> None:
    pytest.importorskip("ai_edge_litert")
    model = load_model(ASSETS / "tiny-float32.tflite", backend="litert")
    assert isinstance(model.backend, TfliteBackend)
    runner = model.backend.interpreter.get_signature_runner("encode")
    missing = [n for n in ("_interpreter_wrapper", "_subgraph_index") if not hasattr(runner, n)]
    assert not missing, f"LiteRT has no {missing} any more"
    model.encode(np.full(model.spec.clip.frame_shape, 100, np.uint8))
    invocation(runner)()
