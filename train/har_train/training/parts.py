"""Networks made of the layers of another: cut in two, over other inputs, joined.

All of them share their layers with the network that they were made from: what they learn, it has
learned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from har_edge.errors import DataError
from har_train.config import FitConfig
from har_train.features.augment import Augmentation, augment_colour
from har_train.model.backbones import BACKBONES
from har_train.model.network import backbone_of, import_keras
from har_train.model.types import KerasModel, Layer, Tensor


def resized_encoder(encoder: KerasModel, size: int) -> KerasModel:
    """Lay the layers of an encoder over frames of another size; all weights are shared.

    Returns:
        Keras model, (N, size, size, 3) pixels -> (N, D) features.
    """
    keras = import_keras()
    backbone = backbone_of(encoder)
    pixels = keras.Input((size, size, 3), name="frame")
    scaled = _before_backbone(encoder, backbone, pixels)
    over = keras.Input(scaled.shape[1:], name="scaled")
    network = _with_fixed_statistics(backbone, over)
    resized: KerasModel = keras.Model(pixels, encoder.layers[-1](network(scaled)))
    return resized


def shortened_classifier(classifier: KerasModel, num_frames: int) -> KerasModel:
    """Lay the layers of a head over windows of another length; all weights are shared.

    Returns:
        Keras model, (N, num_frames, D) features -> (N, C) probabilities.
    """
    keras = import_keras()
    features = keras.Input((num_frames, classifier.input_shape[-1]), name="features")
    shorter: KerasModel = keras.models.clone_model(
        classifier, input_tensors=features, clone_function=lambda layer: layer
    )
    return shorter


def _with_fixed_statistics(network: KerasModel, inputs: Tensor) -> KerasModel:
    """Lay a network's layers over other inputs, with batch norm in inference mode for good.

    Keras lets `training=True` of a whole model win over `training=False` of a part, so that the
    statistics of ImageNet would be lost to those of small batches.
    """
    keras = import_keras()

    class FixedStatistics(import_keras().layers.Layer):  # type: ignore[misc]
        def __init__(self, norm: Layer) -> None:
            super().__init__(name=norm.name)
            self.norm = norm

        def call(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            return self.norm(x, training=False, mask=mask)

        # A distributed training learns on a copy of the network.
        def get_config(self) -> dict[str, object]:
            return {"norm": keras.layers.serialize(self.norm)}

        @classmethod
        def from_config(cls, config: Mapping[str, object]) -> FixedStatistics:
            return cls(keras.layers.deserialize(config["norm"]))

    def shared(layer: Layer) -> Layer:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        return FixedStatistics(layer) if is_norm else layer

    fixed: KerasModel = keras.models.clone_model(
        network, input_tensors=inputs, clone_function=shared
    )
    return fixed


def _before_backbone(encoder: KerasModel, backbone: KerasModel, pixels: Tensor) -> Tensor:
    """Apply what the encoder does to pixels first: rescaling, where the backbone asks for it."""
    for layer in encoder.layers[1:]:
        if layer is backbone:
            break
        pixels = layer(pixels)
    return pixels


def split_encoder(encoder: KerasModel, config: FitConfig) -> tuple[KerasModel, KerasModel]:
    """Cut the encoder below the top blocks of its backbone; all layers are shared.

    Returns:
        Bottom, (N, H, W, 3) pixels -> (N, h, w, d) maps, and top, maps -> (N, D) features.

    Raises:
        DataError: if the backbone has no such number of blocks.
    """
    keras = import_keras()
    backbone = backbone_of(encoder)
    first = first_layer_of_top(backbone, config)
    pixels = keras.Input(encoder.input_shape[1:], name="frame")
    x = _before_backbone(encoder, backbone, pixels)
    below = keras.Model(backbone.input, first.input, name="bottom")
    above = keras.Model(first.input, backbone.output)
    bottom = keras.Model(pixels, below(x, training=False), name="encode_bottom")
    maps = keras.Input(first.input.shape[1:], name="maps")
    features = encoder.layers[-1](_with_fixed_statistics(above, maps).output)
    return bottom, keras.Model(maps, features, name="encode_top")


def first_layer_of_top(backbone: KerasModel, config: FitConfig) -> Layer:
    """Find the first layer of the top blocks by the backbone's layer names.

    Raises:
        DataError: if there are fewer blocks.
    """
    pattern = re.compile(BACKBONES[config.backbone.name].block)
    first_of: dict[str, Layer] = {}
    for layer in backbone.layers:
        match = pattern.match(layer.name)
        if match:
            first_of.setdefault(match.group(), layer)
    if config.fine_tune.blocks > len(first_of):
        raise DataError(
            f"fine_tune_blocks of {config.backbone.name} should be at most {len(first_of)}. "
            f"Received {config.fine_tune.blocks}. Give fewer."
        )
    return list(first_of.values())[-config.fine_tune.blocks]


def join_encoder(
    encoder: KerasModel,
    classifier: KerasModel,
    num_frames: int,
    augmentation: Augmentation | None = None,
) -> KerasModel:
    """Join an encoder, or its top, and the head: (N, T, h, w, d) pixels or maps -> (N, C)."""
    keras = import_keras()
    shape = encoder.input_shape[1:]
    clips = keras.Input((num_frames, *shape), name="clips")
    x = augment_colour(clips, augmentation) if augmentation else clips
    # All frames of all clips at once, which is faster than one instant after another.
    frames = keras.ops.reshape(x, (-1, *shape))  # (N T, h, w, d)
    features = keras.ops.reshape(encoder(frames), (-1, num_frames, encoder.output_shape[-1]))
    joined: KerasModel = keras.Model(clips, classifier(features), name="fine_tune")
    return joined
