"""Runtimes: whichever is installed runs the same files with the same results."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import ASSETS
from golden_frames import golden_frames

from har_edge.backends import (
    TFLITE_RUNTIMES,
    TfliteBackend,
    _dequantizer,
    _quantizer,
    available_backends,
    load_backend,
)
from har_edge.errors import BackendError
from har_edge.model_file import read_model_file, resolve_model

GOLDEN = json.loads((ASSETS / "golden.json").read_text(encoding="utf-8"))


@pytest.fixture(params=list(TFLITE_RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param not in available_backends():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def test_some_runtime_is_installed() -> None:
    assert available_backends()


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_clip(runtime: str, name: str) -> None:
    """Fixed pixels give fixed probabilities, on every machine and runtime."""
    path = resolve_model(name) if name in ("har15", "clips") else ASSETS / name
    file = read_model_file(path)
    backend = load_backend(file.flatbuffer, backend=runtime)
    clip = file.spec.clip
    frames = golden_frames(clip.height, clip.width, clip.num_frames)
    features = np.concatenate([backend.encode(frame[np.newaxis]) for frame in frames])
    probabilities = backend.classify(features[np.newaxis])[0]
    # float32 differs by summation order; int8 by rounding, a few steps of 1/256.
    tolerance = 1e-4 if file.spec.variant == "float32" else 0.03
    assert np.abs(probabilities - GOLDEN[name]).max() < tolerance
    assert probabilities.argmax() == np.argmax(GOLDEN[name])


def test_threads_do_not_change_the_result(runtime: str) -> None:
    file = read_model_file(ASSETS / "tiny-int8.tflite")
    frame = golden_frames(32, 32, 1)
    one, two = (
        load_backend(file.flatbuffer, backend=runtime, num_threads=n).encode(frame) for n in (1, 2)
    )
    assert np.array_equal(one, two)


def test_results_are_copies(runtime: str) -> None:
    """A view into the runtime's memory would change under the caller."""
    backend = load_backend(
        read_model_file(ASSETS / "tiny-float32.tflite").flatbuffer, backend=runtime
    )
    first = backend.encode(golden_frames(32, 32, 1))
    kept = first.copy()
    backend.encode(255 - golden_frames(32, 32, 1))
    assert np.array_equal(first, kept)


def test_damaged_network_is_refused(runtime: str) -> None:
    with pytest.raises(BackendError, match="refuses this model"):
        TfliteBackend(runtime, b"\x1c\0\0\0TFL3" + b"\0" * 64)


def test_unknown_and_missing_runtimes() -> None:
    content = read_model_file(ASSETS / "tiny-int8.tflite").flatbuffer
    with pytest.raises(BackendError, match="auto or one of litert"):
        load_backend(content, backend="tensorrt")
    with pytest.raises(BackendError, match="num_threads"):
        load_backend(content, num_threads=0)
    for missing in set(TFLITE_RUNTIMES) - set(available_backends()):
        with pytest.raises(BackendError, match="pip install"):
            load_backend(content, backend=missing)


def test_quantizing_rounds_and_clips() -> None:
    tensor = {"dtype": np.uint8, "quantization": (0.5, 10)}
    values = np.array([-100.0, -5.0, 0.0, 0.24, 0.26, 500.0], np.float32)
    assert _quantizer(tensor)(values).tolist() == [0, 0, 10, 10, 11, 255]
    back = _dequantizer(tensor)(np.array([0, 10, 255], np.uint8))
    assert back.tolist() == [-5.0, 0.0, 122.5]


def test_pixels_pass_through_where_the_scale_is_one() -> None:
    pixels = golden_frames(2, 2, 1)
    assert _quantizer({"dtype": np.uint8, "quantization": (1.0, 0)})(pixels) is pixels
