"""A people run to verified files, with a network small enough to be converted in seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_convert.people.convert import Locate, PeopleVerification, convert_people, miss
from har_convert.people.make import SIGNATURE
from har_convert.people.run import is_people_run, read_people_run
from har_edge.errors import DataError, GateError
from har_edge.frames.frame import KEYPOINTS
from har_edge.model.people_file import read_people_file
from har_edge.model.people_spec import PeopleSpec

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

SIDE = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `har-train people` leaves behind, but for the training."""
    from har_train.people.decode import MAX_PEOPLE, join_decoder
    from har_train.people.network import Top, build_network

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    folder.mkdir()
    join_decoder(build_network(SIDE, SIDE, 0.35, Top(48, 16))).save(folder / "model.keras")
    spec = PeopleSpec("tiny", SIDE, SIDE, MAX_PEOPLE, KEYPOINTS, license="none")
    (folder / "people.json").write_text(spec.to_json())
    frames = np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3), np.uint8)
    np.savez(folder / "representative.npz", frames=frames)
    boxes = np.array([[0.1, 0.1, 0.5, 0.9]], np.float32)
    np.savez(folder / "held_out.npz", frames=frames[:3], boxes=boxes, box_of=np.array([1]))
    return folder


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models")
    convert_people(run, ("float32", "int8"), out, 100.0, lambda line: None)
    return out


def test_files_carry_their_spec_and_locate(made: Path, run: Path) -> None:
    frame = read_people_run(run).held_out[0]
    for variant in ("float32", "int8"):
        spec, network = read_people_file(made / f"tiny-{variant}.tflite")
        assert (spec.variant, spec.name, spec.license) == (variant, "tiny", "none")
        assert spec.metrics["verified_pictures"] == 3
        assert SIGNATURE.encode() in network
        assert Locate(network)(frame).shape == (8, 56)


@pytest.mark.slow
def test_float16_finds_the_same(made: Path, run: Path, tmp_path: Path) -> None:
    frame = read_people_run(run).held_out[0]
    convert_people(run, ("float16",), tmp_path, 100.0, lambda line: None)
    half, whole = tmp_path / "tiny-float16.tflite", made / "tiny-float32.tflite"
    # Of so small a network a quarter of the file is the decoder's graph, which stays as it is.
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    found, expected = (Locate(read_people_file(path)[1])(frame) for path in (half, whole))
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_int8_takes_pixels_and_is_the_smallest(made: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    from har_convert.tflite.flatbuffer import parse_model

    sizes = {p.stem: p.stat().st_size for p in made.glob("*.tflite")}
    assert sizes["tiny-int8"] < sizes["tiny-float32"]
    (graph,) = parse_model(read_people_file(made / "tiny-int8.tflite")[1]).subgraphs
    given = graph.tensors[graph.inputs[0]]
    assert given.type == schema.TensorType.UINT8
    assert given.quantization.scale.tolist() == pytest.approx([1.0])
    kinds = [graph.tensors[op.outputs[0]].type for op in graph.operators]
    assert kinds.count(schema.TensorType.INT8) > 30  # the decoder alone is in float


def test_card_and_checksums_lie_beside(made: Path) -> None:
    card = (made / "MODEL_CARD.md").read_text()
    assert "| int8 |" in card
    assert "letterboxed" in card
    assert len((made / "SHA256SUMS").read_text().splitlines()) == 3


def test_a_people_run_is_known(run: Path, tmp_path: Path) -> None:
    assert is_people_run(run)
    assert not is_people_run(tmp_path)
    (tmp_path / "people.json").write_text((run / "people.json").read_text())
    with pytest.raises(DataError, match="missing or damaged file"):
        read_people_run(tmp_path)


def test_what_it_does_not_convert_to_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="converts to float32, float16, int8"):
        convert_people(run, ("onnx",), tmp_path, 1.0, lambda line: None)


def test_pictures_of_another_size_are_refused(run: Path, tmp_path: Path) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spec = {**json.loads((run / "people.json").read_text()), "height": 96}
    (tmp_path / "people.json").write_text(json.dumps(spec))
    with pytest.raises(DataError, match=r"should hold pictures \(96, 64, 3\)"):
        read_people_run(tmp_path)


def test_the_gate_is_about_recall() -> None:
    result = PeopleVerification(
        variant="int8", pictures=9, boxes=20, recall=0.8, keras_recall=0.85, drop=5.0,
        drop_interval=(1.0, 9.0), agreement=0.9, max_difference=0.2, locate_ms=1.0,
    )  # fmt: skip
    assert miss(result, 6.0) == ""
    assert miss(result, 1.0).startswith("int8 loses 5.0 points of recall")
    exact = replace(result, variant="float32", drop=0.0)
    assert miss(exact, 1.0).startswith("float32 should be the same")


@pytest.mark.slow
def test_nothing_is_written_that_misses_the_gate(run: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="Make --float16 instead"):
        convert_people(run, ("float32",), tmp_path, -1.0, lambda line: None)
    assert not list(tmp_path.glob("*.tflite"))
