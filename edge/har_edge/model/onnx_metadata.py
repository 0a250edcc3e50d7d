"""The metadata of an ONNX file, without the onnx package.

An ONNX file is one protobuf message. Its fields may come in any order and repeated ones may be
appended to the end, so that metadata is written like a model file's zip: the network stays
byte for byte what it was. Source: onnx.proto3 (ModelProto, StringStringEntryProto) and
Protocol Buffers, Encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

METADATA_PROPS = 14  # ModelProto's field number
KEY, VALUE = 1, 2  # those of StringStringEntryProto
# Of the whole file: its graph is one field, so that honest ones have a few dozen.
MAX_FIELDS = 10_000
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


def append_metadata(network: bytes, entries: Mapping[str, str]) -> bytes:
    """Append entries to an ONNX file's `metadata_props`."""
    parts = [network]
    for key, value in entries.items():
        entry = _field(KEY, key.encode()) + _field(VALUE, value.encode())
        parts.append(_field(METADATA_PROPS, entry))
    return b"".join(parts)


def read_metadata(content: bytes) -> dict[str, str]:
    """Read an ONNX file's `metadata_props`.

    Raises:
        ValueError: if the content is no whole protobuf message.
    """
    found = {}
    for number, value in _fields(memoryview(content)):
        if number == METADATA_PROPS:
            entry = {n: bytes(v).decode("utf-8") for n, v in _fields(value)}
            found[entry.get(KEY, "")] = entry.get(VALUE, "")
    return found


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of a message's fields; numbers' contents are left out."""
    position = count = 0
    while position < len(message):
        count += 1
        if count > MAX_FIELDS:
            raise ValueError(f"no network: more than {MAX_FIELDS} fields")
        tag, position = _read_varint(message, position)
        number, wire = tag >> 3, tag & 7
        size = 0
        if wire == VARINT:
            _, position = _read_varint(message, position)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        elif wire == BYTES:
            size, position = _read_varint(message, position)
        else:
            raise ValueError(f"no protobuf message: wire type {wire} at byte {position}")
        if number == 0 or position + size > len(message):
            raise ValueError(f"no whole protobuf message: it breaks off at byte {position}")
        yield number, message[position : position + size]
        position += size


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError(f"no whole protobuf message: it breaks off at byte {position}")
        digit = message[position]
        value |= (digit & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if digit < 0x80:
            return value, position
