"""Model files without `encode`, in every runtime."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import BackendError, HarError, ModelFileError
from har_edge.machine import golden
from har_edge.machine.golden import check_golden, draw_rows, golden_key, golden_numbers
from har_edge.machine.thread_choice import choose_num_threads
from har_edge.model.file import (
    model_in_folder,
    models_in,
    pack_model_file,
    pack_onnx_file,
    read_model_file,
)
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.runtimes import ONNX_RUNTIME, available_backends, load_backend
from har_edge.model.spec import HeadInput
from har_edge.model.trial import try_model
from tests.conftest import ASSETS
from tests.support.mutants import POSES, with_spec

NAMES = ("tiny-pose-float32.tflite", "tiny-pose-int8.tflite", "tiny-pose-onnx.classify.onnx")
# What they say of `draw_rows(4, 45)`, on every machine and runtime.
ANSWER = (0.0036, 0.0115, 0.9849)
INT8 = ASSETS / NAMES[1]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    """A file that some runtime here takes."""
    if request.param.endswith(".onnx") and ONNX_RUNTIME not in available_backends():
        pytest.skip("onnxruntime is not installed")
    return ASSETS / request.param


def test_a_window_gives_what_it_gave(path: Path) -> None:
    onnx = path.suffix == ".onnx"
    for backend in available_backends():
        if (backend == ONNX_RUNTIME) != onnx:
            continue
        model = load_model(path, backend=backend)
        found = model.classify(draw_rows(4, 45))
        assert np.abs(found - ANSWER).max() < (0.03 if "int8" in path.name else 0.001)


def test_rows_are_drawn_the_same_everywhere() -> None:
    rows = draw_rows(2, 18)
    assert rows.dtype == np.float32
    assert (8 * rows[0]).tolist() == [(7 * i) % 17 - 8 for i in range(18)]
    assert (8 * rows[1]).tolist() == [(3 + 8 * i) % 17 - 8 for i in range(18)]


def test_there_is_nothing_to_encode(path: Path) -> None:
    model = load_model(path)
    assert set(model.backend.shapes) == {"classify"}  # type: ignore[attr-defined]
    frame = np.zeros(model.spec.clip.frame_shape, np.uint8)
    for encode in (model.encode, model.backend.encode):
        with pytest.raises(BackendError, match=r"has no encode.*Received a frame of shape.*Give"):
            encode(frame)


def test_a_file_is_tried_before_it_is_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAR_CACHE_DIR", str(tmp_path / "cache"))
    try_model(path)
    assert len(list((tmp_path / "cache" / "tried").iterdir())) == 1


@pytest.mark.parametrize("inputs", [("pose",), ("motion",)])
def test_a_spec_of_other_rows_is_refused(
    path: Path, inputs: tuple[HeadInput, ...], tmp_path: Path
) -> None:
    file = read_model_file(path)
    spec = file.spec.with_(head_inputs=inputs)
    pack = pack_onnx_file if file.is_onnx else pack_model_file
    (tmp_path / path.name).write_bytes(pack(file.networks[0], spec))
    with pytest.raises(ModelFileError, match="by its spec, classify has a tensor of shape"):
        load_model(tmp_path / path.name)


def test_spec_and_signatures_must_fit_each_other(tmp_path: Path) -> None:
    """Neither is an encoder passed over that the spec denies, nor is one missed that it names."""
    poses, whole = read_model_file(INT8), read_model_file(ASSETS / "tiny-int8.tflite")
    (tmp_path / "a.tflite").write_bytes(pack_model_file(whole.flatbuffer, poses.spec))
    with pytest.raises(BackendError, match=r"no signature but classify. Received .*encode"):
        load_model(tmp_path / "a.tflite")
    (tmp_path / "b.tflite").write_bytes(pack_model_file(poses.flatbuffer, whole.spec))
    with pytest.raises(BackendError, match="should have a signature encode"):
        load_model(tmp_path / "b.tflite")


def test_an_onnx_file_stands_alone(tmp_path: Path) -> None:
    alone = Path(shutil.copy(ASSETS / NAMES[2], tmp_path))
    file = read_model_file(alone)
    assert (file.path, len(file.networks)) == (alone, 1)
    assert models_in(tmp_path) == [alone]
    assert model_in_folder(tmp_path) == alone
    with pytest.raises(BackendError, match=r"litert cannot run this kind.*onnxruntime"):
        load_backend(file.networks, backend="litert", signatures=("classify",))
    # What is called `encode` but says that there is none belongs to no model.
    stray = tmp_path / NAMES[2].replace(".classify.", ".encode.")
    shutil.copy(alone, stray)
    with pytest.raises(ModelFileError, match="belong to different models"):
        read_model_file(stray)


def test_half_a_pair_is_still_refused(tmp_path: Path) -> None:
    shutil.copy(ASSETS / "tiny-onnx.classify.onnx", tmp_path)
    with pytest.raises(ModelFileError, match=r"tiny-onnx\.encode\.onnx cannot be read"):
        read_model_file(tmp_path / "tiny-onnx.classify.onnx")


def test_damaged_specs_are_refused(tmp_path: Path) -> None:
    assert {path.name for path in POSES} == set(NAMES)
    for text in ('"feature_size": 8', '"feature_size": null', '"feature_size": false'):
        spec = read_model_file(INT8).spec.to_json().replace('"feature_size": 0', text)
        path = tmp_path / "a.tflite"
        path.write_bytes(with_spec(INT8, spec))
        with pytest.raises(HarError, match="feature_size must be 0"):
            read_model_file(path)


def test_a_golden_window_stands_for_the_golden_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    model = load_model(INT8)
    assert check_golden(model) is None
    numbers = {golden_key(model): golden_numbers(model)}
    (tmp_path / "golden.json").write_text(json.dumps(numbers), encoding="utf-8")
    monkeypatch.setattr(golden, "GOLDEN", tmp_path / "golden.json")
    result = check_golden(model)
    assert result is not None
    assert result.passed
    assert result.frame_ms > 0

    def wrong(self: LoadedModel, window: np.ndarray) -> np.ndarray:
        return np.array([0.2, 0.3, 0.5], np.float32)

    monkeypatch.setattr(LoadedModel, "classify", wrong)
    result = check_golden(model)
    assert result is not None
    assert not result.passed


def test_threads_are_chosen_by_classify(tmp_path: Path) -> None:
    choice = choose_num_threads(INT8, cache=tmp_path / "threads.json")
    assert choice.measured
    assert choice.num_threads >= 1
    assert all(ms > 0 for ms in choice.median_ms.values())
