"""What an audit finds in our own files, against counts by hand, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from har_convert.auditing.audit import audit
from har_convert.auditing.findings import Audit
from har_convert.auditing.tflite import audit_flatbuffer
from har_edge.model.file import read_model_file
from tests.conftest import ASSETS
from tests.support.auditing import command_of, ops_of, signatures_of

Converted = tuple[Path, "CompletedProcess[str]"]
TFLITE = ("float32", "float16", "dynamic", "int8")


@pytest.mark.parametrize("variant", TFLITE)
def test_own_files(variant: str) -> None:
    path = ASSETS / f"tiny-{variant}.tflite"
    found = audit(path)
    assert found.size_bytes == path.stat().st_size
    assert found.not_builtin == ()
    assert found.metadata
    assert set(found.attached) == {"har.json", "labels.txt"}
    assert f"TensorFlow Lite {found.min_runtime}" == read_model_file(path).spec.min_runtime
    assert found.runtimes["litert"] == "loads and runs"
    parts = signatures_of(found)
    assert parts.keys() == {"encode", "classify"}
    (frame,), (features,) = parts["encode"].inputs, parts["encode"].outputs
    assert (frame.shape, features.shape) == ((1, 32, 32, 3), (1, 8))
    assert frame.dtype == ("uint8" if variant == "int8" else "float32")
    assert (frame.scale, frame.zero_point) == ((1.0, 0) if variant == "int8" else (0.0, 0))
    (window,), (probabilities,) = parts["classify"].inputs, parts["classify"].outputs
    assert (window.shape, probabilities.shape) == ((1, 4, 8), (1, 3))


def test_arithmetic_of_the_tiny_network() -> None:
    """Counted by hand; it is the same in all variants."""
    side = (32 - 5) // 3 + 1
    encode = side * side * 8 * (5 * 5 * 3)
    # Four steps of an LSTM of 6 units on 8 features, then a dense layer. (The first step starts
    # from zeros, so that the converter leaves its recurrent product out.)
    classify = 4 * (8 * 24) + 3 * (6 * 24) + 6 * 3
    for variant in TFLITE:
        parts = signatures_of(audit_flatbuffer((ASSETS / f"tiny-{variant}.tflite").read_bytes()))
        assert parts["encode"].macs == encode
        assert parts["classify"].macs in (classify, classify + 6 * 24)
    onnx = pytest.importorskip("onnx")
    assert onnx
    parts = signatures_of(audit(ASSETS / "tiny-onnx.encode.onnx"))
    assert parts["encode"].macs == encode


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_convolutions_are_delegated(variant: str, converted: Converted) -> None:
    found = audit_flatbuffer((converted[0] / f"colours-{variant}.tflite").read_bytes())
    parts = signatures_of(found)
    encode = ops_of(parts["encode"])
    for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        assert encode[kind].delegated == encode[kind].count
    assert encode["CONV_2D"].count + encode["DEPTHWISE_CONV_2D"].count == 6


def test_unpack_is_not_delegated(converted: Converted) -> None:
    found = audit_flatbuffer((converted[0] / "colours-float32.tflite").read_bytes())
    classify = ops_of(signatures_of(found)["classify"])
    assert classify["UNPACK"].delegated == 0
    assert classify["FULLY_CONNECTED"].delegated == classify["FULLY_CONNECTED"].count


@pytest.mark.parametrize("suffix", ["encode", "classify"])
@pytest.mark.parametrize("variant", ["onnx", "onnx-int8"])
def test_own_onnx_pair(variant: str, suffix: str) -> None:
    """Either file stands for the pair."""
    pytest.importorskip("onnx")
    paths = [ASSETS / f"tiny-{variant}.{part}.onnx" for part in ("encode", "classify")]
    found = audit(ASSETS / f"tiny-{variant}.{suffix}.onnx")
    assert found.size_bytes == sum(path.stat().st_size for path in paths)
    assert found.not_builtin == ()
    assert {"har.json", "labels.txt", "name", "license"} <= set(found.attached)
    assert found.min_runtime == "ONNX opset 17"
    assert found.runtimes == {"onnxruntime": "loads and runs"}
    parts = signatures_of(found)
    assert list(parts) == ["encode", "classify"]
    (frame,) = parts["encode"].inputs
    assert (frame.name, frame.shape) == ("frame", (1, 32, 32, 3))
    assert frame.dtype == ("uint8" if variant == "onnx-int8" else "float32")
    assert ops_of(parts["encode"])["Conv"].count == 1
    assert all(op.delegated is None for part in parts.values() for op in part.ops)


@pytest.mark.parametrize("name", ["tiny-int8.tflite", "tiny-onnx.classify.onnx"])
def test_json_says_what_the_audit_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    status, out, err = command_of(capsys, ASSETS / name, "--output-format", "json")
    assert (status, err) == (0, "")
    document, found = json.loads(out), audit(ASSETS / name)
    assert document["size_bytes"] == found.size_bytes
    assert document["runtimes"] == found.runtimes
    assert [s["name"] for s in document["signatures"]] == [s.name for s in found.signatures]
    for given, signature in zip(document["signatures"], found.signatures, strict=True):
        assert given["ops"] == [vars(op) for op in signature.ops]
        assert tuple(given["inputs"][0]["shape"]) == signature.inputs[0].shape


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = command_of(capsys, ASSETS / "tiny-int8.tflite")
    assert status == 0
    lines = out.splitlines()
    assert "not builtin     nothing" in lines
    assert "litert          loads and runs" in lines
    assert any(line.startswith("encode: 0.1 M multiply-accumulates") for line in lines)
    assert any("uint8, 1 * (q - 0)" in line for line in lines)
    ops = [
        op for signature in audit(ASSETS / "tiny-int8.tflite").signatures for op in signature.ops
    ]
    rows = [line.split() for line in lines]
    for op in ops:
        assert [op.name, str(op.version), str(op.count), str(op.delegated)] in rows


def test_installed_command(har_convert: Callable[..., CompletedProcess[str]]) -> None:
    result = har_convert("audit", ASSETS / "tiny-int8.tflite")
    assert result.returncode == 0
    assert "encode: " in result.stdout
    assert har_convert("audit").returncode == 2


def test_findings_survive_json() -> None:
    found = audit(ASSETS / "tiny-int8.tflite")
    assert Audit.from_json(json.dumps(found.as_dict()).encode()) == found
