"""The network: MobileNetV2 on every frame, an LSTM over the T feature vectors.

Stock Keras layers only, so that a saved model loads anywhere. Two parts keep their names
in the saved file, and conversion asks for them by these names: the layer `frames` is
TimeDistributed over the frame encoder, the layer `classify` is the temporal head.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from har_edge.errors import DataError, MissingExtraError
from har_edge.native_log import native_log_muted
from har_edge.spec import ClipSpec
from har_train.config import FitConfig

BACKBONE = "mobilenet_v2_1.0"


def import_keras() -> Any:
    """Import Keras.

    Raises:
        MissingExtraError: if the train extra is not installed.
    """
    try:
        with native_log_muted():
            import keras
    except ImportError as error:
        raise MissingExtraError("train", "tensorflow") from error
    return keras


def build_encoder(clip: ClipSpec, weights: str) -> Any:
    """Build the frame encoder.

    Args:
        clip: Gives the frame's size.
        weights: `imagenet` (Keras downloads them), `none`, or a weights file.

    Returns:
        Keras model, (N, H, W, 3) pixels in 0..255 -> (N, D) features.

    Raises:
        DataError: if the weights cannot be loaded.
    """
    keras = import_keras()
    backbone = _load_backbone(keras, clip, weights)
    frame = keras.Input(clip.frame_shape, name="frame")
    # (N, H, W, 3) 0..255 -> -1..1, the range MobileNetV2 was trained on.
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(frame)
    # Batch norm in inference mode: the moving statistics belong to the weights.
    x = backbone(x, training=False)  # (N, H/32, W/32, 1280)
    features = keras.layers.GlobalAveragePooling2D(name="features")(x)  # (N, D)
    return keras.Model(frame, features, name="encode")


def _load_backbone(keras: Any, clip: ClipSpec, weights: str) -> Any:
    known = weights == "imagenet"
    try:
        backbone = keras.applications.MobileNetV2(
            input_shape=clip.frame_shape,
            include_top=False,
            weights="imagenet" if known else None,
        )
        if not known and weights != "none":
            if not Path(weights).is_file():
                raise DataError(
                    f"There is no weights file {weights}. Give a file, imagenet or none."
                )
            backbone.load_weights(weights)
    except DataError:
        raise
    # Keras raises bare Exception when a download fails, and whatever h5py raises for files.
    except Exception as error:
        raise DataError(
            f"The weights '{weights}' cannot be loaded into MobileNetV2 1.0 without its top: "
            f"{error}. Without a network give --weights FILE, or none to start from noise."
        ) from error
    backbone.trainable = False
    return backbone


def build_classifier(num_classes: int, feature_size: int, config: FitConfig) -> Any:
    """Build the temporal head: LSTM, dense layers, softmax.

    Returns:
        Keras model, (N, T, D) features -> (N, C) probabilities.
    """
    keras = import_keras()
    layers = keras.layers
    features = keras.Input((config.num_frames, feature_size), name="features")
    # Dropping features makes up for few samples and blunts the head to int8's noise too.
    # (A layer of its own: the LSTM's own dropout leaves a seed variable in the converted graph.)
    x = layers.SpatialDropout1D(config.feature_dropout, name="feature_dropout")(features)
    # Unrolled, so that the converted graph holds builtin ops alone and no loop.
    x = layers.LSTM(config.lstm_units, unroll=True, name="lstm")(x)  # (N, 128)
    for i, units in enumerate(config.dense_units, start=1):
        x = layers.Dense(units, name=f"dense_{i}")(x)
        x = layers.BatchNormalization(name=f"dense_{i}_bn")(x)
        x = layers.ReLU(name=f"dense_{i}_relu")(x)
        x = layers.Dropout(config.dropout, name=f"dense_{i}_dropout")(x)
    probabilities = layers.Dense(num_classes, activation="softmax", name="probabilities")(x)
    return keras.Model(features, probabilities, name="classify")


def join_model(encoder: Any, classifier: Any, clip: ClipSpec) -> Any:
    """Join both parts: (N, T, H, W, 3) pixels in 0..255 -> (N, C) probabilities."""
    keras = import_keras()
    frames = keras.Input((clip.num_frames, *clip.frame_shape), name="clip")
    features = keras.layers.TimeDistributed(encoder, name="frames")(frames)  # (N, T, D)
    return keras.Model(frames, classifier(features), name="har")


def weights_digest(model: Any) -> str:
    """SHA-256 over a model's weights in order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
