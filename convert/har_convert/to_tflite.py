"""Keras to TFLite: export the two signatures, quantize the result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from har_convert.recipe import Recipe
from har_edge.spec import ModelSpec

SIGNATURE_KEYS = ["encode", "classify"]

# Pairs of a signature and its inputs, batch 1.
Calibration = Iterator[tuple[str, dict[str, NDArray[np.float32]]]]


def export(encoder: Any, classifier: Any, spec: ModelSpec, folder: str) -> None:
    """Write a SavedModel with the two signatures, batch fixed to 1."""
    import keras
    import tensorflow as tf

    clip = spec.clip
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.track(classifier)
    archive.add_endpoint(
        "encode",
        lambda frame: {"features": encoder(frame, training=False)},
        input_signature=[tf.TensorSpec((1, *clip.frame_shape), tf.float32, name="frame")],
    )
    shape = (1, clip.num_frames, spec.feature_size)
    archive.add_endpoint(
        "classify",
        lambda features: {"probabilities": classifier(features, training=False)},
        input_signature=[tf.TensorSpec(shape, tf.float32, name="features")],
    )
    archive.write_out(folder, verbose=False)


def quantize(
    saved_model: str,
    recipe: Recipe,
    calibration: Callable[[], Calibration],
    stem: Collection[str] = (),
) -> bytes:
    """Turn a SavedModel into a flatbuffer. The quantizer is replaced here.

    Args:
        saved_model: Folder with the signatures `encode` and `classify`.
        recipe: What to make of it.
        calibration: Gives the representative dataset.
        stem: Layers of the encoder that int8 leaves in float.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=SIGNATURE_KEYS)
    if recipe.variant == "float32":
        return bytes(converter.convert())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())
    if recipe.variant == "dynamic":
        # Per channel, dense layers need an op version that tflite-runtime 2.14 does not know.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        return bytes(converter.convert())
    converter.representative_dataset = calibration
    if recipe.variant == "int16":
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide, tf.lite.OpsSet.TFLITE_BUILTINS]
        return bytes(converter.convert())
    # The converter's public switches know no exceptions by layer; its two halves do.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    floats = _float_ops(calibrated, recipe, stem)
    return bytes(mlir_quantize(calibrated, input_data_type=tf.uint8, denylisted_nodes=floats))


def _float_ops(content: bytes, recipe: Recipe, stem: Collection[str]) -> list[str]:
    """Names of the ops that stay in float."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    names = {
        graph.name: [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
        for graph in model.subgraphs
    }
    encode = names[b"encode"]
    # An op that swallowed several layers is named after all of them.
    last = max((i for i, name in enumerate(encode) if _is_of(name, stem)), default=-1)
    chosen = encode[: last + 1] + [n for n in encode[last + 1 :] if _is_of(n, recipe.float_layers)]
    return chosen + (names[b"classify"] if recipe.float_classify else [])


def _is_of(op: str, layers: Collection[str]) -> bool:
    """Whether one of some layers became part of an op."""
    return any(f"/{layer}_" in f"{op}_" for layer in layers)
