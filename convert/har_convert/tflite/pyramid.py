"""Equal channels in feature pyramids and heads, where `ptq.equalize` has no streams.

A channel may be divided by any factor where it is made and multiplied by it where it is read, as
long as all that lies between scales along: sums, upsampling, ReLU without an upper end. Without
this, one wide channel decides the step of a whole tensor: of a published pyramid one depthwise
convolution spans -4,974 to 1,183, and 8 bits leave most of its channels a step or two.

Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction
(2019), section 4.1, here with measured ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from har_convert.tflite.compat import layers_after, layers_before

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]

# Channels are never stretched more than this: one that hardly ever fires has no known range.
MAX_STRETCH = 1000.0
SOURCES = ("Conv2D", "DepthwiseConv2D", "BatchNormalization")
READERS = ("Conv2D", "DepthwiseConv2D")
PASSING = ("Add", "UpSampling2D", "ReLU")


@dataclass
class Group:
    """Layers whose outputs share one factor per channel.

    Attributes:
        sources: Layers with weights that make the channels.
        members: Layers whose outputs are tensors of their own, once a ReLU is fused.
        readers: Convolutions that read them.
    """

    sources: list[keras.Layer] = field(default_factory=list)
    members: list[keras.Layer] = field(default_factory=list)
    readers: list[keras.Layer] = field(default_factory=list)


def equalize_pyramid(network: keras.Model, frames: FloatArray) -> int:
    """Rescale the channels of all groups of a functional Keras network, in place.

    The function of the network stays.

    Args:
        network: Takes what `frames` holds; its layers are changed.
        frames: Calibration input, (N, H, W, 3).

    Returns:
        How many groups were rescaled.
    """
    groups = list(find_groups(network))
    if not groups:
        return 0
    for group, ranges in zip(groups, _ranges(network, groups, frames), strict=True):
        if not ranges.max() > 0:
            continue
        factors = np.clip(ranges / ranges.max(), 1 / MAX_STRETCH, 1).astype(np.float32)
        for layer in group.sources:
            _scale_outputs(layer, 1 / factors)
        for layer in group.readers:
            kernel, *bias = layer.get_weights()  # (h, w, in, out), depthwise (h, w, in, 1)
            layer.set_weights([kernel * factors[:, np.newaxis], *bias])
    return len(groups)


def find_groups(network: keras.Model) -> Iterator[Group]:
    """Find the groups that convolutions alone read, and that no output of the network is in."""
    seen: set[str] = set()
    for layer in network.layers:
        if layer.name not in seen and _is_source(layer):
            group = _grow(layer, {id(tensor) for tensor in network.outputs}, seen)
            if group is not None and group.readers:
                yield group


def _grow(start: keras.Layer, outputs: set[int], seen: set[str]) -> Group | None:
    """The group of a source; None if something in it does not scale along."""
    group, closed, todo = Group(), True, [start]
    while todo:
        member = todo.pop()
        if member.name in seen:
            continue
        if not (_is_source(member) or _is_passing(member)) or id(member.output) in outputs:
            closed = False
            continue
        seen.add(member.name)
        if _is_source(member):
            group.sources.append(member)
        else:
            todo += layers_before(member)
        after = list({x.name: x for x in layers_after(member)}.values())
        if [_kind(x) for x in after] != ["ReLU"]:
            group.members.append(member)
        todo += [x for x in after if _is_passing(x)]
        others = [x for x in after if not _is_passing(x)]
        group.readers += [x for x in others if _is_reader(x)]
        closed = closed and all(_is_reader(x) for x in others)
    # Several members may hand the channels to one reader; it is rescaled once.
    group.readers = list({r.name: r for r in group.readers}.values())
    return group if closed else None


def _is_source(layer: keras.Layer) -> bool:
    if _kind(layer) == "BatchNormalization":
        return bool(layer.scale and layer.center)
    if _kind(layer) not in SOURCES:
        return False
    return layer.activation.__name__ in {"linear", "relu"}


def _is_passing(layer: keras.Layer) -> bool:
    if _kind(layer) == "ReLU":
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return _kind(layer) in PASSING


def _is_reader(layer: keras.Layer) -> bool:
    if _kind(layer) == "DepthwiseConv2D":
        return bool(layer.depth_multiplier == 1)
    return _kind(layer) in READERS and layer.groups == 1


def _kind(layer: keras.Layer) -> str:
    return type(layer).__name__


def _scale_outputs(layer: keras.Layer, factors: FloatArray) -> None:
    """Multiply the channels that a source makes."""
    weights = layer.get_weights()
    if _kind(layer) == "BatchNormalization":
        gamma, beta, mean, variance = weights
        layer.set_weights([gamma * factors, beta * factors, mean, variance])
        return
    kernel, *bias = weights
    per_filter = factors[:, np.newaxis] if _kind(layer) == "DepthwiseConv2D" else factors
    layer.set_weights([kernel * per_filter, *(b * factors for b in bias)])


def _ranges(network: keras.Model, groups: list[Group], frames: FloatArray) -> list[FloatArray]:
    """Largest magnitude of each channel of each group over all frames, (C,) each."""
    import keras

    flat = [layer.output for group in groups for layer in group.members]
    probe = keras.Model(network.inputs, flat)
    found = [np.zeros(t.shape[-1], np.float32) for t in flat]
    for frame in frames:  # one by one, for the finest maps of a batch fill the memory
        for i, array in enumerate(probe.predict_on_batch(frame[np.newaxis])):
            values = np.abs(np.asarray(array))
            found[i] = np.maximum(found[i], values.max(axis=tuple(range(values.ndim - 1))))
    merged, start = [], 0
    for group in groups:
        merged.append(np.max(found[start : start + len(group.members)], axis=0))
        start += len(group.members)
    return merged
