"""The image networks that can see a frame: how each is built, scaled and cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from har_train.config import BackboneName
from har_train.model.efficientnet_lite import build_lite
from har_train.model.types import KerasModel

# Takes Keras, the frame's shape, the width, and `imagenet` or `none`.
Build = Callable[[ModuleType, tuple[int, ...], float, str], KerasModel]


@dataclass(frozen=True)
class Backbone:
    """An image network of stock Keras layers.

    Attributes:
        build: Makes it, (N, H, W, 3) -> (N, h, w, D).
        scaling: Factor and offset that bring pixels of 0..255 into its range; None if it scales
            them by itself.
        alphas: Width multipliers that ImageNet weights exist for; empty if it has one width.
        block: Start of the names of one block's layers, as a regular expression.
    """

    build: Build
    scaling: tuple[float, float] | None = None
    alphas: tuple[float, ...] = ()
    block: str = r"block_?\d+[a-z]?_"


def _build_application(
    function: str,
    keras: ModuleType,
    shape: tuple[int, ...],
    alpha: float,
    weights: str,
    *,
    has_widths: bool = False,
) -> KerasModel:
    """Build one of `keras.applications`, which downloads its own weights."""
    network: KerasModel = getattr(keras.applications, function)(
        input_shape=shape,
        include_top=False,
        weights=weights if weights == "imagenet" else None,
        **({"alpha": alpha} if has_widths else {}),
    )
    return network


def _build_lite(
    name: str, keras: ModuleType, shape: tuple[int, ...], alpha: float, weights: str
) -> KerasModel:
    """Build an EfficientNet-Lite, which has one width."""
    del alpha
    return build_lite(keras, name, shape, weights)


# (x - 127) / 128, as EfficientNet-Lite was trained.
LITE_SCALING = (1 / 128, -127 / 128)
V3_BLOCK = r"expanded_conv_(\d+_)?"

# Those that convert to builtin ops, which the tests check one by one.
BACKBONES: Mapping[BackboneName, Backbone] = {
    "mobilenet_v2": Backbone(
        partial(_build_application, "MobileNetV2", has_widths=True),
        (1 / 127.5, -1.0),
        (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    ),
    "mobilenet_v3_small": Backbone(
        partial(_build_application, "MobileNetV3Small", has_widths=True),
        alphas=(0.75, 1.0),
        block=V3_BLOCK,
    ),
    "mobilenet_v3_large": Backbone(
        partial(_build_application, "MobileNetV3Large", has_widths=True),
        alphas=(0.75, 1.0),
        block=V3_BLOCK,
    ),
    "efficientnet_v2_b0": Backbone(partial(_build_application, "EfficientNetV2B0")),
    "efficientnet-lite0": Backbone(partial(_build_lite, "efficientnet-lite0"), LITE_SCALING),
    "efficientnet-lite1": Backbone(partial(_build_lite, "efficientnet-lite1"), LITE_SCALING),
    "efficientnet-lite2": Backbone(partial(_build_lite, "efficientnet-lite2"), LITE_SCALING),
}
