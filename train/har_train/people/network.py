"""The network of `locate`: a MobileNetV2, a feature pyramid down to stride 4, and six heads.

Every cell of the maps, a quarter of the input in each direction, says whether a person's box has
its middle there, how large the box is, where the 17 keypoints are from there, and how likely each
keypoint lies there. `decode` makes people of that. The layout is MoveNet's, so that its published
weights fit; the two heads of the box are in its multi-person network alone.

Source: Zhou et al., Objects as Points (2019); MoveNet, TensorFlow Hub (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from har_train.model.network import import_keras
from har_train.model.types import KerasModel, Tensor

MAPS = "maps"  # name of the network inside of one that decodes
STRIDE = 4  # pixels of the input to a cell of the maps
NUM_KEYPOINTS = 17
# Heads in order of output, with their channels; positions are (y, x), in cells.
HEADS = {
    "center": 1,  # logit: a person's box has its middle in this cell
    "size": 2,  # height and width of that box
    "middle": 2,  # from the cell to the middle of the box
    "regress": 2 * NUM_KEYPOINTS,  # from the cell to each keypoint
    "heat": NUM_KEYPOINTS,  # logit: this keypoint lies in this cell
    "offset": 2 * NUM_KEYPOINTS,  # from the cell to that keypoint
}
HEAD_FILTERS = 96
# Layers of the backbone that the part above it reads, the finest first.
TAPS = ("block_2_add", "block_5_add", "block_9_add", "block_15_add")
LAST_BLOCK = "block_16_project_BN"
PYRAMID_FILTERS = (64, 32, 24, 24)
BATCH_NORM_EPSILON = 1e-3  # in the backbone, of Keras, and behind it


@dataclass(frozen=True)
class Top:
    """The layers between the backbone's last residual block and the pyramid.

    Attributes:
        hidden: Channels inside its block, or 0 for the backbone's own last block.
        filters: Channels of its last convolution.
    """

    hidden: int = 0
    filters: int = 1280  # as wide in published networks of every width


PUBLISHED_TOP = Top()
# Of 1.75 million weights in MultiPose's it leaves 0.28 million, so that an int8 file has 4 MB.
SLIM_TOP = Top(704, 128)


def build_network(height: int, width: int, alpha: float, top: Top = PUBLISHED_TOP) -> KerasModel:
    """Build the network with random weights.

    Args:
        height, width: Size of the input in pixels, multiples of 32.
        alpha: How wide the backbone is: 1 as in MoveNet Lightning, 1.5 as in MultiPose.
        top: What comes between backbone and pyramid.

    Returns:
        A flat functional model: pixels scaled to -1..1, (N, H, W, 3) -> the maps of `HEADS` in
        order, each (N, H / 4, W / 4, channels).
    """
    keras = import_keras()
    backbone = keras.applications.MobileNetV2(
        input_shape=(height, width, 3), alpha=alpha, include_top=False, weights=None
    )
    taps = [backbone.get_layer(name).output for name in TAPS]
    own = None if top.hidden else backbone.get_layer(LAST_BLOCK).output
    model: KerasModel = keras.Model(backbone.input, _build_above(keras, taps, top, own), name=MAPS)
    return model


def build_above(height: int, width: int, alpha: float, top: Top) -> KerasModel:
    """Build what comes above the backbone by itself, for training on what the backbone gives.

    Args:
        height, width, alpha: See `build_network`.
        top: Not the published one, whose block is the backbone's.

    Returns:
        The outputs of `TAPS` -> the maps. Its layers have the names that they have in the whole
        network.
    """
    keras = import_keras()
    taps = [
        keras.Input((height // stride, width // stride, round_filters(filters * alpha)), name=name)
        for name, stride, filters in zip(TAPS, (4, 8, 16, 32), (24, 32, 64, 160), strict=True)
    ]
    maps = _build_above(keras, taps, top, None)
    model: KerasModel = keras.Model(taps, maps, name="above")
    return model


def round_filters(filters: float) -> int:
    """MobileNetV2's rule for the channels of a wider or narrower network."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _build_above(
    keras: ModuleType, taps: Sequence[Tensor], top: Top, own: Tensor | None
) -> list[Tensor]:
    *fine, coarse = taps
    x = _build_top(keras, coarse, top) if own is None else own
    x = _conv_bn(keras, x, top.filters, "top")
    x = keras.layers.ReLU(6.0, name="top_relu")(x)
    x = keras.layers.Conv2D(PYRAMID_FILTERS[0], 1, name="lateral_top")(x)
    steps = zip(reversed(fine), PYRAMID_FILTERS[:-1], PYRAMID_FILTERS[1:], strict=True)
    for level, (tap, filters, narrower) in enumerate(steps):
        up = keras.layers.UpSampling2D(interpolation="bilinear", name=f"up_{level}")(x)
        lateral = keras.layers.Conv2D(filters, 1, name=f"lateral_{level}")(tap)
        x = keras.layers.Add(name=f"merge_{level}")([up, lateral])
        name = f"smooth_{level}"
        x = _depthwise(keras, x, name)
        x = _conv_bn(keras, x, narrower, name)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return [_head(keras, x, name, channels) for name, channels in HEADS.items()]


def _build_top(keras: ModuleType, x: Tensor, top: Top) -> Tensor:
    x = _conv_bn(keras, x, top.hidden, "top_expand")
    x = keras.layers.ReLU(6.0, name="top_expand_relu")(x)
    x = _depthwise(keras, x, "top")
    x = keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name="top_depthwise_BN")(x)
    activated: Tensor = keras.layers.ReLU(6.0, name="top_depthwise_relu")(x)
    return activated


def _depthwise(keras: ModuleType, x: Tensor, name: str) -> Tensor:
    layer = keras.layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    filtered: Tensor = layer(x)
    return filtered


def _conv_bn(keras: ModuleType, x: Tensor, filters: int, name: str) -> Tensor:
    x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(x)
    norm = keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_BN")
    normed: Tensor = norm(x)
    return normed


def _head(keras: ModuleType, x: Tensor, name: str, channels: int) -> Tensor:
    x = _depthwise(keras, x, name)
    x = keras.layers.Conv2D(HEAD_FILTERS, 1, activation="relu", name=f"{name}_hidden")(x)
    out: Tensor = keras.layers.Conv2D(channels, 1, name=f"{name}_out")(x)
    return out
