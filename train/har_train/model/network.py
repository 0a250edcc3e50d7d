"""The network: an image backbone on every frame, a temporal head over the T feature vectors.

Stock Keras layers only, so that a saved model loads anywhere. Two parts keep their names
in the saved file, and conversion asks for them by these names: the layer `frames` is
TimeDistributed over the frame encoder, the layer `classify` is the temporal head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from har_edge.errors import DataError, HarError, MissingExtraError
from har_edge.model.file import BUNDLED
from har_edge.model.native_log import native_log_muted
from har_edge.model.spec import ClipSpec
from har_edge.run_folder import MODEL_NAME, bundled_run
from har_edge.silence import doing
from har_train.config import FitConfig
from har_train.model.backbones import BACKBONES, Backbone
from har_train.model.types import KerasModel, Tensor


def import_keras() -> ModuleType:
    """Import Keras.

    Raises:
        MissingExtraError: if the train extra is not installed.
    """
    try:
        with native_log_muted(), doing("Loading TensorFlow"):
            import keras
    except ImportError as error:
        raise MissingExtraError("train", "tensorflow") from error
    module: ModuleType = keras
    return module


def backbone_name(config: FitConfig) -> str:
    """What the spec calls the backbone, such as `mobilenet_v2_1.0`."""
    has_widths = bool(_backbone(config).alphas)
    return f"{config.backbone.name}_{config.backbone.alpha}" if has_widths else config.backbone.name


def _backbone(config: FitConfig) -> Backbone:
    known = BACKBONES[config.backbone.name]
    if config.backbone.alpha not in (known.alphas or (1.0,)):
        raise DataError(
            f"alpha of {config.backbone.name} should be one of "
            f"{', '.join(map(str, known.alphas or (1.0,)))}. Received {config.backbone.alpha}."
        )
    return known


def build_encoder(clip: ClipSpec, config: FitConfig) -> KerasModel:
    """Build the frame encoder.

    Args:
        clip: Gives the frame's size.
        config: Gives backbone, width and weights.

    Returns:
        Keras model, (N, H, W, 3) pixels in 0..255 -> (N, D) features.

    Raises:
        DataError: if there is no such backbone or its weights cannot be loaded.
    """
    keras = import_keras()
    known = _backbone(config)
    backbone = _load_backbone(keras, known, clip, config)
    frame = keras.Input(clip.frame_shape, name="frame")
    # (N, H, W, 3) 0..255 -> about -1..1, the range that the backbone was trained on.
    scaled = keras.layers.Rescaling(*known.scaling)(frame) if known.scaling else frame
    # Batch norm in inference mode: the moving statistics belong to the weights.
    x = backbone(scaled, training=False)  # (N, H/32, W/32, D)
    features = keras.layers.GlobalAveragePooling2D(name="features")(x)  # (N, D)
    encoder: KerasModel = keras.Model(frame, features, name="encode")
    return encoder


def _load_backbone(
    keras: ModuleType, known: Backbone, clip: ClipSpec, config: FitConfig
) -> KerasModel:
    weights, named = config.backbone.weights, ("imagenet", "none")
    try:
        backbone = known.build(
            keras,
            clip.frame_shape,
            config.backbone.alpha,
            weights if weights in named else "none",
        )
        if weights not in named:
            _load_weights(backbone, Path(weights))
    except HarError:
        raise
    # Keras raises bare Exception when a download fails, and whatever h5py raises for files.
    except Exception as error:
        raise DataError(
            f"The weights '{weights}' cannot be loaded into "
            f"{backbone_name(config)} without its top: {error}. Without a network, give "
            "--weights FILE, or none to start from random weights."
        ) from error
    backbone.trainable = False
    return backbone


def _load_weights(backbone: KerasModel, path: Path) -> None:
    """Load a weights file, or take over the backbone of a trained model."""
    if not path.is_file() and (run := bundled_run(path) or path).is_dir():
        path = run / MODEL_NAME
    if not path.is_file():
        raise DataError(
            f"There is no weights file {path}. Give a file, a run folder, a bundled model "
            f"({', '.join(BUNDLED)}), imagenet or none."
        )
    if path.suffix == ".keras":
        trained = import_keras().models.load_model(path).get_layer("frames").layer
        backbone.set_weights(backbone_of(trained).get_weights())
    else:
        backbone.load_weights(path)


def backbone_of(encoder: KerasModel) -> KerasModel:
    """Give the image network inside a frame encoder."""
    keras = import_keras()
    found: KerasModel = next(one for one in encoder.layers if isinstance(one, keras.Model))
    return found


def build_classifier(num_classes: int, feature_size: int, config: FitConfig) -> KerasModel:
    """Build the temporal head: see `HEADS`, then dense layers and softmax.

    Returns:
        Keras model, (N, T, D) features -> (N, C) probabilities.
    """
    keras = import_keras()
    layers = keras.layers
    features = keras.Input((config.window.num_frames, feature_size), name="features")
    differences = config.head.input == "differences"
    x = _frame_differences(keras, features) if differences else features
    # Dropping features makes up for few samples and blunts the head to int8's noise too.
    # (A layer of its own: the LSTM's own dropout leaves a seed variable in the converted graph.)
    x = layers.SpatialDropout1D(config.head.feature_dropout, name="feature_dropout")(x)
    x = HEADS[config.head.kind](keras, x, config.head.lstm_units)  # (N, U)
    for i, units in enumerate(config.head.dense_units, start=1):
        x = layers.Dense(units, name=f"dense_{i}")(x)
        x = layers.BatchNormalization(name=f"dense_{i}_bn")(x)
        x = layers.ReLU(name=f"dense_{i}_relu")(x)
        x = layers.Dropout(config.head.dropout, name=f"dense_{i}_dropout")(x)
    probabilities = layers.Dense(num_classes, activation="softmax", name="probabilities")(x)
    classifier: KerasModel = keras.Model(features, probabilities, name="classify")
    return classifier


def narrow_classifier(classifier: KerasModel, num_classes: int, config: FitConfig) -> KerasModel:
    """Copy a head with its first classes alone, which may be all.

    Its probabilities are those of the whole head, given that one of these classes is right.

    Returns:
        Keras model, (N, T, D) features -> (N, num_classes) probabilities.
    """
    narrow = build_classifier(num_classes, classifier.input_shape[-1], config)
    *weights, kernel, bias = classifier.get_weights()
    narrow.set_weights([*weights, kernel[:, :num_classes], bias[:num_classes]])
    return narrow


def _frame_differences(keras: ModuleType, x: Tensor) -> Tensor:
    """How much each feature changes from frame to frame: |x_t - x_(t-1)|, (N, T-1, D).

    A camera that stands still leaves nothing of the scene in it. Source: the RGB differences of
    Wang et al., Temporal Segment Networks (ECCV 2016), here of features.
    """
    layers = keras.layers
    later = layers.Cropping1D((1, 0), name="later_frames")(x)
    earlier = layers.Cropping1D((0, 1), name="earlier_frames")(x)
    change: Tensor = keras.ops.absolute(layers.Subtract(name="frame_differences")([later, earlier]))
    return change


# The temporal heads, (N, T, D) -> (N, U). All recurrent layers are unrolled, so that the converted
# graph holds builtin ops alone and no loop.


def _lstm(keras: ModuleType, x: Tensor, units: int) -> Tensor:
    last: Tensor = keras.layers.LSTM(units, unroll=True, name="lstm")(x)
    return last


def _gru(keras: ModuleType, x: Tensor, units: int) -> Tensor:
    last: Tensor = keras.layers.GRU(units, unroll=True, name="gru")(x)
    return last


def _bilstm(keras: ModuleType, x: Tensor, units: int) -> Tensor:
    layers = keras.layers
    lstm = layers.LSTM(units, unroll=True)
    ends: Tensor = layers.Bidirectional(lstm, name="bilstm")(x)  # (N, 2 U)
    return ends


def _attention(keras: ModuleType, x: Tensor, units: int) -> Tensor:
    """Attention pooling: a weight for each instant, learned from the LSTM's output at it.

    Source: Raffel and Ellis, Feed-Forward Networks with Attention (2015), equations 1 and 2.
    """
    layers = keras.layers
    steps = layers.LSTM(units, unroll=True, return_sequences=True, name="lstm")(x)  # (N, T, U)
    scores = layers.Dense(1, activation="tanh", name="attention_scores")(steps)  # (N, T, 1)
    weights = layers.Softmax(axis=1, name="attention")(scores)
    pooled = layers.Dot(axes=1, name="attention_pool")([weights, steps])  # (N, 1, U)
    flat: Tensor = layers.Flatten(name="attention_flat")(pooled)
    return flat


def _mean(keras: ModuleType, x: Tensor, units: int) -> Tensor:
    """Average over time: the baseline that any temporal head has to beat."""
    del units
    mean: Tensor = keras.layers.GlobalAveragePooling1D(name="mean")(x)  # (N, D)
    return mean


HEADS: Mapping[str, Callable[[ModuleType, Tensor, int], Tensor]] = {
    "lstm": _lstm,
    "gru": _gru,
    "bilstm": _bilstm,
    "attention": _attention,
    "mean": _mean,
}


def join_model(encoder: KerasModel, classifier: KerasModel, clip: ClipSpec) -> KerasModel:
    """Join both parts: (N, T, H, W, 3) pixels in 0..255 -> (N, C) probabilities."""
    keras = import_keras()
    frames = keras.Input((clip.num_frames, *clip.frame_shape), name="clip")
    features = keras.layers.TimeDistributed(encoder, name="frames")(frames)  # (N, T, D)
    model: KerasModel = keras.Model(frames, classifier(features), name="har")
    return model


def weights_digest(model: KerasModel) -> str:
    """SHA-256 over a model's weights in order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
