"""Loaded models: spec and network belong together, answers are numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import BackendError, ModelFileError
from har_edge.model.file import pack_model_file, pack_onnx_file, read_model_file
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ModelSpec
from tests.conftest import ASSETS

TINY = ASSETS / "tiny-float32.tflite"


class _Answers:
    """A backend that gives what it was told to."""

    name, version = "scripted", "1"

    def __init__(self, row: list[float]) -> None:
        self.row = np.array([row], np.float32)

    def encode(self, frame: object) -> np.ndarray:
        return self.row

    classify = encode


@pytest.mark.parametrize("change", ["labels", "feature_size", "num_frames", "height", "width"])
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_specs_that_do_not_fit_their_network_are_refused(
    tmp_path: Path, change: str, kind: str
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    source = TINY if kind == "tflite" else ASSETS / "tiny-onnx.encode.onnx"
    file = read_model_file(source)
    spec = _changed(file.spec, change)
    if kind == "tflite":
        path = tmp_path / "other.tflite"
        path.write_bytes(pack_model_file(file.flatbuffer, spec))
    else:
        path = tmp_path / "other.encode.onnx"
        path.write_bytes(pack_onnx_file(file.networks[0], spec))
        (tmp_path / "other.classify.onnx").write_bytes(pack_onnx_file(file.networks[1], spec))
    with pytest.raises(ModelFileError, match="by its spec"):
        load_model(path)


def _changed(spec: ModelSpec, change: str) -> ModelSpec:
    if change == "labels":
        return spec.with_(labels=("left", "right"))
    if change == "feature_size":
        return spec.with_(feature_size=spec.feature_size + 1)
    return spec.with_(clip=replace(spec.clip, **{change: getattr(spec.clip, change) + 1}))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_answers_that_are_not_finite_are_refused(bad: float) -> None:
    spec = load_model(TINY).spec
    frame = np.zeros(spec.clip.frame_shape, np.uint8)
    window = np.zeros((spec.clip.num_frames, spec.feature_size), np.float32)
    model = LoadedModel(spec, TINY, 0, _Answers([bad] * spec.feature_size))
    with pytest.raises(BackendError, match="finite"):
        model.encode(frame)
    model = LoadedModel(spec, TINY, 0, _Answers([bad] * len(spec.labels)))
    with pytest.raises(BackendError, match="finite"):
        model.classify(window)
    model = LoadedModel(spec, TINY, 0, _Answers([0.5]))
    with pytest.raises(BackendError, match="should give 3 numbers"):
        model.classify(window)
