"""The golden clip tells a machine that is well from one that is not."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.machine import golden
from har_edge.machine.golden import TOLERANCE, check_golden, draw_frames
from har_edge.model.file import BUNDLED
from har_edge.model.loaded import LoadedModel, load_model
from tests.conftest import ASSETS


def test_drawn_pixels_are_the_same_everywhere() -> None:
    digest = hashlib.sha256(draw_frames(4).tobytes()).hexdigest()
    assert digest == "51e18317a86323ce8c440f76d0d11f58cbc2778ecd429f0cec431ddf00178cd9"


@pytest.mark.parametrize("name", BUNDLED)
def test_this_machine_is_well(name: str) -> None:
    result = check_golden(load_model(name))
    assert result is not None
    assert result.passed
    assert result.difference <= TOLERANCE
    assert result.frame_ms > 0


def test_no_numbers_for_other_models() -> None:
    assert check_golden(load_model(ASSETS / "tiny-still-int8.tflite")) is None


def test_wrong_pixels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = draw_frames(1)
    monkeypatch.setattr(golden, "draw_frames", lambda _: frames[:, :, ::-1])
    result = check_golden(load_model("har15"))
    assert result is not None
    assert not result.same_tensor
    assert not result.passed


def test_wrong_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    original = LoadedModel.encode

    def encode(self: LoadedModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return original(self, pixels) * np.float32(0.5)

    monkeypatch.setattr(LoadedModel, "encode", encode)
    result = check_golden(load_model("har15"))
    assert result is not None
    assert result.same_tensor
    assert result.difference > TOLERANCE
    assert not result.passed
