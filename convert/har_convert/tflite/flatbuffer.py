"""Reading and writing TFLite's flatbuffer with the schema that LiteRT brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from har_edge.errors import ModelFileError
from har_edge.model.formats import is_flatbuffer

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema


def parse_model(content: bytes, shown: str = "") -> schema.ModelT:
    """Read a flatbuffer into the schema's object API.

    Args:
        content: A `.tflite` file.
        shown: What messages call it.

    Raises:
        ModelFileError: if it is none, or a damaged one.
    """
    from ai_edge_litert import schema_py_generated as schema

    if not is_flatbuffer(content):
        raise ModelFileError(
            f"{shown} is not a TFLite model. Expected a .tflite or .onnx file. Received "
            f"{len(content)} bytes that start with {content[:8]!r}. Check the path."
        )
    try:
        return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    except Exception as error:  # of a damaged file the generated reader raises anything
        raise ModelFileError(f"{shown} is damaged: {error!r}. Copy it again.") from error


def read_min_runtime(content: bytes) -> str:
    """Read the oldest TensorFlow runtime that knows all ops, as the converter recorded it."""
    model = parse_model(content)
    for entry in model.metadata or ():
        if bytes(entry.name) == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode("ascii")
    return ""


def pack_model(model: schema.ModelT) -> bytes:
    """Serialise a model of the schema's object API."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
