"""What a worker measures."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from har_benchmarks.execute.worker import do
from har_benchmarks.tasks.timing import peak_memory_bytes, repeat
from har_edge.errors import BackendError
from har_edge.model.loaded import load_model
from tests.conftest import MakeVideo
from tests.support.tiny import ASSETS


def job(task: str, model: str = "tiny-int8.tflite", **more: Any) -> dict[str, Any]:
    common = {"num_runs": 12, "warmup_runs": 3, "max_secs": 60.0, "num_threads": 1}
    backend = "onnxruntime" if model.endswith(".onnx") else "litert"
    return {"task": task, "model": str(ASSETS / model), "backend": backend, **common, **more}


def silent(event: str, **fields: Any) -> None:
    """Take events and do nothing."""


def test_timing_gives_as_many_samples_as_asked_for() -> None:
    found = do(job("timing"), silent)
    sizes = {key: len(value) for key, value in found.items() if isinstance(value, list)}
    expected = {"warmup_ms": 3, "encode_ms": 12, "classify_ms": 12, "step_ms": 12, "clip_ms": 2}
    assert sizes == expected
    assert all(ms > 0 for key in expected for ms in found[key])
    for key in ("load_ms", "first_encode_ms", "first_classify_ms", "peak_memory_bytes"):
        assert found[key] > 0
    assert found["peak_memory_bytes"] >= found["memory_before_bytes"]


def test_a_model_of_stills_has_no_clip_to_run_anew() -> None:
    assert "clip_ms" not in do(job("timing", "tiny-still-int8.tflite"), silent)


def test_a_step_holds_encode_and_classify() -> None:
    calls: list[str] = []

    def load(*args: Any, **options: Any) -> Any:
        model = load_model(*args, **options)
        encode, classify = model.backend.encode, model.backend.classify
        model.backend.encode = lambda x: (calls.append("e"), encode(x))[1]  # type: ignore
        model.backend.classify = lambda x: (calls.append("c"), classify(x))[1]  # type: ignore
        return model

    do(job("timing", num_runs=2, warmup_runs=1), silent, load)
    # First inference, warm-up, encode alone, classify alone, steps, two clips of four frames.
    assert "".join(calls) == "ec" + "ec" + "ee" + "cc" + "ecec" + "eeeec" * 2


def test_time_is_what_passed() -> None:
    times = repeat(lambda: time.sleep(0.01), 4)
    assert len(times) == 4
    assert all(ms >= 10 for ms in times)


def test_a_limit_of_time_stops_after_one_call_at_least() -> None:
    assert len(repeat(lambda: time.sleep(0.02), 1000, 0.1)) < 10
    assert len(repeat(lambda: time.sleep(0.02), 1000, 0.0)) == 1
    assert repeat(lambda: None, 0) == []


def test_end_to_end_runs_the_video_as_the_runner_does(make_video: MakeVideo) -> None:
    video = make_video(count=50, fps=25.0)  # two seconds: 10 frames at 5 Hz
    found = do(job("end_to_end", video=str(video)), silent)
    assert found["frames"] == 10
    # The first answer comes with the fourth frame.
    assert {key: len(found[key]) for key in found if key.endswith("_ms")} == dict.fromkeys(
        ("decode_ms", "preprocess_ms", "encode_ms", "classify_ms", "latency_ms"), 7
    )
    parts = [found[key] for key in ("decode_ms", "preprocess_ms", "encode_ms", "classify_ms")]
    assert np.sum(parts, axis=0) == pytest.approx(found["latency_ms"], abs=0.001)
    assert found["wall_s"] > 0


def test_sustained_says_how_fast_it_goes_on() -> None:
    said: list[dict[str, Any]] = []

    def say(event: str, **fields: Any) -> None:
        said.append({"event": event, **fields})

    found = do(job("sustained", minutes=0.001), say)
    samples = [e for e in said if e["event"] == "sample"]
    assert len(samples) == 1
    assert samples[0]["runs"] == found["runs"] > 10
    assert samples[0]["p50_ms"] > 0


def test_operators_of_an_onnx_pair_are_profiled() -> None:
    pytest.importorskip("onnxruntime")
    ops = do(job("profile", "tiny-onnx.encode.onnx"), silent)["ops"]
    assert {"encode", "classify"} == {row["signature"] for row in ops}
    assert "Conv" in {row["op"] for row in ops if row["signature"] == "encode"}
    assert all(row["ms"] >= 0 and row["nodes"] > 0 for row in ops)


def test_litert_says_that_it_gives_no_profile() -> None:
    with pytest.raises(BackendError, match="has no per-operator profile"):
        do(job("profile"), silent)


def test_peak_memory_grows_with_what_is_held() -> None:
    """In a process of its own: other tests here may have held more before."""
    if peak_memory_bytes() is None:
        pytest.skip("this system has no /proc/self/status")
    code = (
        "import numpy as np; from har_benchmarks.tasks.timing import peak_memory_bytes\n"
        "before = peak_memory_bytes(); held = np.ones(80 * 2**20, np.uint8)\n"
        "print(peak_memory_bytes() - before)"
    )
    search = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    grown = subprocess.run(
        [sys.executable, "-c", code], env=search, capture_output=True, text=True, check=True
    )
    assert int(grown.stdout) > 60 * 2**20
