"""TFLite metadata, read back with a walk over the flatbuffer that knows the schema's numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from har_convert.tflite.metadata import attach_metadata, build_metadata, pack_model
from har_edge.model.file import read_model_file
from har_edge.model.spec import ModelSpec

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
pytest.importorskip("flatbuffers")

ASSETS = Path(__file__).parents[2] / "assets"
TINY = ASSETS / "tiny-int8.tflite"


class Table:
    """A flatbuffer table: fields by number. Source: FlatBuffers, Internals."""

    def __init__(self, content: bytes, position: int) -> None:
        self.content, self.position = content, position
        self.vtable = position - self.number("<i", position)

    def number(self, kind: str, position: int) -> Any:
        return struct.unpack_from(kind, self.content, position)[0]

    def place(self, slot: int) -> int:
        """Position of a field, 0 if it is not set."""
        entry = 4 + 2 * slot
        if entry >= self.number("<H", self.vtable):
            return 0
        offset = self.number("<H", self.vtable + entry)
        return self.position + offset if offset else 0

    def byte(self, slot: int) -> int:
        place = self.place(slot)
        return int(self.content[place]) if place else 0

    def uint(self, slot: int) -> int:
        return int(self.number("<I", self.place(slot)))

    def follow(self, place: int) -> int:
        return place + int(self.number("<I", place))

    def table(self, slot: int) -> Table:
        return Table(self.content, self.follow(self.place(slot)))

    def text(self, slot: int) -> str:
        place = self.place(slot)
        if not place:
            return ""
        start = self.follow(place)
        size = self.number("<I", start)
        return self.content[start + 4 : start + 4 + size].decode("utf-8")

    def tables(self, slot: int) -> list[Table]:
        place = self.place(slot)
        if not place:
            return []
        start = self.follow(place)
        count = self.number("<I", start)
        return [Table(self.content, self.follow(start + 4 + 4 * i)) for i in range(count)]

    def floats(self, slot: int) -> list[float]:
        start = self.follow(self.place(slot))
        count = self.number("<I", start)
        return list(struct.unpack_from(f"<{count}f", self.content, start + 4))


def root_of(content: bytes) -> Table:
    return Table(content, struct.unpack_from("<I", content)[0])


def metadata_of(flatbuffer: bytes) -> bytes:
    """The buffer that a model's entry TFLITE_METADATA points to, by the walk alone."""
    model = root_of(flatbuffer)
    buffers = model.tables(4)  # Model: version, operator_codes, subgraphs, description, buffers
    (entry,) = [e for e in model.tables(6) if e.text(0) == "TFLITE_METADATA"]
    buffer = buffers[entry.uint(1) if entry.place(1) else 0]
    start = buffer.follow(buffer.place(0))
    return buffer.content[start + 4 : start + 4 + buffer.number("<I", start)]


@pytest.fixture(params=["tiny-float32", "tiny-float16", "tiny-dynamic", "tiny-int8"])
def table(request: pytest.FixtureRequest) -> Table:
    """The metadata of a tiny model."""
    content = metadata_of(read_model_file(ASSETS / f"{request.param}.tflite").flatbuffer)
    assert content[4:8] == b"M001"
    return root_of(content)


def graphs_of(table: Table) -> dict[str, Table]:
    return {graph.text(0): graph for graph in table.tables(3)}


def test_names(table: Table) -> None:
    assert table.text(0) == "tiny"
    assert table.text(5) == "MIT"
    assert table.text(7) == "1.0.0"
    names = {
        name: [[t.text(0) for t in graph.tables(slot)] for slot in (2, 3)]
        for name, graph in graphs_of(table).items()
    }
    assert names == {
        "encode": [["frame"], ["features"]],
        "classify": [["features"], ["probabilities"]],
    }


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_tables_stand_in_the_order_of_the_subgraphs(variant: str) -> None:
    """Readers match them by number, not by name."""
    content = read_model_file(ASSETS / f"tiny-{variant}.tflite").flatbuffer
    described = [graph.text(0) for graph in root_of(metadata_of(content)).tables(3)]
    subgraphs = root_of(content).tables(2)  # SubGraph: tensors, inputs, outputs, operators, name
    assert [graph.text(4) for graph in subgraphs] == described


def test_labels_belong_to_the_output(table: Table) -> None:
    (probabilities,) = graphs_of(table)["classify"].tables(3)
    (labels,) = probabilities.tables(6)
    assert (labels.text(0), labels.byte(2)) == ("labels.txt", 2)
    stats = probabilities.table(5)
    assert (stats.floats(0), stats.floats(1)) == ([1.0], [0.0])
    for graph in graphs_of(table).values():
        (tensor,) = graph.tables(2)
        assert tensor.tables(6) == []


def test_spec_belongs_to_the_model(table: Table) -> None:
    (spec,) = table.tables(6)
    assert (spec.text(0), spec.byte(2)) == ("har.json", 1)


def test_picture_and_normalisation_belong_to_the_input(table: Table) -> None:
    (frame,) = graphs_of(table)["encode"].tables(2)
    content = frame.table(3)
    assert content.byte(0) == 2  # ImageProperties
    image = content.table(1)
    assert image.byte(0) == 1  # RGB
    assert (image.table(1).uint(0), image.table(1).uint(1)) == (32, 32)
    (unit,) = frame.tables(4)
    assert unit.byte(0) == 1  # NormalizationOptions
    assert (unit.table(1).floats(0), unit.table(1).floats(1)) == ([0.0], [1.0])
    stats = frame.table(5)
    assert (stats.floats(0), stats.floats(1)) == ([255.0], [0.0])


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_one_graph_has_the_picture_and_the_labels(variant: str) -> None:
    content = read_model_file(ASSETS / f"tiny-still-mediapipe-{variant}.tflite").flatbuffer
    (graph,) = root_of(metadata_of(content)).tables(3)
    (frame,), (probabilities,) = graph.tables(2), graph.tables(3)
    assert frame.table(3).byte(0) == 2  # ImageProperties
    assert [unit.byte(0) for unit in frame.tables(4)] == [1]  # NormalizationOptions
    assert [labels.text(0) for labels in probabilities.tables(6)] == ["labels.txt"]


def test_width_and_height_are_not_swapped() -> None:
    spec = read_model_file(TINY).spec
    raw = json.loads(spec.to_json())
    raw["clip"] |= {"height": 48, "width": 80}
    wide = ModelSpec.from_json(json.dumps(raw)).with_(description="Ünïcode.", license="")
    table = root_of(build_metadata(wide, ["other", "encode"]))
    assert [graph.text(0) for graph in table.tables(3)] == ["other", "encode"]
    assert (table.text(1), table.text(5)) == ("Ünïcode.", "")
    (frame,) = table.tables(3)[1].tables(2)
    size = frame.table(3).table(1).table(1)
    assert (size.uint(0), size.uint(1)) == (80, 48)


def without_metadata(flatbuffer: bytes) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(bytearray(flatbuffer), 0)
    (entry,) = [e for e in model.metadata if e.name == b"TFLITE_METADATA"]
    assert entry.buffer == len(model.buffers) - 1  # nothing else points behind it
    model.metadata.remove(entry)
    model.buffers.pop()
    return pack_model(model)


def test_attaching_twice_equals_once() -> None:
    file = read_model_file(TINY)
    bare = without_metadata(file.flatbuffer)
    assert len(bare) < len(file.flatbuffer) - 500
    once = attach_metadata(bare, file.spec)
    assert attach_metadata(once, file.spec) == once == file.flatbuffer
    renamed = attach_metadata(once, file.spec.with_(name="other"))
    assert root_of(metadata_of(renamed)).text(0) == "other"


def test_other_entries_stay() -> None:
    file = read_model_file(TINY)
    bare = without_metadata(file.flatbuffer)
    names = {entry.text(0) for entry in root_of(bare).tables(6)}
    assert "min_runtime_version" in names
    attached = attach_metadata(bare, file.spec)
    found = [entry.text(0) for entry in root_of(attached).tables(6)]
    assert sorted(found) == sorted([*names, "TFLITE_METADATA"])


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8"])
def test_network_gives_the_same_bits(variant: str) -> None:
    from har_edge.model.runtimes import TfliteBackend

    file = read_model_file(ASSETS / f"tiny-{variant}.tflite")
    bare = without_metadata(file.flatbuffer)
    assert b"M001" not in bare
    assert b"M001" in file.flatbuffer
    before, after = (TfliteBackend("litert", n) for n in (bare, attach_metadata(bare, file.spec)))
    random = np.random.default_rng(0)
    for _ in range(5):
        frame = random.integers(0, 256, (1, 32, 32, 3), np.uint8)
        assert np.array_equal(before.encode(frame), after.encode(frame))
        window = random.uniform(0, 1, (1, 4, 8)).astype(np.float32)
        assert np.array_equal(before.classify(window), after.classify(window))
