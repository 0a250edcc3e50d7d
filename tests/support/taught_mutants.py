"""Damaged files of taught actions: made from one of two actions, in a fixed order."""

from __future__ import annotations

import functools
import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from har_edge.model.loaded import LoadedModel
from har_edge.recognition.taught import NOTHING, Background, Taught
from har_edge.recognition.taught_file import described_size, model_checksum, write_taught
from tests.support.mutants import VALUES

NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-38, 1e30, 3e38)
DTYPES = ("<f8", "<f2", ">f4", "|O", "<M8[s]", "<c8", "|S7", "<U9", "|V4", "<i8", "|b1")
HEADERS = (
    "{}", "", "[" * 5000, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000, 10000000000)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693952, 8)}",
    "{'descr': [('a', '|O')], 'fortran_order': True, 'shape': (1,)}",
)  # fmt: skip


def taught_mutants(seed: int, number: int, model: LoadedModel, path: Path) -> Iterator[Path]:
    """Write damaged files of taught actions for a model, one at a time, under one name."""
    choose = random.Random(seed)
    numbers = np.random.default_rng(seed)
    size = described_size(model)
    background = Background.of(numbers.random((100, size), np.float32))
    taught = Taught(model_checksum(model), background)
    for name in ("waving", "hüpfen", NOTHING):
        taught = taught.with_action(name, numbers.random((4, size), np.float32))
    write_taught(model, taught, path)
    whole = path.read_bytes()
    for _ in range(number):
        damage = choose.choice([_flip, _cut, _edit_text, _edit_array, _edit_header, _edit_zip])
        path.write_bytes(damage(choose, whole))
        yield path


def _flip(choose: random.Random, whole: bytes) -> bytes:
    content = bytearray(whole)
    for _ in range(choose.choice((1, 4, 32))):
        content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    return bytes(content)


def _cut(choose: random.Random, whole: bytes) -> bytes:
    start, end = sorted(choose.randrange(len(whole)) for _ in range(2))
    return whole[:start] + choose.choice((b"", whole[end:]))


def _parts(whole: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pack(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _edit_text(choose: random.Random, whole: bytes) -> bytes:
    parts = _parts(whole)
    about = json.loads(str(np.load(io.BytesIO(parts["about.npy"]))))
    key = choose.choice(sorted(about))
    about[key] = choose.choice(VALUES)
    texts = (json.dumps(about), json.dumps(about), "[" * 100_000, "[]", "7", "{", "\ud800")
    text = choose.choice(texts).encode("utf-8", "replace").decode()
    return _pack({**parts, "about.npy": _npy(np.array(text))})


def _edit_array(choose: random.Random, whole: bytes) -> bytes:
    parts = _parts(whole)
    name = choose.choice(sorted(set(parts) - {"about.npy"}))
    array = np.array(np.load(io.BytesIO(parts[name])))
    if choose.random() < 0.5:
        flat = array.reshape(-1)
        places = choose.choice((1, len(flat)))
        with np.errstate(over="ignore"):
            flat[choose.sample(range(len(flat)), places)] = choose.choice(NUMBERS)
        return _pack({**parts, name: _npy(flat.reshape(array.shape))})
    if choose.random() < 0.5:
        shape = choose.choice(((-1,), (1, -1), (-1, 1), (1, 1, -1)))
        return _pack({**parts, name: _npy(array.reshape(shape))})
    other = choose.choice(sorted(parts))
    return _pack({**parts, name: parts[other]})


def _edit_header(choose: random.Random, whole: bytes) -> bytes:
    """Another dtype or another shape than the numbers have; pointers among them."""
    parts = _parts(whole)
    name = choose.choice(sorted(parts))
    content = parts[name]
    (length,) = struct.unpack("<H", content[8:10])
    header, rest = content[10 : 10 + length].decode("latin-1"), content[10 + length :]
    if choose.random() < 0.6:
        header = header.replace("<f4", choose.choice(DTYPES)).replace("<f2", choose.choice(DTYPES))
    else:
        header = choose.choice(HEADERS)
    version = choose.choice((content[:8], content[:8], b"\x93NUMPY\x02\x00", b"\x93NUMPY\x09\x00"))
    coded = header.encode("latin-1")
    return _pack({**parts, name: version + struct.pack("<H", len(coded)) + coded + rest})


@functools.cache
def _bomb(name: str) -> bytes:
    """300 MB of zeros in 300 kB."""
    zeros = _npy(np.zeros(75_000_000, np.float32))
    return _pack({name: zeros, "more.npy": zeros[:1000]})


def _edit_zip(choose: random.Random, whole: bytes) -> bytes:
    """Much in little, many entries, other methods, a wrong directory."""
    parts = _parts(whole)
    kind = choose.randrange(4)
    if kind == 0:
        return _bomb(choose.choice(sorted(parts)))
    if kind == 1:
        return _pack({**parts, **{f"windows_{i}.npy": b"" for i in range(3, 2000)}})
    if kind == 2:
        return _pack(parts, choose.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
    content = bytearray(whole)
    starts = [i for i in range(len(content) - 4) if content[i : i + 2] == b"PK"]
    for _ in range(choose.choice((1, 2, 8))):
        at = choose.choice(starts) + choose.randrange(4, 40)
        content[min(at, len(content) - 1)] = choose.choice((0, 1, 8, 9, 12, 14, 0x7F, 0xFF))
    return bytes(content)
