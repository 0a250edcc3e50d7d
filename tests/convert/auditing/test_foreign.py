"""What an audit finds in the files of others, against counts by hand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from har_convert.auditing.audit import audit
from har_convert.auditing.tflite import audit_flatbuffer
from tests.support.auditing import chain, command_of, foreign_onnx


def test_foreign_file_counted_by_hand(foreign: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.tflite"
    path.write_bytes(foreign)
    found = audit(path)
    assert found.runtimes["litert"] == "loads and runs"
    assert (found.min_runtime, found.metadata, found.attached) == ("", False, ())
    assert found.not_builtin == ()
    # The two numbers that say how to reshape are no parameters.
    assert found.parameters == (5 * 18 + 5) + (9 * 5 + 5) + (4 * 80 + 4)
    (main,) = found.signatures
    assert main.name == "main"
    assert main.macs == 16 * 5 * 18 + 16 * 5 * 9 + 4 * 80
    assert [(op.name, op.version, op.count) for op in main.ops] == [
        ("CONV_2D", 1, 1), ("DEPTHWISE_CONV_2D", 1, 1), ("FULLY_CONNECTED", 1, 1),
        ("RESHAPE", 1, 1),
    ]  # fmt: skip
    assert {op.name: op.delegated for op in main.ops if op.name != "RESHAPE"} == {
        "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1,
    }  # fmt: skip
    assert [(t.name, t.shape, t.dtype) for t in (*main.inputs, *main.outputs)] == [
        ("picture", (1, 8, 8, 2), "float32"), ("answer", (1, 4), "float32"),
    ]  # fmt: skip
    # 512 bytes in; 320, 320, 320 and 16 made on the way. The first two meet, then pairs of 320.
    assert main.arena_bytes == 512 + 320


def test_attached_files_of_others_are_listed(foreign: bytes) -> None:
    buffer = io.BytesIO()
    buffer.write(foreign)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("names.txt", "a\nb\n")
    assert audit_flatbuffer(buffer.getvalue()).attached == ("names.txt",)


def test_custom_ops_are_named_and_not_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(chain([64, 64], [([0], [1])], [0], [1]))
    found = audit(path)
    assert (found.not_builtin, found.flex_ops) == (("Nothing",), ())
    status, out, _ = command_of(capsys, path)
    assert status == 0
    assert "not builtin     Nothing" in out


def test_single_foreign_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(foreign_onnx())
    found = audit(path)
    (graph,) = found.signatures
    assert (graph.name, graph.macs, found.parameters) == ("graph", 5 * 6, 30)
    assert graph.inputs[0].shape == (-1, 6)
    assert (found.metadata, found.attached, found.not_builtin) == (False, (), ())
    assert found.runtimes == {"onnxruntime": "loads and runs"}


def test_onnx_product_with_a_vector(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(foreign_onnx())
    vector = onnx.numpy_helper.from_array(np.ones(6, np.float32), "w")
    model.graph.initializer[0].CopyFrom(vector)
    model.graph.output[0].type.tensor_type.shape.dim.pop()
    (tmp_path / "vector.onnx").write_bytes(model.SerializeToString())
    (graph,) = audit(tmp_path / "vector.onnx").signatures
    assert graph.macs == 6


def test_onnx_ops_of_another_domain_are_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(foreign_onnx("com.example"))
    found = audit(path)
    assert found.not_builtin == ("com.example.MatMul",)
    assert found.runtimes["onnxruntime"].startswith("refuses it: ")
