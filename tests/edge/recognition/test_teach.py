"""Teaching by files: bound to a model, whole or refused, with the light installation."""

from __future__ import annotations

import io
import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.errors import DataError, OutputError
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.file import BUNDLED
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.recognition.recognizer import Recognizer
from har_edge.recognition.taught import NOTHING, Background, Taught, describe, report
from har_edge.recognition.taught_file import (
    changing,
    default_taught_path,
    described_size,
    load_taught,
    packaged_background,
    read_taught,
    write_taught,
)
from har_edge.recognition.teach import forget, record_windows, teach
from har_edge.sources.files import ImageSource
from har_edge.sources.open import open_source
from tests.conftest import ASSETS, MakeVideo, RunCommand


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load_model(ASSETS / "tiny-int8.tflite")


@pytest.fixture
def known(tiny: LoadedModel) -> Taught:
    """Two actions of random numbers."""
    random = np.random.default_rng(0)
    size = described_size(tiny)
    taught = Taught(tiny.spec.model_sha256, Background.of(random.random((100, size), np.float32)))
    for name in ("waving", "hüpfen"):
        taught = taught.with_action(name, random.random((4, size), np.float32))
    return taught


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_bring_their_background(name: str) -> None:
    """Fails when a bundled model is replaced without: har-bench experiment teach background."""
    model = load_model(name)
    background = packaged_background(model)
    assert background is not None
    assert background.mean.shape == (described_size(model),)
    products = background.directions @ background.directions.T
    assert np.abs(products - np.eye(len(products))).max() < 0.01


def test_what_is_written_is_read(tmp_path: Path, tiny: LoadedModel, known: Taught) -> None:
    path = tmp_path / "new" / "taught.npz"
    write_taught(tiny, known, path)
    again = read_taught(tiny, path)
    assert again.names == ("waving", "hüpfen")
    for name in again.names:
        assert (again.windows[name] == known.windows[name]).all()
    window = known.windows["waving"][0]
    assert again.evidence(window) == pytest.approx(known.evidence(window), abs=0.05)
    assert list(path.parent.iterdir()) == [path]


def test_a_taught_model_knows_more_labels(tmp_path: Path, tiny: LoadedModel, known: Taught) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    model = load_taught(tiny, path)
    assert model.spec.labels == (*tiny.spec.labels, "waving", "hüpfen")
    random = np.random.default_rng(1)
    recognizer, plain = Recognizer(model), Recognizer(tiny)
    for i in range(6):
        frame = Frame(random.integers(0, 256, (40, 40, 3), np.uint8), i / 5, i, "s", 0.0)
        found, before = recognizer.push(frame), plain.push(frame)
    assert found is not None and before is not None
    assert found.probabilities.shape == (len(found.labels),) == (len(before.labels) + 2,)
    originals = found.probabilities[: len(before.labels)]
    assert originals / originals.sum() == pytest.approx(before.probabilities, abs=0.01)


def test_features_of_another_model_are_refused(
    tmp_path: Path, tiny: LoadedModel, known: Taught
) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    with pytest.raises(DataError, match="taught to another model"):
        load_taught(load_model(ASSETS / "tiny-float32.tflite"), path)


def test_each_model_has_a_file_of_its_own(
    tmp_path: Path, tiny: LoadedModel, known: Taught, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_taught(tiny) is tiny
    write_taught(tiny, known, default_taught_path(tiny))
    assert load_taught(tiny).spec.labels[-2:] == known.names
    other = load_model(ASSETS / "tiny-float32.tflite")
    assert load_taught(other) is other
    with pytest.raises(DataError, match="no file of taught actions"):
        load_taught(tiny, tmp_path / "none.npz")


@pytest.mark.parametrize("keep", [0, 10, 300, 0.5, 0.95])
def test_a_file_that_was_cut_short_is_refused(
    tmp_path: Path, tiny: LoadedModel, known: Taught, keep: float
) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(DataError, match="Teach them again"):
        read_taught(tiny, path)


def test_flipped_bits_never_crash(tmp_path: Path, tiny: LoadedModel, known: Taught) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    content = path.read_bytes()
    refused = 0
    for place in np.random.default_rng(0).integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_taught(tiny, path)
        except DataError:
            refused += 1
    assert refused > 150  # all but those in fields that nobody reads


def test_pickles_are_refused(tmp_path: Path, tiny: LoadedModel) -> None:
    path = tmp_path / "taught.npz"
    np.savez(path, about=np.array([{"names": []}], dtype=object))
    with pytest.raises(DataError, match="Teach them again"):
        read_taught(tiny, path)


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LYING = b"\x93NUMPY\x01\x00v\x00" + (
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,), }".ljust(117) + b"\n"
)


@pytest.mark.parametrize(
    ("name", "content", "method"),
    [
        ("mean", npy(np.zeros(80_000_000, np.float32)), zipfile.ZIP_DEFLATED),  # much in little
        ("mean", npy(np.zeros(100)), zipfile.ZIP_BZIP2),  # unpacks all there is at once
        ("mean", LYING, zipfile.ZIP_STORED),
        ("mean", npy(np.zeros(16, "O")), zipfile.ZIP_STORED),  # pointers
        ("mean", npy(np.zeros(16, "M8[s]")), zipfile.ZIP_STORED),
        ("about", npy(np.array("[" * 100_000)), zipfile.ZIP_STORED),
        ("about", npy(np.array('{"names": ["a", "a"]}')), zipfile.ZIP_STORED),
        ("about", b"", zipfile.ZIP_STORED),
    ],
)
def test_hostile_arrays_are_refused(
    tmp_path: Path, tiny: LoadedModel, known: Taught, name: str, content: bytes, method: int
) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for entry, whole in {**parts, f"{name}.npy": content}.items():
            archive.writestr(entry, whole)
    del parts, content
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="Teach them again"):
            read_taught(tiny, path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_numbers_that_lead_to_none_are_refused(
    tmp_path: Path, tiny: LoadedModel, known: Taught
) -> None:
    """Finite numbers whose products are not."""
    background = known.background
    known = replace(known, background=replace(background, residual=1e-38))
    known.windows["waving"][:] = 3e38
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    model = load_taught(tiny, path)
    window = np.zeros((tiny.spec.clip.num_frames, tiny.spec.feature_size), np.float32)
    with pytest.raises(DataError, match="by numbers"):
        model.classify(window)


def test_two_lessons_at_once(tmp_path: Path, tiny: LoadedModel, known: Taught) -> None:
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    before = path.read_bytes()
    (tmp_path / f".taught.npz.{'0' * 16}.partial").touch()  # what a kill left
    with changing(path):
        assert [p.name for p in tmp_path.glob("*.partial")] == []
        with pytest.raises(OutputError, match="one process at a time"):
            teach(tiny, "new", [], path, duration_s=1.0)
        with pytest.raises(OutputError, match="one process at a time"):
            forget(tiny, "waving", path)
    assert path.read_bytes() == before
    forget(tiny, "waving", path)
    assert read_taught(tiny, path).names == ("hüpfen",)
    assert [p.name for p in tmp_path.iterdir()] == ["taught.npz"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(
    tmp_path: Path, tiny: LoadedModel, known: Taught, value: float
) -> None:
    known.windows["waving"][0, 0] = value
    path = tmp_path / "taught.npz"
    write_taught(tiny, known, path)
    with pytest.raises(DataError, match="finite numbers"):
        read_taught(tiny, path)


def test_a_file_that_cannot_be_written_is_said(
    tmp_path: Path, tiny: LoadedModel, known: Taught
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--taught FILE"):
        write_taught(tiny, known, tmp_path / "file" / "taught.npz")


def test_windows_of_a_video(make_video: MakeVideo, tiny: LoadedModel) -> None:
    """50 frames at 25 Hz are 10 at 5 Hz: 7 windows of 4, of which one starts each frame."""
    path = make_video()
    assert tiny.spec.clip.frame_rate_hz == 5
    windows = record_windows(tiny, open_source(path), duration_s=10)
    assert windows.shape == (7, described_size(tiny))
    assert record_windows(tiny, open_source(path), duration_s=0.9).shape[0] == 2
    assert record_windows(tiny, open_source(path), duration_s=0.1).shape[0] == 1


def test_no_window_spans_a_gap(tiny: LoadedModel) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 32, 32, 3), np.uint8)

    class Lost:
        name, live, duration_s = "camera", True, None

        def frames(self, sampler: FrameSampler) -> Generator[Frame, None, None]:
            for i, picture in enumerate(pixels):
                yield Frame(picture, i / 5, i, "camera", 0.0, after_gap=i == 6)

        def stop(self) -> None:
            pass

    features = [tiny.encode(picture) for picture in pixels]
    expected = [describe(np.stack(features[i : i + 4])) for i in (0, 1, 2, 6, 7, 8)]
    assert (record_windows(tiny, Lost(), duration_s=9) == np.stack(expected)).all()


def test_a_still_model_takes_pictures(tmp_path: Path) -> None:
    model = load_model(ASSETS / "tiny-still-int8.tflite")
    path = tmp_path / "red.png"
    pixels = np.full((32, 32, 3), (200, 10, 10), np.uint8)
    Image.fromarray(pixels).save(path)
    windows = record_windows(model, ImageSource(path), duration_s=1)
    assert (windows == describe(model.encode(pixels)[np.newaxis])).all()


@pytest.mark.parametrize("name", ["", " a", "a\nb", "x" * 61, "unknown"])
def test_names_that_cannot_be_are_refused(tmp_path: Path, tiny: LoadedModel, name: str) -> None:
    with pytest.raises(DataError, match=r"name of an action|already knows"):
        teach(tiny, name, [], tmp_path / "t.npz", duration_s=1)


def test_the_model_s_own_actions_cannot_be_taught(tmp_path: Path, tiny: LoadedModel) -> None:
    with pytest.raises(DataError, match="already knows"):
        teach(tiny, tiny.spec.labels[0], [], tmp_path / "t.npz", duration_s=1)


def test_a_model_without_background_says_what_it_needs(
    tmp_path: Path, make_video: MakeVideo, tiny: LoadedModel
) -> None:
    source = open_source(make_video())
    with pytest.raises(DataError, match="--background FOLDER"):
        teach(tiny, "new", [source], tmp_path / "t.npz", duration_s=9)
    long = make_video("long.mp4", count=250)
    taught = teach(
        tiny, "new", [source], tmp_path / "t.npz", duration_s=9, background=[open_source(long)]
    )
    assert taught.names == ("new",)
    # The file has the background now.
    taught = teach(tiny, NOTHING, [open_source(long)], tmp_path / "t.npz", duration_s=9)
    assert taught.names == ("new",)
    assert "not an action" in report(taught, NOTHING)


def test_teach_list_run_forget(
    har_edge: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    samples = Path(load_model("har15").path).parents[2] / "samples"
    shutil.copy(samples / "falling.mp4", tmp_path)
    result = har_edge("teach", "tumbling", "falling.mp4")
    assert result.returncode == 0, result.stderr
    assert "Learned 'tumbling' from" in result.stderr
    listed = har_edge("teach", "--list")
    assert listed.stdout.split("\t")[0] == "tumbling"
    (file,) = (tmp_path / "data" / "har-edge" / "taught").iterdir()
    about = json.loads(str(np.load(file, allow_pickle=False)["about"]))
    assert about["names"] == ["tumbling"]
    result = har_edge("teach", "--forget", "running")
    assert result.returncode == 1
    assert "Known: tumbling" in result.stderr
    assert har_edge("teach", "--forget", "tumbling").returncode == 0
    listed = har_edge("teach", "--list")
    assert (listed.returncode, listed.stdout) == (0, "")
    assert "har15 has not been taught anything yet." in listed.stderr


@pytest.mark.parametrize("arguments", [[], ["waving"], ["waving", "--duration", "0"]])
def test_usage(har_edge: RunCommand, arguments: list[str]) -> None:
    assert har_edge("teach", *arguments).returncode == 2
