"""Reading and packing model files."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from har_edge.errors import HarError, ModelFileError, SpecError
from har_edge.model.file import (
    BUNDLED,
    MAX_FILE_BYTES,
    pack_model_file,
    pack_onnx_file,
    read_model_file,
    resolve_model,
)
from tests.conftest import ASSETS
from tests.support.mutants import mutants, with_spec

TINY = ASSETS / "tiny-int8.tflite"
PAIR = ("tiny-onnx.encode.onnx", "tiny-onnx.classify.onnx")


def test_pack_and_read_are_inverse(tmp_path: Path) -> None:
    file = read_model_file(TINY)
    packed = pack_model_file(file.flatbuffer, file.spec.with_(name="other"))
    (tmp_path / "m.tflite").write_bytes(packed)
    again = read_model_file(tmp_path / "m.tflite")
    assert again.flatbuffer == file.flatbuffer
    assert again.spec == file.spec.with_(name="other")
    assert pack_model_file(file.flatbuffer, file.spec.with_(name="other")) == packed


def test_other_tools_list_the_files() -> None:
    with zipfile.ZipFile(TINY) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode() == "left\nright\nstill\n"
        assert sorted(archive.namelist()) == ["har.json", "labels.txt"]
    if shutil.which("unzip"):
        listing = subprocess.run(["unzip", "-l", TINY], capture_output=True, text=True, check=True)
        assert "har.json" in listing.stdout
        assert "warning" not in listing.stdout + listing.stderr


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_cut_short_files_are_refused(tmp_path: Path, share: float) -> None:
    content = TINY.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelFileError, match=r"cut\.tflite"):
        read_model_file(path)


def test_changed_weights_are_noticed(tmp_path: Path) -> None:
    content = bytearray(TINY.read_bytes())
    content[4000] ^= 0xFF
    (tmp_path / "bad.tflite").write_bytes(content)
    with pytest.raises(ModelFileError, match="changed or damaged"):
        read_model_file(tmp_path / "bad.tflite")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(read_model_file(TINY).flatbuffer)
    with pytest.raises(ModelFileError, match="without a har-edge spec"):
        read_model_file(foreign)
    foreign.write_text("no model at all")
    with pytest.raises(ModelFileError, match="not a TFLite model"):
        read_model_file(foreign)
    with pytest.raises(ModelFileError, match="Expected a TFLite flatbuffer"):
        pack_model_file(b"no model", read_model_file(TINY).spec)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_bombs_are_not_unpacked(tmp_path: Path, method: int) -> None:
    path = tmp_path / "bomb.tflite"
    path.write_bytes(with_spec(TINY, " " * (64 << 20), method=method))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="without a har-edge spec"):
            read_model_file(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_bombs_whose_directory_lies_are_not_unpacked(tmp_path: Path) -> None:
    content = with_spec(TINY, " " * (64 << 20), method=zipfile.ZIP_DEFLATED)
    path = tmp_path / "bomb.tflite"
    path.write_bytes(content.replace((64 << 20).to_bytes(4, "little"), b"\x10\0\0\0"))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="without a har-edge spec"):
            read_model_file(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_files_beyond_all_models_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ModelFileError, match="at most"):
        read_model_file(path)


def test_deep_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.tflite"
    path.write_bytes(with_spec(TINY, "[" * 100_000))
    with pytest.raises(SpecError, match="not valid JSON"):
        read_model_file(path)


def test_every_fault_of_a_file_is_one_of_ours(tmp_path: Path) -> None:
    refused = 0
    for path in mutants(seed=1, number=200, folder=tmp_path):
        try:
            read_model_file(path)
        except HarError:  # anything else fails the test
            refused += 1
    assert refused > 100


def test_spec_of_another_release_is_refused(tmp_path: Path) -> None:
    file = read_model_file(TINY)
    path = tmp_path / "new.tflite"
    path.write_bytes(pack_model_file(file.flatbuffer, file.spec.with_(schema_version=7)))
    with pytest.raises(SpecError, match="Received 7"):
        read_model_file(path)


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLED:
        assert resolve_model(name).name == f"{name}-int8.tflite"
    assert resolve_model(None) == resolve_model("har15")
    assert resolve_model(TINY) == TINY
    with pytest.raises(ModelFileError, match="no model"):
        resolve_model(tmp_path / "gone.tflite")
    with pytest.raises(ModelFileError, match="give it as --people people"):
        resolve_model("people")
    with pytest.raises(ModelFileError, match="is a folder"):
        resolve_model(tmp_path)
    shutil.copy(TINY, tmp_path)
    shutil.copy(ASSETS / "tiny-float32.tflite", tmp_path)
    assert resolve_model(tmp_path).name == "tiny-int8.tflite"
    # A file of one's own wins over a bundled name.
    monkeypatch.chdir(tmp_path)
    shutil.copy(TINY, "har15")
    assert resolve_model("har15") == Path("har15")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of an ONNX pair that a test may damage."""
    encode, classify = (Path(shutil.copy(ASSETS / name, tmp_path / name)) for name in PAIR)
    return encode, classify


@pytest.mark.parametrize("named", [0, 1])
def test_either_file_of_a_pair_names_both(pair: tuple[Path, Path], named: int) -> None:
    file = read_model_file(pair[named])
    assert file.path == pair[0]
    assert file.spec.labels == ("left", "right", "still")
    assert file.spec.variant == "onnx"
    assert file.size_bytes == sum(path.stat().st_size for path in pair)
    for path, network in zip(pair, file.networks, strict=True):
        content = path.read_bytes()
        assert content.startswith(network)
        # What follows the network is its metadata, packed again byte for byte.
        assert pack_onnx_file(network, file.spec) == content


def test_pair_and_tflite_file_say_the_same(pair: tuple[Path, Path]) -> None:
    ours = read_model_file(pair[0]).spec
    tflite = read_model_file(ASSETS / "tiny-float32.tflite").spec
    same = {"variant": "onnx", "min_runtime": "", "model_bytes": 0, "model_sha256": ""}
    assert ours.with_(**same) == tflite.with_(**same)


@pytest.mark.parametrize("missing", [0, 1])
def test_pair_without_its_partner_is_refused(pair: tuple[Path, Path], missing: int) -> None:
    pair[missing].unlink()
    with pytest.raises(ModelFileError, match=rf"{PAIR[missing]} cannot be read: No such file"):
        read_model_file(pair[1 - missing])


def test_mismatched_pair_is_refused(pair: tuple[Path, Path]) -> None:
    shutil.copy(ASSETS / "tiny-onnx-int8.classify.onnx", pair[1])
    with pytest.raises(ModelFileError, match="belong to different models"):
        read_model_file(pair[0])


@pytest.mark.parametrize("damaged", [0, 1])
def test_changed_byte_in_a_pair_is_noticed(pair: tuple[Path, Path], damaged: int) -> None:
    content = bytearray(pair[damaged].read_bytes())
    position = content.index(b"Conv" if damaged == 0 else b"Softmax")
    content[position] ^= 1
    pair[damaged].write_bytes(content)
    with pytest.raises(ModelFileError, match=f"{PAIR[damaged]} was changed or damaged"):
        read_model_file(pair[0])


@pytest.mark.parametrize("damaged", [0, 1])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99, 0.9999])
def test_cut_pairs_are_refused(pair: tuple[Path, Path], damaged: int, share: float) -> None:
    content = pair[damaged].read_bytes()
    pair[damaged].write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelFileError, match=f"{PAIR[damaged]} is not an ONNX file with"):
        read_model_file(pair[0])


def test_foreign_onnx_files_are_refused(pair: tuple[Path, Path]) -> None:
    foreign = pair[0].rename(pair[0].with_name("foreign.onnx"))
    with pytest.raises(ModelFileError, match=r"foreign.onnx should be one of a pair.*--onnx"):
        read_model_file(foreign)
    for content in (read_model_file(ASSETS / PAIR[0]).networks[0], b"no network"):
        pair[0].write_bytes(content)
        with pytest.raises(ModelFileError, match="not an ONNX file with a har-edge spec"):
            read_model_file(pair[1])
