"""The motion gate: what it takes for still, and that it says exactly what it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import SpecError
from har_edge.frames.decode import load_image
from har_edge.frames.frame import Frame
from har_edge.frames.preprocess import resize_frame
from har_edge.model.loaded import load_model
from har_edge.model.spec import ClipSpec
from har_edge.recognition.motion import MAX_HOLD_S, MotionGate, block_means, changed_share
from har_edge.recognition.recognizer import Recognizer
from tests.conftest import ROOT

CLIP = ClipSpec(1, 8.0, 224, 224)
SAMPLE = ROOT / "edge" / "har_edge" / "samples" / "seated.jpg"


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    return resize_frame(load_image(SAMPLE), CLIP)


def noisy(pixels: NDArray[np.uint8], deviation: float, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_sensor_noise_is_still(scene: NDArray[np.uint8]) -> None:
    gate = MotionGate(max_hold_s=1e9)
    for i in range(50):
        gate.needs_encoding(noisy(scene, 12, i), i / 8)
    assert (gate.frames, gate.skipped) == (50, 49)


def test_light_that_changes_for_all_is_still(scene: NDArray[np.uint8]) -> None:
    gate = MotionGate(max_hold_s=1e9)
    for i in range(20):
        brighter = np.clip(scene.astype(int) // 2 + 50 + i, 0, 255).astype(np.uint8)
        gate.needs_encoding(brighter, i / 8)
    assert gate.skipped == 19


def test_a_hand_that_moves_is_not_still(scene: NDArray[np.uint8]) -> None:
    moved = scene.copy()
    moved[100:132, 60:84] = moved[100:132, 90:114]  # 24 x 32 of 224 x 224 pixels
    gate = MotionGate()
    assert gate.needs_encoding(scene, 0.0)
    assert gate.needs_encoding(moved, 0.125)


def test_slow_changes_add_up(scene: NDArray[np.uint8]) -> None:
    """Each step alone is below the noise; the comparison is with the last encoded frame."""
    gate = MotionGate(max_hold_s=1e9)
    needed = []
    for i in range(20):
        changed = scene.astype(int)
        changed[:112] += i
        needed.append(gate.needs_encoding(np.clip(changed, 0, 255).astype(np.uint8), i / 8))
    assert needed[:3] == [True, False, False]
    assert 1 < sum(needed) < 10


def test_a_hold_ends(scene: NDArray[np.uint8]) -> None:
    gate = MotionGate()
    needed = [gate.needs_encoding(scene, i / 8) for i in range(41)]
    assert [i for i, need in enumerate(needed) if need] == [0, 16, 32]
    assert MAX_HOLD_S == 2.0
    gate.reset()
    assert gate.needs_encoding(scene, 5.1)
    assert (gate.frames, gate.skipped) == (42, 38)


def test_time_that_runs_backwards_is_not_trusted(scene: NDArray[np.uint8]) -> None:
    gate = MotionGate()
    assert gate.needs_encoding(scene, 100.0)
    assert gate.needs_encoding(scene, 3.0)


def test_block_means_against_numpy(scene: NDArray[np.uint8]) -> None:
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    grey = np.rint(scene @ weights)
    expected = grey.reshape(28, 8, 28, 8).mean(axis=(1, 3))
    assert np.abs(block_means(scene) - expected).max() < 1
    assert block_means(np.zeros((5, 3, 3), np.uint8)).shape == (1, 1)


def test_share_of_changed_blocks() -> None:
    before = np.full((10, 10), 50, np.float32)
    after = before + 20
    after[0, :3] += 30
    assert changed_share(after, before) == pytest.approx(0.03)


@pytest.mark.parametrize("options", [{"threshold": -0.1}, {"threshold": 1}, {"max_hold_s": 0}])
def test_settings_without_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="motion gate"):
        MotionGate(**options)


def stream(seed: int, count: int, still: float, start: int = 0) -> list[Frame]:
    """Frames of random patches, of which a share repeats the one before with noise."""
    random = np.random.default_rng(seed)
    frames: list[Frame] = []
    pixels = np.zeros((96, 96, 3), np.uint8)
    for i in range(start, start + count):
        if not frames or random.random() > still:
            pixels = random.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1)
        frames.append(Frame(noisy(pixels, 1, i), i / 8, i, "stream", 1.0))
    return frames


@pytest.mark.parametrize("seed", range(3))
def test_reused_features_are_those_of_the_frame_that_is_named(tiny_model: Path, seed: int) -> None:
    model = load_model(tiny_model)
    frames = stream(seed, 60, still=0.7)
    recognizer = Recognizer(model, MotionGate())
    used: list[int] = []
    for frame in frames:
        prediction = recognizer.push(frame)
        # The window is not full at first; what it holds is known from its own state then.
        if prediction is None:
            used.append(-1)
            continue
        named = prediction.reused_frame
        used.append(frame.index if named is None else named)
        assert prediction.encoded == (named is None)
        if min(used[-4:]) < 0:
            continue
        shown = [resize_frame(frames[i].pixels, model.spec.clip) for i in used[-4:]]
        expected = model.classify_clip(np.stack(shown))
        tolerance = 0.0 if model.spec.variant == "int8" else 1e-5
        assert np.abs(prediction.probabilities - expected).max() <= tolerance
    gate = recognizer.gate
    assert gate is not None
    assert 0.3 < gate.skipped / gate.frames < 0.9
    assert gate.skipped >= sum(u != f.index for u, f in zip(used, frames, strict=True) if u >= 0)


def test_a_gate_that_never_closes_changes_nothing(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    frames = stream(0, 30, still=0.0)
    plain, gated = Recognizer(model), Recognizer(model, MotionGate(threshold=0.0))
    for frame in frames:
        one, other = plain.push(frame), gated.push(frame)
        assert (one is None) == (other is None)
        if one and other:
            assert (one.probabilities == other.probabilities).all()
            assert one.encoded and other.encoded


def test_after_a_gap_the_first_frame_is_encoded() -> None:
    model = load_model("har15")
    pixels = load_image(SAMPLE)
    recognizer = Recognizer(model, MotionGate())
    answers = [
        recognizer.push(Frame(pixels, i / 5, i, "camera", 1.0, after_gap=i == 3)) for i in range(6)
    ]
    assert [a.reused_frame for a in answers if a] == [None, 0, 0, None, 3, 3]
    skipped = [a.encode_ms for a in answers if a and not a.encoded]
    assert max(skipped) < min(a.encode_ms for a in answers if a and a.encoded)
