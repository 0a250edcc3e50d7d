"""Taking the Keras model apart, and what the flatbuffers take in."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from har_convert.run_folder import Run, iter_clips, load_run
from har_convert.to_tflite import _calibration, encode, load_parts, predict, read_min_runtime
from har_edge.model_file import read_model_file

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

Converted = tuple[Path, "CompletedProcess[str]"]


def test_parts_make_up_the_model(run: Run) -> None:
    import keras

    encoder, classifier = load_parts(run)
    model = keras.models.load_model(run.model_path, compile=False)
    for clip in iter_clips(run, run.held_out(3)):
        expected = model.predict_on_batch(clip.frames[clip.windows].astype(np.float32))
        assert np.abs(predict(encoder, classifier, clip) - expected).max() < 1e-5
        features = encode(encoder, clip, batch=2)
        assert features.shape == (len(clip.frames), run.spec.feature_size)


def test_batches_do_not_change_the_features(run: Run) -> None:
    encoder, _ = load_parts(run)
    clip = run.representative()
    one_by_one = [
        encoder.predict_on_batch(f[np.newaxis].astype(np.float32))[0] for f in clip.frames
    ]
    assert np.abs(encode(encoder, clip, batch=7) - np.stack(one_by_one)).max() < 1e-5


def test_model_that_does_not_fit_its_spec_is_refused(copied_run: Path) -> None:
    spec = json.loads((copied_run / "spec.json").read_text(encoding="utf-8"))
    spec["clip"]["height"] = 64
    (copied_run / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(ValueError, match=r"does not fit spec.json.*64.*received"):
        load_parts(load_run(copied_run))


def test_calibration_spans_black_to_white(run: Run) -> None:
    encoder, _ = load_parts(run)
    given = list(_calibration(encoder, run)())
    frames = [inputs["frame"] for name, inputs in given if name == "encode"]
    windows = [inputs["features"] for name, inputs in given if name == "classify"]
    clip = run.representative()
    assert len(frames) == len(clip.frames) + 1
    assert np.array_equal(np.concatenate(frames[:-1]), clip.frames.astype(np.float32))
    assert (frames[-1].min(), frames[-1].max()) == (0, 255)
    assert {frame.shape for frame in frames} == {(1, 32, 32, 3)}
    features = encode(encoder, clip)
    assert np.array_equal(np.concatenate(windows), features[clip.windows])


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_inputs_of_the_files(variant: str, converted: Converted) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = read_model_file(converted[0] / f"colours-{variant}.tflite").flatbuffer
    interpreter = Interpreter(model_content=content)
    frame = interpreter.get_signature_runner("encode").get_input_details()["frame"]
    assert frame["shape"].tolist() == [1, 32, 32, 3]
    if variant == "int8":
        assert frame["dtype"] is np.uint8
        assert frame["quantization"] == (1.0, 0)  # pixels as they are
    else:
        assert frame["dtype"] is np.float32
    assert interpreter.get_signature_list().keys() == {"encode", "classify"}


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_files_hold_builtin_ops_and_no_loop(variant: str, converted: Converted) -> None:
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator
    from tensorflow.lite.tools import flatbuffer_utils

    content = read_model_file(converted[0] / f"colours-{variant}.tflite").flatbuffer
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    ops = {max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes}
    assert ops > {BuiltinOperator.CONV_2D, BuiltinOperator.SOFTMAX}
    assert not ops & {BuiltinOperator.WHILE, BuiltinOperator.CUSTOM}
    assert (BuiltinOperator.QUANTIZE in ops) == (variant == "int8")


def test_oldest_runtime_is_recorded(converted: Converted) -> None:
    file = read_model_file(converted[0] / "colours-float32.tflite")
    version = read_min_runtime(file.flatbuffer)
    assert [part.isdigit() for part in version.split(".")] == [True, True, True]
    assert file.spec.min_runtime == f"TensorFlow Lite {version}"
