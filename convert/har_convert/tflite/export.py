"""Keras to a SavedModel with the two signatures, which the quantizer then takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from har_edge.model.spec import ModelSpec

if TYPE_CHECKING:
    import keras

SIGNATURE_KEYS = ["encode", "classify"]


def export(
    encoder: keras.Model | None, classifier: keras.Model, spec: ModelSpec, folder: str
) -> None:
    """Write a SavedModel with the two signatures, batch fixed to 1; without encoder with one."""
    import keras
    import tensorflow as tf

    clip = spec.clip
    archive = keras.export.ExportArchive()
    if encoder is not None:
        archive.track(encoder)
        archive.add_endpoint(
            "encode",
            lambda frame: {"features": encoder(frame, training=False)},
            input_signature=[tf.TensorSpec((1, *clip.frame_shape), tf.float32, name="frame")],
        )
    archive.track(classifier)
    shape = (1, clip.num_frames, spec.row_size)
    archive.add_endpoint(
        "classify",
        lambda features: {"probabilities": classifier(features, training=False)},
        input_signature=[tf.TensorSpec(shape, tf.float32, name="features")],
    )
    archive.write_out(folder, verbose=False)
