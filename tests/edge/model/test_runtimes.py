"""Runtimes: whichever is installed runs the same files with the same results."""

from __future__ import annotations

import _ctypes
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from har_edge.errors import BackendError
from har_edge.model.catalogue import bundled_for
from har_edge.model.file import read_model_file
from har_edge.model.loaded import load_model
from har_edge.model.runtimes import (
    ONNX_RUNTIME,
    RUNTIMES,
    TFLITE_RUNTIMES,
    OnnxBackend,
    TfliteBackend,
    available_backends,
    load_backend,
)
from har_edge.model.tensors import dequantizer, quantizer
from har_edge.model.xnnpack import int8_delegates
from tests.conftest import ASSETS
from tests.support.golden_frames import golden_frames

GOLDEN = json.loads((ASSETS / "golden.json").read_text(encoding="utf-8"))


# By how much a probability may differ: float32 by summation order, float16 by what a runtime
# computes in half precision, quantized ones by rounding, a few steps of 1/256.
TOLERANCES = {"float32": 1e-4, "onnx": 1e-4, "float16": 1e-2}
OF_PIXELS = bundled_for(people=False)
FILES = {name: Path(name) for name in OF_PIXELS} | {
    name: ASSETS / name for name in GOLDEN if name not in OF_PIXELS
}


@pytest.fixture(params=list(RUNTIMES))
def any_runtime(request: pytest.FixtureRequest) -> str:
    if request.param not in available_backends():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture(params=list(TFLITE_RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param not in available_backends():
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def networks(name: str) -> tuple[bytes, ...]:
    return read_model_file(ASSETS / name).networks


def tiny_networks(runtime: str, *, quantized: bool) -> tuple[bytes, ...]:
    """A tiny model that a runtime takes."""
    if runtime == ONNX_RUNTIME:
        return networks(f"tiny-onnx{'-int8' if quantized else ''}.encode.onnx")
    return networks("tiny-int8.tflite" if quantized else "tiny-float32.tflite")


def test_some_runtime_is_installed() -> None:
    assert available_backends()


def test_every_asset_is_golden() -> None:
    # Those of MediaPipe have one graph; those of poses take no pixels: see test_poses.py.
    ours = (p for p in ASSETS.iterdir() if not {"mediapipe", "pose"} & {*p.name.split("-")})
    files = {p.name for p in ours if p.name.endswith((".tflite", ".encode.onnx"))}
    assert files == GOLDEN.keys() - set(OF_PIXELS)
    variants = {read_model_file(ASSETS / name).spec.variant for name in files}
    assert variants == {"float32", "float16", "dynamic", "int8", "onnx", "onnx-int8"}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_clip(any_runtime: str, name: str) -> None:
    """Fixed pixels give fixed probabilities, on every machine and runtime."""
    if name.endswith(".onnx") != (any_runtime == ONNX_RUNTIME):
        pytest.skip(f"{any_runtime} does not run this kind of file")
    model = load_model(FILES[name], backend=any_runtime)
    assert model.backend.name == any_runtime
    clip = model.spec.clip
    probabilities = model.classify_clip(golden_frames(clip.height, clip.width, clip.num_frames))
    tolerance = TOLERANCES.get(model.spec.variant, 0.03)
    assert np.abs(probabilities - GOLDEN[name]).max() < tolerance
    assert probabilities.argmax() == np.argmax(GOLDEN[name])


@pytest.mark.parametrize("name", sorted(n for n in GOLDEN if n.startswith("tiny-")))
def test_variants_agree_with_float32(name: str) -> None:
    """All golden figures are of one network, but for the one that takes stills."""
    agrees = np.abs(np.array(GOLDEN[name]) - GOLDEN["tiny-float32.tflite"]).max() < 0.01
    assert agrees == (name != "tiny-still-int8.tflite")


@pytest.mark.parametrize("num_threads", [1, 2])
def test_xnnpack_runs_int8_in_every_runtime(runtime: str, num_threads: int) -> None:
    """The runtimes' own kernels are slower and round in another way."""
    backend = TfliteBackend(runtime, *networks("tiny-int8.tflite"), num_threads=num_threads)
    left = {op["op_name"] for op in backend.interpreter._get_ops_details()}
    assert "DELEGATE" in left


def test_library_without_xnnpack_gives_no_delegate() -> None:
    other = SimpleNamespace(_interpreter_wrapper=SimpleNamespace(__file__=_ctypes.__file__))
    assert int8_delegates(other, 1) == []
    gone = SimpleNamespace(_interpreter_wrapper=SimpleNamespace(__file__="gone.so"))
    assert int8_delegates(gone, 1) == []


def test_auto_finds_the_runtime_for_a_file(any_runtime: str) -> None:
    found = load_backend(tiny_networks(any_runtime, quantized=False)).name
    fitting = (ONNX_RUNTIME,) if any_runtime == ONNX_RUNTIME else tuple(TFLITE_RUNTIMES)
    assert found == next(name for name in available_backends() if name in fitting)


def test_runtime_for_another_kind_of_file_is_refused() -> None:
    with pytest.raises(BackendError, match=r"onnxruntime cannot run this kind.*litert"):
        load_backend(networks("tiny-int8.tflite"), backend=ONNX_RUNTIME)
    with pytest.raises(BackendError, match=r"litert cannot run this kind.*onnxruntime"):
        load_backend(networks("tiny-onnx.encode.onnx"), backend="litert")


@pytest.mark.parametrize("quantized", [False, True])
def test_threads_do_not_change_the_result(any_runtime: str, quantized: bool) -> None:
    content = tiny_networks(any_runtime, quantized=quantized)
    frame = golden_frames(32, 32, 1)
    one, two = (
        load_backend(content, backend=any_runtime, num_threads=n).encode(frame) for n in (1, 2)
    )
    assert np.array_equal(one, two) if quantized else np.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("quantized", [False, True])
def test_pixels_may_come_as_floats(any_runtime: str, quantized: bool) -> None:
    backend = load_backend(tiny_networks(any_runtime, quantized=quantized), backend=any_runtime)
    frame = golden_frames(32, 32, 1)
    assert np.array_equal(backend.encode(frame), backend.encode(frame.astype(np.float32)))


def test_results_are_copies(any_runtime: str) -> None:
    """A view into the runtime's memory would change under the caller."""
    backend = load_backend(tiny_networks(any_runtime, quantized=False), backend=any_runtime)
    first = backend.encode(golden_frames(32, 32, 1))
    kept = first.copy()
    backend.encode(255 - golden_frames(32, 32, 1))
    assert np.array_equal(first, kept)


def test_damaged_network_is_refused(runtime: str) -> None:
    with pytest.raises(BackendError, match="rejects this model"):
        TfliteBackend(runtime, b"\x1c\0\0\0TFL3" + b"\0" * 64)


def test_damaged_or_swapped_onnx_networks_are_refused() -> None:
    if ONNX_RUNTIME not in available_backends():
        pytest.skip("onnxruntime is not installed")
    encode, classify = networks("tiny-onnx.encode.onnx")
    for damaged in (b"", b"no network", encode[:-100]):
        with pytest.raises(BackendError, match="rejects this model"):
            OnnxBackend((damaged, classify))
    with pytest.raises(BackendError, match="should take frame and give features"):
        OnnxBackend((classify, encode))


def test_unknown_and_missing_runtimes() -> None:
    content = read_model_file(ASSETS / "tiny-int8.tflite").flatbuffer
    with pytest.raises(BackendError, match="auto or one of litert"):
        load_backend(content, backend="tensorrt")
    with pytest.raises(BackendError, match="num_threads"):
        load_backend(content, num_threads=0)
    for missing in set(RUNTIMES) - set(available_backends()):
        kind = tiny_networks(missing, quantized=True)
        with pytest.raises(BackendError, match="pip install"):
            load_backend(kind, backend=missing)


def test_quantizing_rounds_and_clips() -> None:
    tensor = {"dtype": np.uint8, "quantization": (0.5, 10)}
    values = np.array([-100.0, -5.0, 0.0, 0.24, 0.26, 500.0], np.float32)
    assert quantizer(tensor)(values).tolist() == [0, 0, 10, 10, 11, 255]
    back = dequantizer(tensor)(np.array([0, 10, 255], np.uint8))
    assert back.tolist() == [-5.0, 0.0, 122.5]


def test_pixels_pass_through_where_the_scale_is_one() -> None:
    pixels = golden_frames(2, 2, 1)
    assert quantizer({"dtype": np.uint8, "quantization": (1.0, 0)})(pixels) is pixels
