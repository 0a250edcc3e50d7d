"""Keras to TFLite, as a program of its own: `python -m har_convert.to_tflite JOB`.

TensorFlow's converter logs to the terminal from native code and can crash there. In its own
process both are contained: its noise goes to `convert.log`, a crash becomes a message.

JOB is a folder with `job.json`: run (folder), data (folder or null), variants, limit. The
program leaves `<variant>.tflite`, `min_runtime.json` and `reference.npy` there, the Keras
model's probabilities on the clips of `iter_clips`, and prints a line for every step.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_convert.ptq import prepare
from har_convert.run_folder import LabelledClip, Run, iter_clips, load_run

LOG_NAME = "convert.log"
SIGNATURE_KEYS = ["encode", "classify"]


def main() -> None:
    """Do one job; tracebacks go to the log, the last line of one to the parent."""
    job = Path(sys.argv[1])
    say = _redirect(job / LOG_NAME)
    settings = json.loads((job / "job.json").read_text(encoding="utf-8"))
    run = load_run(Path(settings["run"]), settings["data"])
    say("loading the Keras model")
    encoder, classifier = load_parts(run)
    held_out = run.held_out(settings["limit"])
    say("running the Keras model for comparison")
    parts = [predict(encoder, classifier, clip) for clip in iter_clips(run, held_out)]
    np.save(job / "reference.npy", np.concatenate(parts))
    min_runtime = {}
    for variant in settings["variants"]:
        say(f"converting to {variant}")
        content = make_variant(encoder, classifier, run, variant)
        (job / f"{variant}.tflite").write_bytes(content)
        min_runtime[variant] = read_min_runtime(content)
    (job / "min_runtime.json").write_text(json.dumps(min_runtime), encoding="utf-8")


def _redirect(log: Path) -> Callable[[str], None]:
    """Send everything that is printed to the log; give a function that reaches the parent."""
    parent = os.fdopen(os.dup(1), "w", encoding="utf-8")
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)

    def say(line: str) -> None:
        parent.write(line + "\n")
        parent.flush()

    return say


def load_parts(run: Run) -> tuple[Any, Any]:
    """Load the Keras model and take it apart into frame encoder and temporal head.

    Raises:
        ValueError: if it is another model than the spec says.
    """
    import keras

    model = keras.models.load_model(run.model_path, compile=False)
    encoder, classifier = model.get_layer("frames").layer, model.get_layer("classify")
    clip = run.spec.clip
    expected = (None, *clip.frame_shape), (None, clip.num_frames, run.spec.feature_size)
    if (encoder.input_shape, classifier.input_shape) != expected:
        raise ValueError(
            f"model.keras does not fit spec.json: expected inputs {expected}, "
            f"received {(encoder.input_shape, classifier.input_shape)}"
        )
    return encoder, classifier


def export(encoder: Any, classifier: Any, run: Run, folder: str) -> None:
    """Write a SavedModel with the two signatures, batch fixed to 1."""
    import keras
    import tensorflow as tf

    clip = run.spec.clip
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.track(classifier)
    archive.add_endpoint(
        "encode",
        lambda frame: {"features": encoder(frame, training=False)},
        input_signature=[tf.TensorSpec((1, *clip.frame_shape), tf.float32, name="frame")],
    )
    shape = (1, clip.num_frames, run.spec.feature_size)
    archive.add_endpoint(
        "classify",
        lambda features: {"probabilities": classifier(features, training=False)},
        input_signature=[tf.TensorSpec(shape, tf.float32, name="features")],
    )
    archive.write_out(folder, verbose=False)


def make_variant(encoder: Any, classifier: Any, run: Run, variant: str) -> bytes:
    """Export and quantize one variant; the Keras model is left as it is for the next one."""
    import keras

    stem = ""
    if variant == "int8":
        weights = encoder.get_weights()
        encoder = keras.models.clone_model(encoder)
        encoder.set_weights(weights)
        stem = prepare(encoder, run.representative().frames)
    with tempfile.TemporaryDirectory() as saved_model:
        export(encoder, classifier, run, saved_model)
        return quantize(saved_model, variant, _calibration(encoder, run), float_until=stem)


Calibration = Iterator[tuple[str, dict[str, NDArray[np.float32]]]]


def _calibration(encoder: Any, run: Run) -> Callable[[], Calibration]:
    """Representative dataset: real frames for `encode`, real feature windows for `classify`."""
    clip = run.representative()
    frames = clip.frames.astype(np.float32)
    features = encode(encoder, clip)
    # One frame reaches black and white, so that the input's range is 0..255 to the digit and
    # the int8 file takes pixels as they are (scale 1, zero point 0).
    widest = frames[:1].copy()
    widest[0, 0, 0], widest[0, 0, 1] = 0, 255

    def representative() -> Calibration:
        for frame in (*np.split(frames, len(frames)), widest):
            yield "encode", {"frame": frame}
        for window in clip.windows:
            yield "classify", {"features": features[window][np.newaxis]}

    return representative


def quantize(
    saved_model: str, variant: str, calibration: Callable[[], Calibration], *, float_until: str = ""
) -> bytes:
    """Turn a SavedModel into a flatbuffer of one variant. The quantizer is replaced here.

    Args:
        saved_model: Folder with the signatures `encode` and `classify`.
        variant: `float32` or `int8`.
        calibration: Gives the representative dataset.
        float_until: Layer of the encoder up to which int8 leaves the ops in float, or "".
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=SIGNATURE_KEYS)
    if variant == "float32":
        return bytes(converter.convert())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    # The converter's public switches know no exceptions by layer; its two halves do.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    return bytes(
        mlir_quantize(
            calibrated,
            input_data_type=tf.uint8,
            denylisted_nodes=_ops_until(calibrated, float_until) if float_until else [],
        )
    )


def _ops_until(content: bytes, layer: str) -> list[str]:
    """Names of the ops of `encode` up to the last one that a layer became part of."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = next(g for g in model.subgraphs if g.name == b"encode")
    names = [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
    # An op that swallowed several layers is named after all of them.
    last = max((i for i, name in enumerate(names) if f"/{layer}_" in f"{name}_"), default=-1)
    return names[: last + 1]


def encode(encoder: Any, clip: LabelledClip, batch: int = 32) -> NDArray[np.float32]:
    """Encode a clip's frames with Keras, (N, D)."""
    starts = range(0, len(clip.frames), batch)
    parts = [
        encoder.predict_on_batch(clip.frames[i : i + batch].astype(np.float32)) for i in starts
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def predict(encoder: Any, classifier: Any, clip: LabelledClip) -> NDArray[np.float32]:
    """Classify a clip's windows with Keras, (M, C)."""
    return np.asarray(classifier.predict_on_batch(encode(encoder, clip)[clip.windows]))


def read_min_runtime(content: bytes) -> str:
    """Read the oldest TensorFlow runtime that knows all ops, as the converter recorded it."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for entry in model.metadata or ():
        if entry.name == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode("ascii")
    return ""


if __name__ == "__main__":
    main()
