"""Files with a network that finds people alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from har_edge.errors import ModelFileError, SpecError
from har_edge.frames.frame import KEYPOINTS
from har_edge.model.file import BUNDLED_FOLDER, pack_model_file, read_model_file
from har_edge.model.people_file import pack_people_file, read_people_file
from har_edge.model.people_spec import PeopleSpec

SPEC = PeopleSpec("people", 256, 256, 8, KEYPOINTS)
NETWORK = b"\x1c\0\0\0TFL3" + bytes(100)
TINY = Path(__file__).parents[2] / "assets" / "tiny-int8.tflite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "people.tflite"
    path.write_bytes(pack_people_file(NETWORK, SPEC))
    return path


def test_it_comes_back(path: Path) -> None:
    spec, network = read_people_file(path)
    assert network == NETWORK
    assert spec.model_bytes == len(NETWORK)
    assert zipfile.ZipFile(path).namelist() == ["har.json"]
    assert pack_people_file(NETWORK, SPEC) == path.read_bytes()


def test_the_bundled_one_is_small_and_says_where_it_is_from() -> None:
    path = BUNDLED_FOLDER / "people-int8.tflite"
    assert path.stat().st_size <= 4_000_000
    spec, network = read_people_file(path)
    assert (spec.variant, spec.people_shape, spec.keypoints) == ("int8", (1, 8, 56), KEYPOINTS)
    assert b"locate" in network
    assert "MoveNet MultiPose" in spec.license


def test_a_changed_file_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="changed or damaged"):
        read_people_file(path)


def test_a_cut_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelFileError, match="cut short"):
        read_people_file(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_people_file(tmp_path / "none.tflite")


def test_other_kinds_of_files_are_told_apart(path: Path) -> None:
    with pytest.raises(SpecError, match="should be of kind 'people'"):
        read_people_file(TINY)
    with pytest.raises((ModelFileError, SpecError)):
        read_model_file(path)
    with pytest.raises(ModelFileError, match="Expected a TFLite flatbuffer"):
        pack_people_file(b"something else", SPEC)
    assert pack_model_file(read_model_file(TINY).flatbuffer, read_model_file(TINY).spec)
