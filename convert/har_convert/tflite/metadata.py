"""TFLite metadata: what other tools look for in a model file, written into the flatbuffer.

MediaPipe and TFLite's own tools read a table `TFLITE_METADATA` from a model: names, labels, colour
space, normalisation. Their writers do not install everywhere; the table is small, so it is built
here with the flatbuffers package alone.

Source: metadata_schema.fbs of TFLite Support (file identifier M001); the numbers below are its
fields in order of declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from har_convert.tflite.flatbuffer import pack_model
from har_edge.model.file import LABELS_NAME, SPEC_NAME
from har_edge.model.spec import ModelSpec

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

METADATA_NAME = b"TFLITE_METADATA"
IDENTIFIER = b"M001"
MIN_PARSER_VERSION = "1.0.0"
# Unions and enumerations of the schema.
IMAGE_PROPERTIES, FEATURE_PROPERTIES, NORMALIZATION = 2, 1, 1
RGB, AXIS_LABELS, DESCRIPTIONS = 1, 2, 1

# Adds one field to the table under construction; made before the table is started.
Field = Callable[["Builder"], None]


def attach_metadata(flatbuffer: bytes, spec: ModelSpec) -> bytes:
    """Write the metadata table into a TFLite flatbuffer; equal input gives equal bytes.

    Args:
        flatbuffer: The network: graphs `encode` and `classify`, or `main` that is both in one.
        spec: What the table is made from.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(flatbuffer), 0)
    model.metadata = model.metadata or []
    entry = next((e for e in model.metadata if e.name == METADATA_NAME), None)
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
        model.metadata.append(entry)
        model.buffers.append(schema.BufferT())
    names = [_name(graph) for graph in model.subgraphs]
    model.buffers[entry.buffer].data = list(build_metadata(spec, names))
    return pack_model(model)


def _name(graph: schema.SubGraphT) -> str:
    return graph.name.decode() if isinstance(graph.name, bytes) else str(graph.name or "")


def build_metadata(spec: ModelSpec, graphs: Sequence[str]) -> bytes:
    """Build the metadata table.

    Args:
        spec: Gives names, labels, size and licence.
        graphs: Names of the subgraphs in order; `encode`, `classify` and `main` are described.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    described = {"encode": _encode, "classify": _classify, "main": _main}
    tables = [
        described[g](builder, spec) if g in described else _table(builder, [_text(builder, 0, g)])
        for g in graphs
    ]
    spec_file = _file(builder, SPEC_NAME, "What the model expects.", DESCRIPTIONS)
    root = _table(
        builder,
        [
            _text(builder, 0, spec.name),
            _text(builder, 1, spec.description),
            _text(builder, 2, str(spec.schema_version)),
            _tables(builder, 3, tables),
            _text(builder, 5, spec.license),
            _tables(builder, 6, [spec_file]),
            _text(builder, 7, MIN_PARSER_VERSION),
        ],
    )
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())


def _encode(builder: Builder, spec: ModelSpec) -> int:
    """Frame to features."""
    frame = _frame(builder, spec)
    features = _feature(builder, "features", f"{spec.feature_size} features of the frame.")
    return _subgraph(builder, "encode", frame, features)


def _classify(builder: Builder, spec: ModelSpec) -> int:
    """Features to probabilities."""
    what = "Features" if spec.encodes else f"Rows of {' and '.join(spec.head_inputs)}"
    text = f"{what} of {spec.clip.num_frames} frames in order of time."
    features = _feature(builder, "features", text)
    return _subgraph(builder, "classify", features, _probabilities(builder))


def _main(builder: Builder, spec: ModelSpec) -> int:
    """Frame to probabilities, of a still-image model in one graph."""
    return _subgraph(builder, "main", _frame(builder, spec), _probabilities(builder))


def _frame(builder: Builder, spec: ModelSpec) -> int:
    """An RGB image of 0..255, which the network scales by itself."""
    clip = spec.clip
    size = _table(builder, [_number(0, clip.width), _number(1, clip.height)])
    image = _table(builder, [_byte(0, RGB), _offset(1, size)])
    content = _table(builder, [_byte(0, IMAGE_PROPERTIES), _offset(1, image)])
    unchanged = _table(builder, [_floats(builder, 0, [0.0]), _floats(builder, 1, [1.0])])
    unit = _table(builder, [_byte(0, NORMALIZATION), _offset(1, unchanged)])
    stats = _table(builder, [_floats(builder, 0, [255.0]), _floats(builder, 1, [0.0])])
    text = (
        f"One RGB frame of {clip.width} x {clip.height} pixels, 0..255, resize rule "
        f"'{clip.resize}'. Frames are sampled at {clip.frame_rate_hz:g} Hz."
    )
    return _table(
        builder,
        [
            _text(builder, 0, "frame"),
            _text(builder, 1, text),
            _offset(3, content),
            _tables(builder, 4, [unit]),
            _offset(5, stats),
        ],
    )


def _probabilities(builder: Builder) -> int:
    """One number a label, with the labels."""
    labels = _file(builder, LABELS_NAME, "The actions, one a line.", AXIS_LABELS)
    stats = _table(builder, [_floats(builder, 0, [1.0]), _floats(builder, 1, [0.0])])
    return _feature(
        builder,
        "probabilities",
        "Probability of each action.",
        _offset(5, stats),
        _tables(builder, 6, [labels]),
    )


def _subgraph(builder: Builder, name: str, source: int, target: int) -> int:
    fields = [
        _text(builder, 0, name),
        _tables(builder, 2, [source]),
        _tables(builder, 3, [target]),
    ]
    return _table(builder, fields)


def _feature(builder: Builder, name: str, description: str, *more: Field) -> int:
    properties = _table(builder, [])
    content = _table(builder, [_byte(0, FEATURE_PROPERTIES), _offset(1, properties)])
    fields = [_text(builder, 0, name), _text(builder, 1, description), _offset(3, content), *more]
    return _table(builder, fields)


def _file(builder: Builder, name: str, description: str, kind: int) -> int:
    fields = [_text(builder, 0, name), _text(builder, 1, description), _byte(2, kind)]
    return _table(builder, fields)


def _table(builder: Builder, fields: Sequence[Field]) -> int:
    """Write a table; all that it points to must have been written before."""
    builder.StartObject(10)  # no table of the schema that is used here has more fields
    for add in fields:
        add(builder)
    return int(builder.EndObject())


def _text(builder: Builder, slot: int, text: str) -> Field:
    return _offset(slot, builder.CreateString(text)) if text else lambda b: None


def _tables(builder: Builder, slot: int, tables: Sequence[int]) -> Field:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return _offset(slot, builder.EndVector())


def _floats(builder: Builder, slot: int, values: Sequence[float]) -> Field:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return _offset(slot, builder.EndVector())


def _offset(slot: int, offset: int) -> Field:
    return lambda b: b.PrependUOffsetTRelativeSlot(slot, offset, 0)


def _number(slot: int, value: int) -> Field:
    return lambda b: b.PrependUint32Slot(slot, value, 0)


def _byte(slot: int, value: int) -> Field:
    return lambda b: b.PrependInt8Slot(slot, value, 0)
