"""What an audit finds in a model file, whatever its format."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from har_edge.errors import GateError
from har_edge.table import text_table
from har_edge.visible import visible


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

    def as_dict(self) -> dict[str, object]:
        """All of it in plain types, as `har-convert audit --output-format json` prints it."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: bytes) -> Audit:
        """Take back what `as_dict` gave, written as JSON."""
        raw = json.loads(text)
        signatures = []
        for part in raw["signatures"]:
            sides = {
                side: tuple(Tensor(**{**t, "shape": tuple(t["shape"])}) for t in part[side])
                for side in ("inputs", "outputs")
            }
            ops = tuple(Op(**op) for op in part["ops"])
            signatures.append(Signature(**{**part, **sides, "ops": ops}))
        names = {key: tuple(raw[key]) for key in ("not_builtin", "attached")}
        return cls(**{**raw, **names, "signatures": tuple(signatures)})

    def __str__(self) -> str:
        return format_audit(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


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


def format_audit(found: Audit) -> str:
    """Lay an audit out for people."""
    metadata = "yes" if found.metadata else "none"
    facts = [
        ("parameters", f"{found.parameters:,}"),
        ("oldest runtime", found.min_runtime or "not recorded"),
        ("not builtin", ", ".join(found.not_builtin) or "nothing"),
        ("metadata", f"{metadata}; attached: {', '.join(found.attached) or 'nothing'}"),
        *found.runtimes.items(),
    ]
    lines = [f"{found.path}  {found.size_bytes / 1e6:.2f} MB", text_table(facts, align="ll")]
    for signature in found.signatures:
        lines += ["", *_signature_lines(signature)]
    return visible("\n".join(lines), lines=True)


def _signature_lines(signature: Signature) -> list[str]:
    arena = signature.arena_bytes
    memory = "unknown" if arena is None else f"{arena / 1e6:.2f} MB"
    macs = f"{signature.macs / 1e6:,.1f} M multiply-accumulates"
    lines = [f"{signature.name}: {macs}, activations {memory}"]
    lines += [f"  in   {_show_tensor(tensor)}" for tensor in signature.inputs]
    lines += [f"  out  {_show_tensor(tensor)}" for tensor in signature.outputs]
    rows = [
        (op.name, op.version, op.count, "-" if op.delegated is None else op.delegated)
        for op in signature.ops
    ]
    lines.append(text_table(rows, ("op", "version", "count", "XNNPACK"), indent=2))
    return lines


def _show_tensor(tensor: Tensor) -> str:
    shape = " x ".join(map(str, tensor.shape))
    scale = f", {tensor.scale:.4g} * (q - {tensor.zero_point})" if tensor.scale else ""
    return f"{tensor.name}  {shape}  {tensor.dtype}{scale}"
