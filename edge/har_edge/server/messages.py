"""What the server and its workers say to each other: JSON, and the file that an upload lies in."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Literal

# Each message begins with its size.
SIZE_BYTES = 4
# More than any request or answer has, and so a sign of a fault.
MOST_BYTES = 256 * 2**20

Kind = Literal["image", "clip"]


@dataclass(frozen=True)
class Upload:
    """A file that was received.

    Attributes:
        file: Its bytes; an `io.BytesIO` or, if they are many, a file without a name.
        kind: What it is, by its content.
        format: Its format, as `har_edge.media` calls it; of pictures Pillow's name, too.
        size_bytes: Its size.
    """

    file: IO[bytes]
    kind: Kind
    format: str
    size_bytes: int


@dataclass(frozen=True)
class Answered:
    """What a worker found out about an upload.

    Attributes:
        body: The answer in JSON, as who asked gets it: the server only hands it on.
        kind: What the upload was.
        latency_ms: Time that each stage took.
    """

    body: bytes
    kind: str
    latency_ms: Mapping[str, float]


# Without spaces, as the server spells all of its answers.
spell_answer: Callable[[object], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def nameless_file(*, in_memory: bool) -> IO[bytes]:
    """Open an empty file that no folder lists: it goes with the last process that holds it."""
    if in_memory and hasattr(os, "memfd_create"):  # some builds of Python have none
        return os.fdopen(os.memfd_create("har-edge-upload"), "w+b")
    return TemporaryFile()


def pack(message: Mapping[str, object], body: bytes = b"") -> bytes:
    """Spell a message, and bytes that go with it.

    Raises:
        ValueError: if it holds a number that is none.
    """
    head = spell_answer(message).encode()
    size = len(head) + 1 + len(body)
    return b"".join((size.to_bytes(SIZE_BYTES, "big"), head, b"\n", body))


def unpack(text: bytes) -> tuple[dict[str, object], bytes]:
    """Read a message without its size, and the bytes that go with it.

    Example:
        >>> unpack(pack({"last": False}, b"[1]")[SIZE_BYTES:])
        ({'last': False}, b'[1]')
    """
    head, _, body = text.partition(b"\n")
    found: dict[str, object] = json.loads(head)
    return found, body


def size_of(head: bytes | bytearray) -> int:
    """Read how long a message is.

    Raises:
        ValueError: if none is.
    """
    size = int.from_bytes(head[:SIZE_BYTES], "big")
    if size > MOST_BYTES:
        raise ValueError(f"A message should have at most {MOST_BYTES} bytes. Received {size}.")
    return size


def send(
    to: socket.socket,
    message: Mapping[str, object],
    files: Sequence[int] = (),
    body: bytes = b"",
) -> None:
    """Send a message, with descriptors that the other side gets copies of, and bytes.

    Raises:
        OSError: if the other side is gone.
    """
    packed = pack(message, body)
    if files:  # they go with the first byte
        socket.send_fds(to, [packed[:1]], files)
        packed = packed[1:]
    to.sendall(packed)


def receive(
    source: socket.socket, most_files: int = 2
) -> tuple[dict[str, object], list[int]] | None:
    """Wait for a message and the descriptors that come with it; None at the end."""
    head, files, *_ = socket.recv_fds(source, 1, most_files)
    head += _read(source, SIZE_BYTES - 1) if head else b""
    if len(head) < SIZE_BYTES:
        return None
    text = _read(source, size_of(head))
    return unpack(text)[0], files


def _read(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (piece := source.recv(min(size - len(found), 2**20))):
        found += piece
    return bytes(found)
