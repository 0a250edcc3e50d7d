"""Files of weights as PyTorch wrote them before version 1.6, made without PyTorch."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {np.dtype(np.float32): "FloatStorage", np.dtype(np.int64): "LongStorage"}


def write_pytorch(path: Path, arrays: Arrays, *, state: bytes | None = None) -> Path:
    """Write arrays to a file.

    Args:
        path: Where to.
        arrays: float32 or int64, by name; each gets a storage of its own.
        state: A pickle to write in place of the one that describes the arrays.
    """
    out = io.BytesIO()
    for value in (MAGIC, VERSION, {"protocol_version": VERSION, "little_endian": True}):
        out.write(pickle.dumps(value, protocol=2))
    out.write(state_pickle(arrays) if state is None else state)
    out.write(pickle.dumps([key_of(i) for i in range(len(arrays))], protocol=2))
    for array in arrays.values():
        out.write(struct.pack("<q", array.size) + array.tobytes())
    path.write_bytes(out.getvalue())
    return path


def key_of(number: int) -> str:
    return f"{1000 + number}"


def state_pickle(arrays: Arrays) -> bytes:
    """Describe arrays as PyTorch does: calls that would rebuild tensors of storages."""
    parts = [b"\x80\x02", b"ccollections\nOrderedDict\n", b")R", b"("]
    for number, (name, array) in enumerate(arrays.items()):
        storage = (
            b"(" + text("storage") + name_of("torch", STORAGES[array.dtype]) + text(key_of(number))
            + text("cpu") + number_of(array.size) + b"Nt" + b"Q"
        )  # fmt: skip
        strides = [stride // array.itemsize for stride in array.strides]
        parts += [
            text(name), name_of("torch._utils", "_rebuild_tensor_v2"), b"(", storage,
            number_of(0), sizes(array.shape), sizes(strides), b"\x89",
            b"ccollections\nOrderedDict\n)R", b"t", b"R",
        ]  # fmt: skip
    # What PyTorch attaches to the state: {"_metadata": {}}.
    return b"".join([*parts, b"u", b"}", text("_metadata"), b"}s", b"b", b"."])


def name_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number_of(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def sizes(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(number_of, values)) + b"t"
