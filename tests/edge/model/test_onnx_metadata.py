"""Metadata of ONNX files, read and written without the onnx package."""

from __future__ import annotations

import numpy as np
import pytest

from har_edge.model.onnx_metadata import append_metadata, read_metadata
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-onnx.encode.onnx"
ENTRIES = {
    "name": "tiny",
    "empty": "",
    "labels.txt": "links\nüben\n動作\n",
    "long": "x" * 70_000,
    "two digits": "x" * 128,
}


def plain_varint(value: int) -> bytes:
    """Base 128, least significant digit first; the top bit says that more follow."""
    digits = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(d | 128 for d in digits[:-1]), digits[-1]])


def plain_bytes_field(number: int, content: bytes) -> bytes:
    return plain_varint(8 * number + 2) + plain_varint(len(content)) + content


def message(*entries: tuple[str, str]) -> bytes:
    """A small ModelProto: a version, a producer, an unknown fixed number, and entries."""
    content = (
        b"\x08\x09" + plain_bytes_field(2, b"nobody") + b"\x9d\x06\0\0\0\0" + b"\x99\x06" + bytes(8)
    )
    for key, value in entries:
        entry = plain_bytes_field(1, key.encode()) + plain_bytes_field(2, value.encode())
        content += plain_bytes_field(14, entry)
    return content


@pytest.mark.parametrize("network", [b"", message(), message(("old", "1"))])
def test_what_is_appended_is_read(network: bytes) -> None:
    content = append_metadata(network, ENTRIES)
    assert content.startswith(network)  # not a byte of it changes
    assert read_metadata(content) == {**read_metadata(network), **ENTRIES}


def test_written_as_protobuf_asks() -> None:
    expected = message(*ENTRIES.items())
    assert append_metadata(message(), ENTRIES) == expected
    assert read_metadata(expected) == ENTRIES


def test_later_entries_win() -> None:
    content = append_metadata(append_metadata(message(), {"a": "1", "b": "2"}), {"a": "3"})
    assert read_metadata(content) == {"a": "3", "b": "2"}


def test_agrees_with_the_onnx_package() -> None:
    onnx = pytest.importorskip("onnx")
    for name in ("tiny-onnx.encode.onnx", "tiny-onnx-int8.classify.onnx"):
        content = (ASSETS / name).read_bytes()
        model = onnx.load_from_string(content)
        assert read_metadata(content) == {p.key: p.value for p in model.metadata_props}
        more = onnx.load_from_string(append_metadata(content, ENTRIES))
        found = {p.key: p.value for p in more.metadata_props}
        assert found.items() >= ENTRIES.items()
        assert more.graph == model.graph


def test_cut_anywhere_is_either_whole_or_refused() -> None:
    """A cut between two fields leaves a shorter message; any other is noticed."""
    content = append_metadata(message(), {"a": "1", "b": "22"})
    whole = []
    for end in range(len(content)):
        try:
            found = read_metadata(content[:end])
        except ValueError:
            continue
        whole.append(end)
        assert found.items() <= {"a": "1", "b": "22"}.items()
    # After nothing, the version, the producer, two unknown numbers, and the first entry.
    assert len(whole) == 6
    assert read_metadata(content[: whole[-1]]) == {"a": "1"}


def test_cut_file_never_crashes() -> None:
    content = TINY.read_bytes()
    for end in range(0, len(content), 7):
        try:
            read_metadata(content[:end])
        except ValueError:
            continue


@pytest.mark.parametrize("seed", range(3))
def test_noise_never_crashes(seed: int) -> None:
    random = np.random.default_rng(seed)
    content = TINY.read_bytes()[-600:]
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[int(random.integers(len(damaged)))] ^= int(random.integers(1, 256))
        try:
            read_metadata(bytes(damaged))
        except ValueError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    "content",
    [
        b"\x73",  # wire type 3, a group
        b"\x02\x00",  # field number 0
        b"\x72\xff\xff\xff\xff\x0f",  # longer than the message
        b"\xff" * 11,  # a number without an end
        b"\x72\x03\x0a\x05a",  # an entry that breaks off
        b"\x72\x04\x0a\x02\xff\xfe",  # a key that is no text
    ],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"protobuf message|utf-8"):
        read_metadata(content)
