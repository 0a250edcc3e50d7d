"""Streaming: exactly what recomputing the window gives, at a fraction of the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import ShapeError
from har_edge.frames.frame import Frame
from har_edge.frames.preprocess import resize_frame
from har_edge.model.loaded import LoadedModel, apply_temperature, load_model
from har_edge.recognition.recognizer import Recognizer
from tests.conftest import ASSETS


def random_frames(count: int, seed: int, height: int = 40, width: int = 50) -> list[Frame]:
    """Frames of random flat patches, no two alike."""
    random = np.random.default_rng(seed)
    patches = random.integers(0, 256, (count, height // 10, width // 10, 3), np.uint8)
    pixels = patches.repeat(10, axis=1).repeat(10, axis=2)
    return [Frame(p, i / 5, i, "random", 1.0) for i, p in enumerate(pixels)]


def recompute(model: LoadedModel, frames: list[Frame]) -> list[NDArray[np.float32]]:
    """The plain way: every window is encoded again from its first to its last frame."""
    size = model.spec.clip.num_frames
    pixels = [resize_frame(f.pixels, model.spec.clip) for f in frames]
    return [
        model.classify_clip(np.stack(pixels[i - size + 1 : i + 1]))
        for i in range(size - 1, len(frames))
    ]


def assert_streaming_equals_recomputing(model: LoadedModel, seed: int, count: int) -> None:
    frames = random_frames(count, seed)
    recognizer = Recognizer(model)
    predictions = [p for p in map(recognizer.push, frames) if p is not None]
    expected = recompute(model, frames)
    assert len(predictions) == len(expected) == count - model.spec.clip.num_frames + 1
    exact = model.spec.variant == "int8"
    for prediction, probabilities in zip(predictions, expected, strict=True):
        tolerance = 0.0 if exact else 1e-5
        assert np.abs(prediction.probabilities - probabilities).max() <= tolerance
    # The test would pass for a model that ignores its input: these must differ.
    assert np.ptp([p.probabilities for p in predictions], axis=0).max() > 0.01


@pytest.mark.parametrize("seed", range(5))
def test_streaming_equals_recomputing(tiny_model: Path, seed: int) -> None:
    assert_streaming_equals_recomputing(load_model(tiny_model), seed, count=23)


def test_bundled_clip_model_streams_exactly() -> None:
    assert_streaming_equals_recomputing(load_model("clips"), seed=0, count=20)


def test_order_of_frames_matters() -> None:
    """Guards the ring: a window in the wrong order gives other probabilities."""
    model = load_model(ASSETS / "tiny-float32.tflite")
    features = np.random.default_rng(0).uniform(0, 1, (4, 8)).astype(np.float32)
    assert np.abs(model.classify(features) - model.classify(features[::-1].copy())).max() > 1e-3


def test_prediction_says_where_it_came_from(tiny_model: Path) -> None:
    recognizer = Recognizer(load_model(tiny_model))
    *early, last = map(recognizer.push, random_frames(4, seed=1))
    assert early == [None, None, None]
    assert last is not None
    assert (last.frame, last.source, last.window_frames) == (3, "random", 4)
    assert last.timestamp_s == pytest.approx(0.6)
    assert last.age_ms is None
    assert last.decode_ms == 1.0
    assert last.latency_ms > last.encode_ms > 0
    assert last.top(3)[0] == (last.action, last.confidence)
    assert sum(c for _, c in last.top(3)) == pytest.approx(1.0, abs=0.02)


def test_short_source_gives_one_prediction_padded_at_the_front(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    frames = random_frames(2, seed=3)
    recognizer = Recognizer(model)
    assert [recognizer.push(f) for f in frames] == [None, None]
    prediction = recognizer.flush()
    assert prediction is not None
    assert prediction.window_frames == 2
    pixels = [resize_frame(f.pixels, model.spec.clip) for f in frames]
    expected = model.classify_clip(np.stack([pixels[0]] * 3 + [pixels[1]]))
    assert np.abs(prediction.probabilities - expected).max() <= 1e-5


def test_flush_after_a_full_window_gives_nothing(tiny_model: Path) -> None:
    recognizer = Recognizer(load_model(tiny_model))
    assert recognizer.flush() is None
    for frame in random_frames(5, seed=0):
        recognizer.push(frame)
    assert recognizer.flush() is None


def test_reset_forgets_the_window(tiny_model: Path) -> None:
    recognizer = Recognizer(load_model(tiny_model))
    frames = random_frames(8, seed=0)
    for frame in frames[:4]:
        recognizer.push(frame)
    recognizer.reset()
    again = [recognizer.push(f) for f in frames[4:]]
    assert [p is None for p in again] == [True, True, True, False]


def test_wrong_shapes_are_refused(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    with pytest.raises(ShapeError, match="encode takes"):
        model.encode(np.zeros((31, 32, 3), np.uint8))
    with pytest.raises(ShapeError, match="classify takes"):
        model.classify(np.zeros((3, 8), np.float32))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_equals_dividing_logits(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (7, 5))

    def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    result = apply_temperature(softmax(logits).astype(np.float32), temperature)
    assert np.abs(result - softmax(logits / temperature)).max() < 1e-5
