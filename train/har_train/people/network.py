"""The network of `locate`: a MobileNetV2, a feature pyramid down to stride 4, and six heads.

Every cell of the maps, a quarter of the input in each direction, says whether a person's box has
its middle there, how large the box is, where the 17 keypoints are from there, and how likely each
keypoint lies there. `decode` makes people of that. The layout is MoveNet's, so that its published
weights fit; the two heads of the box are in its multi-person network alone.

Source: Zhou et al., Objects as Points (2019); MoveNet, TensorFlow Hub (Apache-2.0).
"""

from __future__ import annotations

from types import ModuleType

from har_train.model.network import import_keras
from har_train.model.types import KerasModel, Tensor

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
# Layers of the backbone that the pyramid reads, the finest last, and the filters it makes of them.
TAPS = ("block_9_add", "block_5_add", "block_2_add")
LAST_TAP = "block_16_project_BN"
PYRAMID_FILTERS = (64, 32, 24, 24)
# The backbone's last convolution, which is as wide in networks of every width.
TOP_FILTERS = 1280
BATCH_NORM_EPSILON = 1e-3  # in the backbone, of Keras, and behind it


def build_network(height: int, width: int, alpha: float) -> KerasModel:
    """Build the network with random weights.

    Args:
        height, width: Size of the input in pixels, multiples of 32.
        alpha: How wide the backbone is: 1 as in MoveNet Lightning, 1.5 as in MultiPose.

    Returns:
        A flat functional model: pixels scaled to -1..1, (N, H, W, 3) -> the maps of `HEADS` in
        order, each (N, H / 4, W / 4, channels).
    """
    keras = import_keras()
    backbone = keras.applications.MobileNetV2(
        input_shape=(height, width, 3), alpha=alpha, include_top=False, weights=None
    )
    top = backbone.get_layer(LAST_TAP).output
    top = _conv_bn(keras, top, TOP_FILTERS, "top")
    top = keras.layers.ReLU(6.0, name="top_relu")(top)
    x = keras.layers.Conv2D(PYRAMID_FILTERS[0], 1, name="lateral_top")(top)
    steps = zip(TAPS, PYRAMID_FILTERS[:-1], PYRAMID_FILTERS[1:], strict=True)
    for level, (tap, filters, narrower) in enumerate(steps):
        up = keras.layers.UpSampling2D(interpolation="bilinear", name=f"up_{level}")(x)
        fine = backbone.get_layer(tap).output
        fine = keras.layers.Conv2D(filters, 1, name=f"lateral_{level}")(fine)
        x = keras.layers.Add(name=f"merge_{level}")([up, fine])
        name = f"smooth_{level}"
        x = keras.layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, name=f"{name}_depthwise"
        )(x)
        x = _conv_bn(keras, x, narrower, name)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
    maps = [_head(keras, x, name, channels) for name, channels in HEADS.items()]
    model: KerasModel = keras.Model(backbone.input, maps, name="maps")
    return model


def _conv_bn(keras: ModuleType, x: Tensor, filters: int, name: str) -> Tensor:
    x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(x)
    normed: Tensor = keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_BN")(
        x
    )
    return normed


def _head(keras: ModuleType, x: Tensor, name: str, channels: int) -> Tensor:
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = keras.layers.Conv2D(HEAD_FILTERS, 1, activation="relu", name=f"{name}_hidden")(x)
    out: Tensor = keras.layers.Conv2D(channels, 1, name=f"{name}_out")(x)
    return out
