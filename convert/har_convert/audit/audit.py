"""What is inside a model file: ops, who runs them, parameters, arithmetic, memory, runtimes.

Works on any `.tflite` or `.onnx` file, ours or not. Nothing of TensorFlow is needed: LiteRT
brings the schema.
"""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from har_convert.tflite.metadata import METADATA_NAME, pack_model
from har_edge.errors import GateError, MissingExtraError, ModelFileError
from har_edge.model.file import FLATBUFFER_ID, ONNX_SUFFIXES
from har_edge.model.native_log import native_log_muted
from har_edge.model.runtimes import ONNX_RUNTIME, TFLITE_RUNTIMES, available_backends
from har_edge.paths import display_path

# Ops that run other subgraphs; a file with them cannot be taken apart by subgraph.
CONTROL_FLOW = ("WHILE", "IF", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE")
ARENA_ALIGNMENT = 64  # bytes. Source: TFLite, kDefaultTensorAlignment
DELEGATE = "DELEGATE"
LOAD_TIMEOUT_S = 120


@dataclass(frozen=True)
class Tensor:
    """An input or output: name, shape, element type, and `scale * (stored - zero_point)`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Op:
    """A kind of op: how often it stands in the graph, how many of them XNNPACK runs."""

    name: str
    version: int
    count: int
    delegated: int | None


@dataclass(frozen=True)
class Signature:
    """One entry point of a model.

    Attributes:
        name: Of the signature, else of the subgraph.
        inputs, outputs: Their tensors.
        ops: By kind.
        macs: Multiply-accumulates of one call in convolutions and matrix products.
        arena_bytes: Memory for the activations as TFLite's planner lays them out, without a
            delegate; None where a shape is unknown and for ONNX.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    macs: int
    arena_bytes: int | None


@dataclass(frozen=True)
class Audit:
    """What was found in a model file.

    Attributes:
        path: The file.
        size_bytes: Size on disk; of an ONNX pair that of both files.
        parameters: Constant numbers that ops compute with.
        min_runtime: Oldest TensorFlow runtime that knows all ops, as the converter recorded it.
        not_builtin: Ops that a plain runtime does not know; Flex ops among them.
        metadata: Whether tools find a TFLite metadata table (or ONNX `metadata_props`).
        attached: Names of the files zipped onto the end (or keys of `metadata_props`).
        signatures: The entry points.
        runtimes: Installed runtime -> `loads and runs`, or why not.
    """

    path: str
    size_bytes: int
    parameters: int
    min_runtime: str
    not_builtin: tuple[str, ...]
    metadata: bool
    attached: tuple[str, ...]
    signatures: tuple[Signature, ...]
    runtimes: Mapping[str, str] = field(default_factory=dict)

    @property
    def flex_ops(self) -> tuple[str, ...]:
        """Ops of full TensorFlow, which no runtime on a small machine carries."""
        return tuple(op for op in self.not_builtin if op.startswith("Flex"))


def audit(path: str | os.PathLike[str]) -> Audit:
    """Take a model file apart and try it in each runtime that is installed.

    Raises:
        ModelFileError: if it cannot be read or is no model.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        from har_convert.audit.onnx import audit_onnx

        return audit_onnx(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{display_path(path)} cannot be read: {error.strerror}.") from error
    found = audit_flatbuffer(content, display_path(path))
    answers = {name: try_runtime(name, [path]) for name in runtimes_for(path)}
    return Audit(**{**vars(found), "runtimes": answers})


def audit_flatbuffer(content: bytes, shown: str = "") -> Audit:
    """Take a TFLite flatbuffer apart, without running it in other runtimes.

    Raises:
        ModelFileError: if it is no TFLite model, or a damaged one.
    """
    try:
        return _take_apart(_parse(content, shown), content, shown)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        # Numbers in it lead nowhere.
        raise ModelFileError(f"{shown} is damaged: {error}. Copy it again.") from error


def _take_apart(model: Any, content: bytes, shown: str) -> Audit:
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


def refuse_flex(found: Audit) -> None:
    """Refuse a file with Flex ops.

    Raises:
        GateError: if it holds any.
    """
    if found.flex_ops:
        raise GateError(
            f"{found.path} holds ops of full TensorFlow: {', '.join(found.flex_ops)}. No LiteRT or "
            "tflite-runtime package runs them. Convert with builtin ops alone: unroll recurrent "
            "layers, fix the batch to 1."
        )


def read_min_runtime(content: bytes) -> str:
    """Read the oldest TensorFlow runtime that knows all ops, as the converter recorded it."""
    model = _parse(content, "")
    for entry in model.metadata or ():
        if bytes(entry.name) == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode("ascii")
    return ""


def _parse(content: bytes, shown: str) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != FLATBUFFER_ID:
        raise ModelFileError(
            f"{shown} is not a TFLite model. Expected a .tflite or .onnx file, received "
            f"{len(content)} bytes that start with {content[:8]!r}."
        )
    try:
        return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    except Exception as error:  # of a damaged file the generated reader raises anything
        raise ModelFileError(f"{shown} is damaged: {error!r}. Copy it again.") from error


def _op_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {v: k for k, v in vars(BuiltinOperator).items() if isinstance(v, int)}


def _op_name(code: Any, names: Mapping[int, str]) -> str:
    if code.customCode:
        return _text(code.customCode)
    # Files of before schema 3a keep small numbers in the older field.
    return names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _signature(
    model: Any, graph: Any, label: str, kinds: Sequence[str], delegated: set[int] | None
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


def _tensor(tensor: Any) -> Tensor:
    scales: Any = getattr(tensor.quantization, "scale", None)
    one = scales is not None and len(scales) == 1
    return Tensor(
        name=_text(tensor.name),
        shape=_shape(tensor),
        dtype=_dtype(tensor.type),
        scale=float(scales[0]) if one else 0.0,
        zero_point=int(tensor.quantization.zeroPoint[0]) if one else 0,
    )


def _shape(tensor: Any) -> tuple[int, ...]:
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


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _parameters(model: Any) -> int:
    """Elements of all constants of a floating or quantized type; shared buffers count once."""
    sizes: dict[int, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            scales = getattr(tensor.quantization, "scale", None)
            numeric = _dtype(tensor.type).startswith("float") or scales is not None
            if numeric and _is_constant(model, tensor):
                sizes[tensor.buffer] = math.prod(_shape(tensor))
    return sum(sizes.values())


def _macs(graph: Any, op: Any, kind: str) -> int:
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


def _arena(model: Any, graph: Any) -> int | None:
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


def _delegated(model: Any, index: int) -> set[int] | None:
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
        nodes = interpreter._get_ops_details()
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


def try_runtime(name: str, paths: Sequence[Path]) -> str:
    """Load and run a file in a process of its own: a runtime may crash on a foreign file."""
    command = [sys.executable, "-m", "har_convert.audit.try_runtime", name, *map(str, paths)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LOAD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"hangs (no answer in {LOAD_TIMEOUT_S} s)"
    if result.returncode < 0:
        return f"crashes (signal {-result.returncode})"
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return "loads and runs" if result.returncode == 0 else f"refuses it: {lines[-1]}"


def import_onnx() -> Any:
    """Import onnx.

    Raises:
        MissingExtraError: if the convert extra is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("convert", "onnx") from error
    return onnx


def pair_of(path: Path) -> dict[str, Path]:
    """Name the networks that belong to an ONNX file: both of a pair, or the one alone."""
    for suffix in ONNX_SUFFIXES:
        if path.name.endswith(suffix):
            base = path.name.removesuffix(suffix)
            names = {s.split(".")[1]: path.with_name(base + s) for s in ONNX_SUFFIXES}
            if all(p.is_file() for p in names.values()):
                return names
    return {"graph": path}


def runtimes_for(path: Path) -> list[str]:
    """The installed runtimes that run a file's format, preferred first."""
    fitting = (ONNX_RUNTIME,) if path.suffix == ".onnx" else tuple(TFLITE_RUNTIMES)
    return [name for name in available_backends() if name in fitting]
