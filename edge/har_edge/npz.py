"""Read `.npz` files of numbers and text that anybody may have made, never more than they may hold.

Not by `np.load`, which reserves the memory that a header asks for before it has read it.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.generic]


def read_arrays(
    path: Path,
    *,
    most_bytes: int,
    most_arrays: int,
    kinds: str,
    only: Collection[str] | None = None,
) -> dict[str, Numbers]:
    """Read the arrays of a file.

    Args:
        path: The file.
        most_bytes: What they may take, packed or unpacked.
        most_arrays: How many there may be.
        kinds: Kinds of numbers, as `np.dtype.kind` names them; others may be pointers.
        only: Names of those that are wanted; None for all.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds more, or other arrays. A damaged file raises a dozen kinds more, of
            zipfile, zlib and NumPy: catch them all.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        wanted = [e for e in entries if only is None or _name(e) in only]
        packed = os.fstat(file.fileno()).st_size
        size = max(packed if only is None else 0, sum(e.file_size for e in wanted))
        if size > most_bytes or len(entries) > most_arrays:
            raise ValueError(f"more than {most_bytes >> 20} MB or {most_arrays} arrays")
        # Other methods unpack all that is there at once, however much one asks for.
        if any(e.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for e in wanted):
            raise ValueError("it is packed in a way that no such file is")
        return {_name(e): _array(archive.read(e), kinds) for e in wanted}


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _array(content: bytes, kinds: str) -> Numbers:
    """Read an .npy file of numbers or text.

    Raises:
        ValueError: if it is another one, or not as long as it says.
    """
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array of another version than NumPy writes here")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in kinds or min(shape, default=0) < 0 or size != len(content) - file.tell():
        raise ValueError(f"an array of {dtype} that is not as long as it says, or of no numbers")
    array = np.frombuffer(content, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if by_columns else "C")
