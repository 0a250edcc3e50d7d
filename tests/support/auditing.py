"""Model files made by hand, op by op, and what an audit tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_convert.auditing.findings import Audit, Op, Signature
from har_convert.commands import audit as audit_command
from har_convert.tflite.flatbuffer import pack_model
from har_edge.commands.harness import run_command

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")


def tensor(shape: list[int], buffer: int = 0, kind: int = 0, name: str = "t") -> Any:
    made = schema.TensorT()
    made.shape, made.buffer, made.type, made.name = shape, buffer, kind, name
    made.quantization = schema.QuantizationParametersT()
    return made


def operator(index: int, inputs: list[int], outputs: list[int], options: Any = None) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = index, inputs, outputs
    if options is not None:
        made.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    return made


def code(name: str) -> Any:
    made = schema.OperatorCodeT()
    custom = not hasattr(schema.BuiltinOperator, name)
    made.builtinCode = (
        schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
    )
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)
    made.customCode, made.version = name if custom else None, 1
    return made


def model_of(
    codes: list[str],
    tensors: list[Any],
    operators: list[Any],
    inputs: list[int],
    outputs: list[int],
    constants: list[np.ndarray[Any, Any]],
) -> bytes:
    """A model of one subgraph and without signatures, as older tools write it."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    graph.tensors, graph.operators = tensors, operators
    graph.inputs, graph.outputs, graph.name = inputs, outputs, "main"
    model.version, model.subgraphs = 3, [graph]
    model.operatorCodes = [code(name) for name in codes]
    model.buffers = [schema.BufferT()]
    for constant in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
        model.buffers.append(buffer)
    return pack_model(model)


def foreign_model() -> bytes:
    """Convolution, depthwise convolution, reshape and dense layer, by hand."""
    random = np.random.default_rng(0)
    shapes: list[list[int]] = [[5, 3, 3, 2], [5], [1, 3, 3, 5], [5], [4, 80], [4]]
    constants = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    constants.append(np.array([1, 80], np.int32))
    tensors = [
        tensor([1, 8, 8, 2], name="picture"),
        *(tensor(shape, i) for i, shape in enumerate(shapes, start=1)),
        tensor([2], 7, schema.TensorType.INT32),
        tensor([1, 4, 4, 5]),
        tensor([1, 4, 4, 5]),
        tensor([1, 80]),
        tensor([1, 4], name="answer"),
    ]
    convolution, depthwise = schema.Conv2DOptionsT(), schema.DepthwiseConv2DOptionsT()
    convolution.strideW = convolution.strideH = 2
    depthwise.strideW = depthwise.strideH = depthwise.depthMultiplier = 1
    operators = [
        operator(0, [0, 1, 2], [8], convolution),
        operator(1, [8, 3, 4], [9], depthwise),
        operator(2, [9, 7], [10], schema.ReshapeOptionsT()),
        operator(3, [10, 5, 6], [11], schema.FullyConnectedOptionsT()),
    ]
    codes = ["CONV_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    return model_of(codes, tensors, operators, [0], [11], constants)


def chain(sizes: list[int], links: list[tuple[list[int], list[int]]], inputs: list[int],
          outputs: list[int]) -> bytes:  # fmt: skip
    """A graph of made-up ops on tensors of so many bytes."""
    tensors = [tensor([size], 0, schema.TensorType.UINT8) for size in sizes]
    operators = [operator(0, given, made) for given, made in links]
    return model_of(["Nothing"], tensors, operators, inputs, outputs, [])


def foreign_onnx(domain: str = "") -> bytes:
    """One matrix product with open batch, y = x w."""
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.ones((6, 5), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)],
        "anything",
        [helper.make_tensor_value_info("x", floats, ["batch", 6])],
        [helper.make_tensor_value_info("y", floats, ["batch", 5])],
        [weights],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def ops_of(signature: Signature) -> dict[str, Op]:
    return {op.name: op for op in signature.ops}


def signatures_of(found: Audit) -> dict[str, Signature]:
    return {signature.name: signature for signature in found.signatures}


def command_of(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> tuple[Any, str, str]:
    """Run `har-convert audit`: exit code and what it printed."""
    with pytest.raises(SystemExit) as stopped:
        run_command(audit_command, [str(a) for a in arguments])
    captured = capsys.readouterr()
    return stopped.value.code or 0, captured.out, captured.err
