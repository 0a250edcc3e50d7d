"""Damaged model files: made from the tiny models, in a fixed order."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

from har_edge.model.file import (
    LABELS_NAME,
    ONNX_SUFFIXES,
    SPEC_NAME,
    pack_model_file,
    pack_onnx_file,
    read_model_file,
)
from har_edge.model.onnx_metadata import append_metadata

GOLDEN = Path(__file__).parents[2] / "edge/har_edge/model/bundled/golden"
TFLITE = sorted(p for p in GOLDEN.iterdir() if p.suffix == ".tflite")
PAIRS = sorted(p for p in GOLDEN.iterdir() if p.name.endswith(ONNX_SUFFIXES[0]))
# Models without `encode`: files that stand alone, of either kind.
POSES = sorted((Path(__file__).parents[1] / "assets").glob("tiny-pose-*"))
# What JSON can hold that a field may not.
VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 7, 2**31, 2**63, 10**400, 1e-320, 1e308, float("nan"), float("inf"),
    "", "x", "\ud800", "a/b", "\x00", "\u202e", "x" * 100_000, [], [1], ["a", "a"], [["a"], ["b"]],
    {}, {"a": float("nan")}, {"a": "b"}, {"a": {}}, [None, None, None],
)  # fmt: skip


def mutants(seed: int, number: int, folder: Path) -> Iterator[Path]:
    """Write damaged copies of the tiny models, one at a time.

    Args:
        seed: Of the choice of files and damages.
        number: How many.
        folder: Where they go; each replaces the one before it.

    Yields:
        The file to read; of an ONNX pair the one with `encode`.
    """
    choose = random.Random(seed)
    for _ in range(number):
        model = choose.choice([*TFLITE, *PAIRS, *POSES])
        damage = choose.choice([_edit_spec, _flip, _cut, _edit_directory, _flip_network])
        parts = _parts(model)
        for part in parts:
            (folder / part.name).write_bytes(part.read_bytes())
        part = choose.choice(parts)
        (folder / part.name).write_bytes(damage(choose, part))
        yield folder / model.name


def _parts(model: Path) -> list[Path]:
    if model.suffix == ".tflite" or model in POSES:
        return [model]
    return [model, model.with_name(model.name.replace(*ONNX_SUFFIXES))]


def _flip(choose: random.Random, part: Path) -> bytes:
    content = bytearray(part.read_bytes())
    for _ in range(choose.choice((1, 1, 4, 32))):
        content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    return bytes(content)


def _cut(choose: random.Random, part: Path) -> bytes:
    content = part.read_bytes()
    start = choose.randrange(len(content))
    end = choose.choice((len(content), choose.randrange(len(content))))
    return content[:start] + content[end:]


def _edit_directory(choose: random.Random, part: Path) -> bytes:
    """Change bytes of the zip's headers, which lie at the end; of ONNX its last fields."""
    content = bytearray(part.read_bytes())
    starts = [i for i in range(len(content) - 4) if content[i : i + 2] == b"PK"] or [len(content)]
    for _ in range(choose.choice((1, 2, 8))):
        at = choose.choice(starts) + choose.randrange(-64, 64)
        content[min(max(at, 0), len(content) - 1)] = choose.choice((0, 1, 8, 12, 14, 0x7F, 0xFF))
    return bytes(content)


def _flip_network(choose: random.Random, part: Path) -> bytes:
    """Change the network, and make the checksum right again."""
    file = read_model_file(part)
    number = -1 if part.name.endswith(ONNX_SUFFIXES[1]) else 0
    network = bytearray(file.networks[number])
    for _ in range(choose.choice((1, 1, 4))):
        network[choose.randrange(8, len(network))] = choose.choice((0, 1, 0x7F, 0x80, 0xFF))
    pack = pack_model_file if part.suffix == ".tflite" else pack_onnx_file
    return pack(bytes(network), file.spec)


def _edit_spec(choose: random.Random, part: Path) -> bytes:
    """Put something else into a field of `har.json`, in the file as it is packed."""
    spec = read_model_file(part).spec
    raw = json.loads(spec.to_json())
    within = choose.choice((raw, raw, raw["clip"]))
    key = choose.choice(sorted(within))
    if choose.random() < 0.1:
        del within[key]
    else:
        within[key] = choose.choice(VALUES)
    return with_spec(part, json.dumps(raw))


def with_spec(part: Path, text: str, *, method: int = zipfile.ZIP_STORED) -> bytes:
    """Pack a model file anew, with another text for its `har.json`."""
    file = read_model_file(part)
    labels = "\n".join(file.spec.labels) + "\n"
    if part.suffix != ".tflite":
        number = -1 if part.name.endswith(ONNX_SUFFIXES[1]) else 0
        return append_metadata(file.networks[number], {LABELS_NAME: labels, SPEC_NAME: text})
    buffer = io.BytesIO()
    buffer.write(file.flatbuffer)
    with zipfile.ZipFile(buffer, "a", method) as archive:
        archive.writestr(LABELS_NAME, labels)
        archive.writestr(SPEC_NAME, text)
    return buffer.getvalue()
