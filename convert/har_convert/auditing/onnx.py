"""The audit of ONNX files; see `har_convert.auditing.audit`."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from har_convert.auditing.findings import Audit, Op, Signature, Tensor
from har_edge.errors import MissingExtraError, ModelFileError
from har_edge.model.file import ONNX_SUFFIXES
from har_edge.paths import display_path

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

# The empty domain is ONNX's own; every runtime knows its ops.
BUILTIN_DOMAINS = ("", "ai.onnx")


def audit_onnx(path: Path) -> Audit:
    """Take an ONNX file apart, together with the other one of its pair, without running it.

    Raises:
        ModelFileError: if it cannot be read or is no ONNX model.
    """
    onnx = import_onnx()
    pair = pair_of(path)
    models = {}
    for name, part in pair.items():
        try:
            # Weights in other files are not needed to count them.
            models[name] = onnx.load(part, load_external_data=False)
            if not models[name].opset_import:
                raise ValueError("it names no opset")
        # protobuf's and onnx's errors share no base class.
        except Exception as error:
            raise ModelFileError(
                f"{display_path(part)} is not an ONNX model: {error}. Copy it again."
            ) from error
    foreign = {
        f"{node.domain}.{node.op_type}"
        for model in models.values()
        for node in model.graph.node
        if node.domain not in BUILTIN_DOMAINS
    }
    keys = {p.key for model in models.values() for p in model.metadata_props}
    opset = max(entry.version for model in models.values() for entry in model.opset_import)
    return Audit(
        path=display_path(next(iter(pair.values()))),
        size_bytes=sum(p.stat().st_size for p in pair.values()),
        parameters=sum(
            math.prod(t.dims) for model in models.values() for t in model.graph.initializer
        ),
        min_runtime=f"ONNX opset {opset}",
        not_builtin=tuple(sorted(foreign)),
        metadata=bool(keys),
        attached=tuple(sorted(keys)),
        signatures=tuple(_signature(onnx, model, name) for name, model in models.items()),
    )


def _signature(onnx: ModuleType, model: ModelProto, name: str) -> Signature:
    version = max(entry.version for entry in model.opset_import)
    count = Counter(node.op_type for node in model.graph.node)
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    return Signature(
        name=name,
        inputs=tuple(_tensor(onnx, i) for i in inputs),
        outputs=tuple(_tensor(onnx, o) for o in model.graph.output),
        ops=tuple(Op(kind, version, n, None) for kind, n in sorted(count.items())),
        macs=_macs(onnx, model),
        arena_bytes=None,
    )


def _tensor(onnx: ModuleType, value: ValueInfoProto) -> Tensor:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return Tensor(value.name, _shape(value), str(dtype))


def _shape(value: ValueInfoProto) -> tuple[int, ...]:
    """Shape of a value; unknown sizes are -1."""
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in dims)


def _macs(onnx: ModuleType, model: ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: _shape(v) for v in (*graph.value_info, *graph.input, *graph.output)}
    shapes |= {t.name: tuple(t.dims) for t in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        output, second = shapes.get(node.output[0]), shapes.get(node.input[1])
        if output is None or second is None:
            continue
        if node.op_type == "Conv":
            per_output = math.prod(second[1:])  # (out, in / groups, h, w)
        else:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            # (in, out) or (out, in); a vector has one dimension alone.
            per_output = second[-1] if transposed or len(second) == 1 else second[-2]
        total += abs(math.prod(output)) * per_output
    return total


def import_onnx() -> ModuleType:
    """Import onnx.

    Raises:
        MissingExtraError: if the convert extra is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("convert", "onnx") from error
    module: ModuleType = onnx
    return module


def pair_of(path: Path) -> dict[str, Path]:
    """Name the networks that belong to an ONNX file: both of a pair, or the one alone."""
    for suffix in ONNX_SUFFIXES:
        if path.name.endswith(suffix):
            base = path.name.removesuffix(suffix)
            names = {s.split(".")[1]: path.with_name(base + s) for s in ONNX_SUFFIXES}
            if all(p.is_file() for p in names.values()):
                return names
            if suffix == ONNX_SUFFIXES[1]:  # a model of poses has no other
                return {"classify": path}
    return {"graph": path}
