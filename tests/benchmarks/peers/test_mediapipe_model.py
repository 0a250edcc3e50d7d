"""One graph says what the two of a model file say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_edge.model.loaded import load_model
from tests.support.tiny import ASSETS


def flat_patches() -> Any:
    """Frames that the tiny model tells apart, (16, 32, 32, 3)."""
    random = np.random.default_rng(1)
    return random.integers(0, 256, (16, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)


def run_graph(content: bytes, frames: Any) -> Any:
    """Run the only graph of a file on frames as they are, (N, C)."""
    from ai_edge_litert.interpreter import Interpreter

    classify = Interpreter(model_content=content).get_signature_runner("classify_frame")
    dtype = classify.get_input_details()["frame"]["dtype"]
    answers = [classify(frame=f[np.newaxis].astype(dtype))["probabilities"] for f in frames]
    return np.concatenate(answers)


@pytest.mark.parametrize(("variant", "tolerance"), [("int8", 1e-6), ("float32", 0.04)])
def test_it_says_what_the_model_file_says(variant: str, tolerance: float) -> None:
    frames = flat_patches()
    ours = load_model(ASSETS / "tiny-still-int8.tflite")
    expected = np.stack([ours.classify_clip(frame[np.newaxis]) for frame in frames])
    assert np.ptp(expected, axis=0).min() > 0.04
    found = run_graph((ASSETS / f"tiny-still-mediapipe-{variant}.tflite").read_bytes(), frames)
    assert np.abs(found - expected).max() < tolerance


def test_int8_takes_pixels() -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = ASSETS / "tiny-still-mediapipe-int8.tflite"
    (details,) = Interpreter(model_path=str(path)).get_input_details()
    assert details["dtype"] == np.uint8
    assert details["quantization"] == (1.0, 0)


@pytest.mark.train
def test_it_is_made_from_the_keras_model(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs the convert extra (TensorFlow)")
    monkeypatch.syspath_prepend(str(ASSETS))
    import make_tiny_models as tiny

    from har_convert.mediapipe import make

    maker = tiny.make_maker(tiny.SPEC.with_(name="tiny-still", clip=tiny.STILL_CLIP))
    frames = flat_patches()
    expected = maker.classifier.predict_on_batch(
        maker.encoder.predict_on_batch(frames.astype(np.float32))[:, np.newaxis]
    )
    found = run_graph(make(maker, "float32"), frames)
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.train
def test_a_model_of_many_frames_is_refused(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs the convert extra (TensorFlow)")
    command = [sys.executable, "-m", "har_benchmarks", "experiment", "mediapipe-model", "clips"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "should be a still-image model, with a window of one frame" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
