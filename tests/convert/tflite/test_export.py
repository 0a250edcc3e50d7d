"""What the flatbuffers take in and hold."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from har_convert.auditing.findings import Signature
from har_convert.auditing.tflite import audit_flatbuffer
from har_convert.tflite.flatbuffer import read_min_runtime
from har_convert.tflite.quantize import _is_of, halve
from har_edge.model.file import read_model_file
from har_edge.model.runtimes import load_backend

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]
VARIANTS = ("float32", "float16", "dynamic", "int8")


def network_of(converted: Converted, variant: str) -> bytes:
    return read_model_file(converted[0] / f"colours-{variant}.tflite").flatbuffer


def signatures_of(converted: Converted, variant: str) -> dict[str, Signature]:
    return {s.name: s for s in audit_flatbuffer(network_of(converted, variant)).signatures}


@pytest.mark.parametrize("variant", VARIANTS)
def test_inputs_of_the_files(variant: str, converted: Converted) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=network_of(converted, variant))
    frame = interpreter.get_signature_runner("encode").get_input_details()["frame"]
    assert frame["shape"].tolist() == [1, 32, 32, 3]
    if variant == "int8":
        assert frame["dtype"] is np.uint8
        assert frame["quantization"] == (1.0, 0)  # pixels as they are
    else:
        assert frame["dtype"] is np.float32
    assert interpreter.get_signature_list().keys() == {"encode", "classify"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_hold_builtin_ops_and_no_loop(variant: str, converted: Converted) -> None:
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator
    from tensorflow.lite.tools import flatbuffer_utils

    content = network_of(converted, variant)
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    ops = {max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes}
    assert ops > {BuiltinOperator.CONV_2D, BuiltinOperator.SOFTMAX}
    assert not ops & {BuiltinOperator.WHILE, BuiltinOperator.CUSTOM}
    assert (BuiltinOperator.QUANTIZE in ops) == (variant == "int8")
    assert (BuiltinOperator.DEQUANTIZE in ops) == (variant in ("int8", "float16"))


def weight_types(content: bytes) -> dict[str, list[int]]:
    """Types of the weights of each subgraph's convolutions and dense layers, in order."""
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator
    from tensorflow.lite.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    weighted = {
        BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D, BuiltinOperator.FULLY_CONNECTED
    }  # fmt: skip
    return {
        graph.name.decode(): [
            graph.tensors[op.inputs[1]].type
            for op in graph.operators
            if model.operatorCodes[op.opcodeIndex].builtinCode in weighted
        ]
        for graph in model.subgraphs
    }


def test_stem_stays_in_float_and_the_rest_does_not(converted: Converted) -> None:
    """The order of the layers is stem, project_0, and then four more convolutions."""
    from tensorflow.lite.python.schema_py_generated import TensorType

    types = weight_types(network_of(converted, "int8"))
    assert types["encode"] == [TensorType.FLOAT32] * 2 + [TensorType.INT8] * 4
    assert set(types["classify"]) == {TensorType.INT8}
    assert set(weight_types(network_of(converted, "float32"))["encode"]) == {TensorType.FLOAT32}


def test_names_of_ops_and_layers() -> None:
    op = "har/backbone_1/expand_1/convolution;har/backbone_1/expand_bn_1/batchnorm/add"
    assert _is_of(op, ["expand"])
    assert _is_of(op, ["other", "expand_bn"])
    assert not _is_of(op, ["pand", "exp", "backbone_1/exp"])
    assert not _is_of(op, [])
    assert _is_of("x/expand", ["expand"])


def test_oldest_runtime_is_recorded(converted: Converted) -> None:
    file = read_model_file(converted[0] / "colours-float32.tflite")
    version = read_min_runtime(file.flatbuffer)
    assert [part.isdigit() for part in version.split(".")] == [True, True, True]
    assert file.spec.min_runtime == f"TensorFlow Lite {version}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_dense_layers_keep_to_a_version_that_old_runtimes_know(
    variant: str, converted: Converted
) -> None:
    """tflite-runtime 2.14 knows FULLY_CONNECTED up to version 11."""
    ops = {op.name: op for op in signatures_of(converted, variant)["classify"].ops}
    assert ops["FULLY_CONNECTED"].version <= 11


def test_half_precision_is_stored_and_widened(converted: Converted) -> None:
    """Weights of products are float16, all that computes is float32, `keep` is left alone."""
    from ai_edge_litert import schema_py_generated as schema

    wide = read_model_file(converted[0] / "colours-float32.tflite").flatbuffer
    all_halved, stem_kept = halve(wide), halve(wide, keep=["stem"])
    assert len(all_halved) < len(wide)
    assert read_min_runtime(all_halved) == "1.15.0"

    def halved_tensors(content: bytes) -> list[str]:
        model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
        half = schema.TensorType.FLOAT16
        return [t.name.decode() for g in model.subgraphs for t in g.tensors if t.type == half]

    assert len(halved_tensors(all_halved)) == len(halved_tensors(stem_kept)) + 1
    frame = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    exact, close = (load_backend(c).encode(frame) for c in (wide, all_halved))
    assert 0 < np.abs(exact - close).max() < 0.01 * np.abs(exact).max()
