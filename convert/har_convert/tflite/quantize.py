"""A SavedModel to a TFLite flatbuffer in one of the numeric forms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_convert.recipe import Recipe
from har_convert.tflite.compat import calibrate, leave_dense_layers_per_tensor, round_network
from har_convert.tflite.export import SIGNATURE_KEYS
from har_convert.tflite.flatbuffer import pack_model, parse_model, read_min_runtime

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema

# The first runtime that widens float16. Source: TensorFlow, runtime_version.cc
HALF_RUNTIME = "1.15.0"

# Pairs of a signature and its inputs, batch 1.
Calibration = Iterator[tuple[str, dict[str, NDArray[np.float32]]]]


def quantize(
    saved_model: str,
    recipe: Recipe,
    calibration: Callable[[], Calibration],
    stem: Collection[str] = (),
    *,
    signature_keys: Sequence[str] = SIGNATURE_KEYS,
) -> bytes:
    """Turn a SavedModel into a flatbuffer. The quantizer is replaced here.

    Args:
        saved_model: Folder with the signatures.
        recipe: What to make of it.
        calibration: Gives the representative dataset.
        stem: Layers of the encoder that int8 leaves in float, and float16 in float32.
        signature_keys: `encode` and `classify`, `classify` alone, or one that holds both.
    """
    content = _convert(saved_model, recipe, calibration, stem, signature_keys)
    if list(signature_keys) == ["classify"]:
        content = _name_graph(content, "classify")
    return take_floats(content) if recipe.variant == "int8" else content


def _name_graph(content: bytes, name: str) -> bytes:
    """Name the one graph of a file after its signature, as the converter does with several."""
    model = parse_model(content)
    model.subgraphs[0].name = name.encode()
    return pack_model(model)


def _convert(
    saved_model: str,
    recipe: Recipe,
    calibration: Callable[[], Calibration],
    stem: Collection[str],
    signature_keys: Sequence[str],
) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=list(signature_keys)
    )
    if recipe.variant == "float32":
        return bytes(converter.convert())
    if recipe.variant == "float16":
        return halve(bytes(converter.convert()), keep=stem)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.variant == "dynamic":
        # Per channel, dense layers need an op version that tflite-runtime 2.14 does not know.
        leave_dense_layers_per_tensor(converter)
        return bytes(converter.convert())
    converter.representative_dataset = calibration
    if recipe.variant == "int16":
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide, tf.lite.OpsSet.TFLITE_BUILTINS]
        return bytes(converter.convert())
    # The converter's public switches know no exceptions by layer; its two halves do.
    calibrated = calibrate(converter)
    return round_network(calibrated, keep_float=_float_ops(calibrated, recipe, stem))


def take_floats(content: bytes) -> bytes:
    """Have `classify` of an int8 file take features as `encode` gives them, in float32.

    The converter gives all signatures bytes as inputs, which suits pixels. A plain interpreter
    could not feed one signature with the other's answer. The op behind the input that turns such
    bytes into int8 takes float32 as well.

    Args:
        content: Flatbuffer; one whose `classify` takes float32 already stays as it is.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = parse_model(content)
    for graph in model.subgraphs:
        if graph.name != b"classify":
            continue
        for index in graph.inputs:
            given = graph.tensors[index]
            readers = [op for op in graph.operators if index in op.inputs]
            kinds = {model.operatorCodes[op.opcodeIndex].builtinCode for op in readers}
            if given.type == schema.TensorType.UINT8 and kinds == {schema.BuiltinOperator.QUANTIZE}:
                given.type, given.quantization = schema.TensorType.FLOAT32, None
    return pack_model(model)


def halve(content: bytes, *, keep: Collection[str] = ()) -> bytes:
    """Store the weights of a float32 file in half precision; runtimes widen them at load.

    The converter's own float16 halves biases too, a few per cent of the bytes and much of the
    error.

    Args:
        content: Flatbuffer.
        keep: Layers whose weights stay in float32.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = parse_model(content)
    widen = schema.OperatorCodeT()
    widen.builtinCode = widen.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    widen.version = 3  # the first that takes float16
    model.operatorCodes.append(widen)
    operators = schema.BuiltinOperator
    products = (operators.CONV_2D, operators.DEPTHWISE_CONV_2D, operators.FULLY_CONNECTED)
    for graph in model.subgraphs:
        chosen = {
            int(op.inputs[1])
            for op in graph.operators
            if model.operatorCodes[op.opcodeIndex].builtinCode in products
            and not _is_of(graph.tensors[op.outputs[0]].name.decode(), keep)
        }
        widening = [_store_half(model, graph, i) for i in sorted(chosen)]
        graph.operators = [op for op in widening if op is not None] + graph.operators
    for entry in model.metadata or ():
        if entry.name == b"min_runtime_version":
            oldest = max(read_min_runtime(content), HALF_RUNTIME, key=_version)
            padded = oldest.encode().ljust(16, b"\0")
            model.buffers[entry.buffer].data = np.frombuffer(padded, np.uint8)
    return pack_model(model)


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]


def _store_half(
    model: schema.ModelT, graph: schema.SubGraphT, index: int
) -> schema.OperatorT | None:
    """Move a constant to float16, with the op that widens it again; None if it is no constant."""
    from ai_edge_litert import schema_py_generated as schema

    wide = graph.tensors[index]
    data = model.buffers[wide.buffer].data
    if data is None or wide.type != schema.TensorType.FLOAT32:
        return None
    half, buffer, op = schema.TensorT(), schema.BufferT(), schema.OperatorT()
    values = np.frombuffer(bytes(data), np.float32).astype(np.float16)
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    half.name, half.shape, half.type = wide.name + b"_half", wide.shape, schema.TensorType.FLOAT16
    half.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.buffers[wide.buffer].data = None
    wide.buffer = 0  # by convention the empty one
    op.opcodeIndex = len(model.operatorCodes) - 1
    op.inputs, op.outputs = [len(graph.tensors)], [index]
    graph.tensors.append(half)
    return op


def _float_ops(content: bytes, recipe: Recipe, stem: Collection[str]) -> list[str]:
    """Names of the ops that stay in float."""
    model = parse_model(content)
    names = {
        graph.name: [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
        for graph in model.subgraphs
    }
    encode = names[b"encode"] if b"encode" in names else names[b"main"]
    # An op that swallowed several layers is named after all of them.
    last = max((i for i, name in enumerate(encode) if _is_of(name, stem)), default=-1)
    chosen = encode[: last + 1] + [n for n in encode[last + 1 :] if _is_of(n, recipe.float_layers)]
    return chosen + (names[b"classify"] if recipe.float_classify else [])


def _is_of(op: str, layers: Collection[str]) -> bool:
    """Whether one of some layers became part of an op."""
    return any(f"/{layer}_" in f"{op}_" for layer in layers)
