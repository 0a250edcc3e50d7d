"""Make the two tiny model files beside this script; needs the convert extra.

    python tests/assets/make_tiny_models.py

Untrained, four frames of 32 x 32 pixels, three labels: enough to test everything that is not
accuracy, in kilobytes.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

from har_convert.run_folder import LabelledClip
from har_convert.to_tflite import _calibration, export, quantize
from har_edge.model_file import pack_model_file
from har_edge.spec import ClipSpec, ModelSpec

CLIP = ClipSpec(num_frames=4, frame_rate_hz=5.0, height=32, width=32)
SPEC = ModelSpec("tiny", ("left", "right", "still"), CLIP, feature_size=8, license="MIT")


def main() -> None:
    keras.utils.set_random_seed(7)
    layers = keras.layers
    frame = keras.Input(CLIP.frame_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1)(frame)
    x = layers.Conv2D(8, 5, strides=3, activation="relu")(x)
    encoder = keras.Model(frame, layers.GlobalAveragePooling2D()(x))
    features = keras.Input((4, 8))
    x = layers.LSTM(6, unroll=True)(features)
    classifier = keras.Model(features, layers.Dense(3, activation="softmax")(8 * x))
    random = np.random.default_rng(0)
    # Patches of flat colour, for noise alone averages out to the same features everywhere.
    frames = random.integers(0, 256, (16, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    windows = np.arange(16).reshape(4, 4)
    run = SimpleNamespace(spec=SPEC, representative=lambda: LabelledClip(frames, windows, ""))
    for variant in ("float32", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            export(encoder, classifier, run, folder)
            content = quantize(folder, variant, _calibration(encoder, run))
        spec = SPEC.with_(variant=variant)
        path = Path(__file__).with_name(f"tiny-{variant}.tflite")
        path.write_bytes(pack_model_file(content, spec))


if __name__ == "__main__":
    main()
