"""What rounding each layer of a frame encoder costs: the table behind a fallback's choice.

Each layer in turn gets 8-bit activations while all others stay as they are; the change of the
features is that layer's own share of the damage. (Its weights lie on int8's grid already.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_convert.tflite.compat import layers_after, origin_of
from har_convert.tflite.ptq import CONVOLUTIONS, backbone_and_inputs

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]

LEVELS = 255  # of an 8-bit activation
MAX_FRAMES = 8  # each fills some 27 MB with activations
# The most sensitive layers that together make this share of the squared error stay in float.
SHARE = 0.5
MAX_FLOAT_LAYERS = 8


@dataclass(frozen=True)
class LayerError:
    """One layer's share.

    Attributes:
        layer: Name of the convolution.
        error: Change of the features relative to their size (root mean square).
        low, high: Range of its output on the calibration frames.
        clipped: Share of its output on other frames that lies outside that range.
    """

    layer: str
    error: float
    low: float
    high: float
    clipped: float


def sensitive_layers(rows: Sequence[LayerError]) -> tuple[str, ...]:
    """Choose the layers to leave in float: the fewest that make up `SHARE` of the damage."""
    total = sum(row.error**2 for row in rows)
    chosen, sum_ = list[str](), 0.0
    for row in sorted(rows, key=lambda row: -row.error):
        if sum_ >= SHARE * total or len(chosen) == MAX_FLOAT_LAYERS:
            break
        chosen.append(row.layer)
        sum_ += row.error**2
    return tuple(chosen)


def measure_sensitivity(
    encoder: keras.Model,
    stem: Collection[str],
    calibration: NDArray[np.uint8],
    frames: NDArray[np.uint8],
) -> list[LayerError]:
    """Measure all convolutions but those of the stem, in order.

    Args:
        encoder: Keras model (N, H, W, 3) -> (N, D), prepared for int8.
        stem: Layers that stay in float anyway.
        calibration: Frames that give the ranges, (N, H, W, 3).
        frames: Other frames, to measure on, (N, H, W, 3).
    """
    network, inputs = backbone_and_inputs(encoder, frames[:MAX_FRAMES])
    _, known = backbone_and_inputs(encoder, calibration)
    layers = [layer for layer in network.layers if layer.name not in stem]
    points = {_activated(x).name: x.name for x in layers if type(x).__name__ in CONVOLUTIONS}
    ranges = _ranges(network, list(points), known)
    exact = _run(network, inputs)
    wanted = _pooled(exact[network.layers[-1].name])
    size = max(float(np.square(wanted).mean()), 1e-12)
    rows = []
    for point, layer in points.items():
        (low, high), output = ranges[point], exact[point]
        error = _pooled(_rerun(network, exact, point, _rounded(output, low, high))) - wanted
        outside = (output < low - 1e-6) | (output > high + 1e-6)
        relative = float(np.sqrt(np.square(error).mean() / size))
        rows.append(LayerError(layer, relative, low, high, float(outside.mean())))
    return rows


def _rounded(output: FloatArray, low: float, high: float) -> FloatArray:
    """Round to 8 bits over a range that holds 0, as the converter does."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(high - low, 1e-9) / LEVELS
    zero = np.rint(-low / step)
    levels = np.clip(np.rint(output / step) + zero, 0, LEVELS)
    return np.asarray((levels - zero) * step, np.float32)


def _pooled(maps: FloatArray) -> FloatArray:
    """Features of the last feature maps, (N, h, w, D) -> (N, D)."""
    return np.asarray(maps.mean(axis=(1, 2)))


def _ranges(
    network: keras.Model, points: Sequence[str], inputs: FloatArray
) -> dict[str, tuple[float, float]]:
    """Smallest and largest output of some layers."""
    import keras

    probe = keras.Model(network.inputs, [network.get_layer(name).output for name in points])
    low, high = np.full(len(points), np.inf), np.full(len(points), -np.inf)
    for i in range(0, len(inputs), MAX_FRAMES):
        found = probe.predict_on_batch(inputs[i : i + MAX_FRAMES])
        # Keras gives a single output bare.
        arrays = [np.asarray(a) for a in (found if len(points) > 1 else [found])]
        low = np.minimum(low, [a.min() for a in arrays])
        high = np.maximum(high, [a.max() for a in arrays])
    return {n: (float(a), float(b)) for n, a, b in zip(points, low, high, strict=True)}


def _activated(layer: keras.Layer) -> keras.Layer:
    """The last layer that the converter merges with a convolution: batch norm, activation."""
    while len(followers := layers_after(layer)) == 1:
        follower = followers[0]
        if type(follower).__name__ not in ("BatchNormalization", "ReLU", "Activation"):
            break
        layer = follower
    return layer


def _run(network: keras.Model, inputs: FloatArray) -> dict[str, FloatArray]:
    """Run a functional network layer by layer: each layer's output by its name."""
    outputs: dict[str, FloatArray] = {}
    for layer in network.layers:
        first = type(layer).__name__ == "InputLayer"
        outputs[layer.name] = inputs if first else _call(layer, outputs)
    return outputs


def _rerun(
    network: keras.Model, exact: dict[str, FloatArray], point: str, output: FloatArray
) -> FloatArray:
    """Output of the network if one layer gave something else; only what follows it is run."""
    changed = {point: output}
    for layer in network.layers:
        if any(name in changed for name in _sources(layer)):
            changed[layer.name] = _call(layer, {**exact, **changed})
    return changed[network.layers[-1].name]


def _sources(layer: keras.Layer) -> list[str]:
    if type(layer).__name__ == "InputLayer":
        return []
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    return [origin_of(tensor).name for tensor in tensors]


def _call(layer: keras.Layer, outputs: dict[str, FloatArray]) -> FloatArray:
    arrays = [outputs[name] for name in _sources(layer)]
    return np.asarray(layer(arrays if len(arrays) > 1 else arrays[0], training=False))
