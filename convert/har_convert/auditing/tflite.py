"""What is inside a `.tflite` file: ops, who runs them, parameters, arithmetic, memory.

Works on any file, ours or not. Nothing of TensorFlow is needed: LiteRT brings the schema.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from har_convert.auditing.findings import Audit, Op, Signature, Tensor
from har_convert.tflite.flatbuffer import pack_model, parse_model, read_min_runtime
from har_convert.tflite.metadata import METADATA_NAME
from har_edge.compat.litert import ops_of
from har_edge.errors import ModelFileError
from har_edge.model.native_log import native_log_muted

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema

# Ops that run other subgraphs; a file with them cannot be taken apart by subgraph.
CONTROL_FLOW = ("WHILE", "IF", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE")
ARENA_ALIGNMENT = 64  # bytes. Source: TFLite, kDefaultTensorAlignment
DELEGATE = "DELEGATE"


def audit_flatbuffer(content: bytes, shown: str = "") -> Audit:
    """Take a TFLite flatbuffer apart, without running it in other runtimes.

    Raises:
        ModelFileError: if it is no TFLite model, or a damaged one.
    """
    try:
        return _take_apart(parse_model(content, shown), content, shown)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        # Numbers in it lead nowhere.
        raise ModelFileError(f"{shown} is damaged: {error}. Copy it again.") from error


def _take_apart(model: schema.ModelT, content: bytes, shown: str) -> Audit:
    names = _op_names()
    kinds = [_op_name(code, names) for code in model.operatorCodes]
    signatures = {d.subgraphIndex: _text(d.signatureKey) for d in model.signatureDefs or ()}
    separable = not any(kind in CONTROL_FLOW for kind in kinds)
    parts = []
    for i, graph in enumerate(model.subgraphs):
        if signatures and i not in signatures:
            continue  # the body of a loop or a branch
        delegated = _delegated(model, i) if separable or i == 0 else None
        label = signatures.get(i) or _text(graph.name) or f"subgraph {i}"
        parts.append(_signature(model, graph, label, kinds, delegated))
    custom = {k for k, c in zip(kinds, model.operatorCodes, strict=True) if c.customCode}
    entries = {bytes(e.name): e.buffer for e in model.metadata or ()}
    return Audit(
        path=shown,
        size_bytes=len(content),
        parameters=_parameters(model),
        min_runtime=read_min_runtime(content),
        not_builtin=tuple(sorted(custom)),
        metadata=METADATA_NAME in entries,
        attached=_attached(content),
        signatures=tuple(parts),
    )


def _op_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {v: k for k, v in vars(BuiltinOperator).items() if isinstance(v, int)}


def _op_name(code: schema.OperatorCodeT, names: Mapping[int, str]) -> str:
    if code.customCode:
        return _text(code.customCode)
    # Files of before schema 3a keep small numbers in the older field.
    return names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN")


def _text(value: bytes | str | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _signature(
    model: schema.ModelT,
    graph: schema.SubGraphT,
    label: str,
    kinds: Sequence[str],
    delegated: set[int] | None,
) -> Signature:
    count: Counter[tuple[str, int]] = Counter()
    taken: Counter[tuple[str, int]] = Counter()
    for i, op in enumerate(graph.operators or ()):
        key = kinds[op.opcodeIndex], int(model.operatorCodes[op.opcodeIndex].version)
        count[key] += 1
        taken[key] += i in (delegated or ())
    ops = (
        Op(*key, number, None if delegated is None else taken[key])
        for key, number in sorted(count.items())
    )
    return Signature(
        name=label,
        inputs=tuple(_tensor(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(_tensor(graph.tensors[i]) for i in graph.outputs),
        ops=tuple(ops),
        macs=sum(_macs(graph, op, kinds[op.opcodeIndex]) for op in graph.operators or ()),
        arena_bytes=_arena(model, graph),
    )


def _tensor(tensor: schema.TensorT) -> Tensor:
    found = tensor.quantization
    one = found is not None and found.scale is not None and len(found.scale) == 1
    return Tensor(
        name=_text(tensor.name),
        shape=_shape(tensor),
        dtype=_dtype(tensor.type),
        scale=float(found.scale[0]) if one else 0.0,
        zero_point=int(found.zeroPoint[0]) if one else 0,
    )


def _shape(tensor: schema.TensorT) -> tuple[int, ...]:
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        return tuple(map(int, tensor.shapeSignature))
    return tuple(map(int, tensor.shape)) if tensor.shape is not None else ()


def _dtype(number: int) -> str:
    from ai_edge_litert.schema_py_generated import TensorType

    return next((k.lower() for k, v in vars(TensorType).items() if v == number), str(number))


def _item_bytes(dtype: str) -> float:
    if dtype == "int4":
        return 0.5
    return np.dtype(dtype).itemsize if dtype in np.sctypeDict else 0


def _is_constant(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _parameters(model: schema.ModelT) -> int:
    """Elements of all constants of a floating or quantized type; shared buffers count once."""
    sizes: dict[int, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            scales = getattr(tensor.quantization, "scale", None)
            numeric = _dtype(tensor.type).startswith("float") or scales is not None
            if numeric and _is_constant(model, tensor):
                sizes[tensor.buffer] = math.prod(_shape(tensor))
    return sum(sizes.values())


def _macs(graph: schema.SubGraphT, op: schema.OperatorT, kind: str) -> int:
    """Multiply-accumulates of one op."""
    if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"):
        return 0
    output = math.prod(_shape(graph.tensors[op.outputs[0]]))
    second = _shape(graph.tensors[op.inputs[1]])
    per_output = {
        "CONV_2D": math.prod(second[1:]),  # (out, h, w, in)
        "DEPTHWISE_CONV_2D": math.prod(second[1:3]),  # (1, h, w, out)
        "FULLY_CONNECTED": second[-1],  # (out, in)
        "BATCH_MATMUL": _shape(graph.tensors[op.inputs[0]])[-1],
    }
    return abs(output) * per_output[kind]


def _arena(model: schema.ModelT, graph: schema.SubGraphT) -> int | None:
    """Bytes for activations, placed by size, largest first, in the first gap that is free.

    Source: TFLite, arena_planner.cc and simple_memory_arena.cc.
    """
    ops = list(graph.operators or ())
    last = len(ops)
    life = {int(i): [0, 0] for i in graph.inputs}
    for step, op in enumerate(ops):
        for i in op.inputs:
            if i >= 0 and int(i) in life:
                life[int(i)][1] = step
        for i in op.outputs:
            life[int(i)] = [step, step]
    for i in graph.outputs:
        if int(i) in life:
            life[int(i)][1] = last
    sizes = {}
    for i in life:
        tensor = graph.tensors[i]
        shape = _shape(tensor)
        if any(n < 0 for n in shape):
            return None
        exact = math.prod(shape) * _item_bytes(_dtype(tensor.type))
        sizes[i] = math.ceil(exact / ARENA_ALIGNMENT) * ARENA_ALIGNMENT
    placed: list[tuple[int, int, int]] = []  # offset, size, tensor
    for i in sorted(sizes, key=lambda i: (-sizes[i], life[i][0])):
        start = 0
        for offset, size, other in sorted(placed):
            meet = life[i][0] <= life[other][1] and life[other][0] <= life[i][1]
            if meet and start + sizes[i] > offset:
                start = max(start, offset + size)
        placed.append((start, sizes[i], i))
    return max((offset + size for offset, size, _ in placed), default=0)


def _delegated(model: schema.ModelT, index: int) -> set[int] | None:
    """Numbers of the ops of one subgraph that XNNPACK takes over in LiteRT; None if unknown."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    alone = schema.ModelT()
    alone.__dict__.update(model.__dict__)
    if index or len(model.subgraphs) > 1:
        alone.subgraphs, alone.signatureDefs = [model.subgraphs[index]], []
    try:
        with native_log_muted():
            interpreter = Interpreter(model_content=pack_model(alone), num_threads=1)
            interpreter.allocate_tensors()
        nodes = ops_of(interpreter)
    except (RuntimeError, ValueError, AttributeError):
        return None
    # A delegate's node names what goes in and comes out; what lies between is its own.
    producer = {int(t): n["index"] for n in nodes if n["op_name"] != DELEGATE for t in n["outputs"]}
    sources = {n["index"]: [int(t) for t in n["inputs"] if t >= 0] for n in nodes}
    taken: set[int] = set()
    for node in (n for n in nodes if n["op_name"] == DELEGATE):
        given = {int(t) for t in node["inputs"]}
        todo = [int(t) for t in node["outputs"]]
        while todo:
            tensor = todo.pop()
            op = producer.get(tensor)
            if tensor not in given and op is not None and op not in taken:
                taken.add(op)
                todo += sources[op]
    return taken


def _attached(content: bytes) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(archive.namelist())
    except zipfile.BadZipFile:
        return ()
