"""Make the tiny model files beside this script; needs the convert extra.

    python tests/assets/make_tiny_models.py

Untrained, 32 x 32 pixels, three labels: enough to test everything that is not accuracy, in
kilobytes. `tiny` takes four frames and comes in every variant. `har-edge doctor` runs it, so it
lies in the package, and links here lead to it. `tiny-still` takes one, and comes in one graph for
MediaPipe too, as har_convert.mediapipe makes it. `tiny-pose` knows people by pose and motion, and
has no encoder.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from har_convert.clip import NO_FRAMES, LabelledClip
from har_convert.mediapipe import make
from har_convert.onnx.export import OPSET
from har_convert.recipe import VARIANTS, Recipe
from har_convert.tflite.flatbuffer import read_min_runtime
from har_convert.worker import Maker
from har_edge.model.file import pack_model_file, pack_onnx_file
from har_edge.model.spec import ClipSpec, ModelSpec, Variant

HERE = Path(__file__).parent
CLIP = ClipSpec(num_frames=4, frame_rate_hz=5.0, height=32, width=32)
SPEC = ModelSpec("tiny", ("left", "right", "still"), CLIP, feature_size=8, license="MIT")
STILL_CLIP = ClipSpec(num_frames=1, frame_rate_hz=5.0, height=32, width=32)
POSE_SPEC = SPEC.with_(
    name="tiny-pose", view="person", head_inputs=("pose", "motion"), feature_size=0
)
POSE_VARIANTS: tuple[Variant, ...] = ("float32", "int8", "onnx")


def main() -> None:
    make_models(SPEC, VARIANTS)
    still = SPEC.with_(name="tiny-still", clip=STILL_CLIP)
    make_models(still, ("int8",))
    make_single_graphs(still)
    make_pose_models()


def make_single_graphs(spec: ModelSpec) -> None:
    """Write one still-image network for MediaPipe."""
    maker = make_maker(spec)
    for variant in ("float32", "int8"):
        path = HERE / f"{spec.name}-mediapipe-{variant}.tflite"
        path.write_bytes(make(maker, variant))


def make_maker(spec: ModelSpec) -> Maker:
    """The network with what it is calibrated on; always the same one."""
    keras.utils.set_random_seed(7)
    num_frames = spec.clip.num_frames
    random = np.random.default_rng(0)
    # Patches of flat colour, for noise alone averages out to the same features everywhere.
    frames = random.integers(0, 256, (16, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    windows = np.arange(16).reshape(-1, num_frames)
    kept = LabelledClip(frames, windows, "")
    run: Any = SimpleNamespace(spec=spec, representative=lambda say: kept)
    return Maker(run, build_encoder(), build_classifier(num_frames))


def make_pose_models() -> None:
    """Write a head that knows people by pose and motion, calibrated on drawn rows."""
    keras.utils.set_random_seed(7)
    num_frames, size = POSE_SPEC.clip.num_frames, POSE_SPEC.row_size
    rows = np.random.default_rng(0).uniform(-2, 2, (16 * num_frames, size)).astype(np.float32)
    windows = np.arange(len(rows)).reshape(-1, num_frames)
    kept = LabelledClip(NO_FRAMES, windows, "", rows)
    run: Any = SimpleNamespace(spec=POSE_SPEC, representative=lambda say: kept)
    write_models(Maker(run, None, build_classifier(num_frames, size)), POSE_VARIANTS)


def make_models(spec: ModelSpec, variants: tuple[Any, ...]) -> None:
    """Write one network in several variants, as har-convert would."""
    write_models(make_maker(spec), variants)


def write_models(maker: Maker, variants: tuple[Variant, ...]) -> None:
    """Write what a maker makes."""
    spec = maker.run.spec
    for variant in variants:
        recipe = Recipe(variant)
        suffixes = recipe.suffixes(encodes=spec.encodes)
        for suffix, network in zip(suffixes, maker.make(recipe), strict=True):
            onnx = variant.startswith("onnx")
            oldest = f"TensorFlow Lite {read_min_runtime(network)}" if not onnx else ""
            own = spec.with_(variant=variant, min_runtime=oldest or f"ONNX opset {OPSET}")
            pack = pack_onnx_file if onnx else pack_model_file
            (HERE / f"{spec.name}-{variant}{suffix}").write_bytes(pack(network, own))


def build_encoder() -> Any:
    layers = keras.layers
    pixels = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 5, strides=3, activation="relu")(pixels)
    backbone = keras.Model(pixels, x)
    frame = keras.Input((32, 32, 3))
    x = backbone(layers.Rescaling(1 / 127.5, offset=-1)(frame), training=False)
    return keras.Model(frame, layers.GlobalAveragePooling2D()(x))


def build_classifier(num_frames: int, size: int = 8) -> Any:
    layers = keras.layers
    features = keras.Input((num_frames, size))
    x = layers.LSTM(6, unroll=True)(features)
    # So that the classes differ by more than rounding; what one frame leaves in the LSTM is less.
    scale = 8.0 if num_frames > 1 else 32.0
    return keras.Model(features, layers.Dense(3, activation="softmax")(scale * x))


if __name__ == "__main__":
    main()
