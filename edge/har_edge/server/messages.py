"""What the server and its workers say to each other: JSON, and the file that an upload lies in."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
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
        file: Its bytes; in memory or, if they are many, on the disk, and without a name in
            either place.
        kind: What it is, by its content.
        format: Its format, as `har_edge.media` calls it; of pictures Pillow's name, too.
        size_bytes: Its size.
    """

    file: IO[bytes]
    kind: Kind
    format: str
    size_bytes: int


def nameless_file(*, in_memory: bool) -> IO[bytes]:
    """Open an empty file that no folder lists: it goes with the last process that holds it."""
    if in_memory and hasattr(os, "memfd_create"):  # some builds of Python have none
        return os.fdopen(os.memfd_create("har-edge-upload"), "w+b")
    return TemporaryFile()


def pack(message: Mapping[str, object]) -> bytes:
    """Spell a message.

    Raises:
        ValueError: if it holds a number that is none.
    """
    text = json.dumps(message, allow_nan=False).encode()
    return len(text).to_bytes(SIZE_BYTES, "big") + text


def unpack(text: bytes) -> dict[str, object]:
    """Read a message without its size."""
    found: dict[str, object] = json.loads(text)
    return found


def size_of(head: bytes) -> int:
    """Read how long a message is.

    Raises:
        ValueError: if none is.
    """
    size = int.from_bytes(head[:SIZE_BYTES], "big")
    if size > MOST_BYTES:
        raise ValueError(f"A message should have at most {MOST_BYTES} bytes. Received {size}.")
    return size


def send(to: socket.socket, message: Mapping[str, object], files: Sequence[int] = ()) -> None:
    """Send a message, with descriptors that the other side gets copies of.

    Raises:
        OSError: if the other side is gone.
    """
    packed = pack(message)
    if files:  # they go with the first byte
        socket.send_fds(to, [packed[:1]], files)
        packed = packed[1:]
    to.sendall(packed)


def receive(
    source: socket.socket, most_files: int = 1
) -> tuple[dict[str, object], list[int]] | None:
    """Wait for a message and the descriptors that come with it; None at the end."""
    head, files, *_ = socket.recv_fds(source, 1, most_files)
    head += _read(source, SIZE_BYTES - 1) if head else b""
    if len(head) < SIZE_BYTES:
        return None
    text = _read(source, size_of(head))
    return unpack(text), files


def _read(source: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (piece := source.recv(min(size - len(found), 2**20))):
        found += piece
    return bytes(found)
