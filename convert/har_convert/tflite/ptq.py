"""Prepare a backbone for int8, so that the converter's plain rounding does little harm.

A converter rounds each weight to the nearest of 255 steps and gives each activation tensor one
scale. On MobileNetV2 that turns the feature vectors by some ten degrees. Three steps, all on the
Keras weights and on calibration frames, undo most of it; what the converter does then is exact.

1. `equalize`: between two convolutions without a non-linearity, a channel may be divided by any
   factor if the next convolution's weights for it are multiplied by the same. The function stays,
   the channels' ranges become equal. Source: Nagel et al., Data-Free Quantization Through Weight
   Equalization and Bias Correction (2019), section 4.1, here with measured ranges and across
   residual additions.
2. `round_weights` rounds one weight after the other and lets the rest of its filter make good
   for the error on real inputs. Source: Frantar et al., GPTQ (2022), section 3.
3. It then moves each filter's bias so that its mean output stays. Source: Nagel et al. (2019),
   section 4.2.

The stem, all layers up to the second linear bottleneck, is left in float: in MobileNetV2 it makes
half of the noise and costs 8 % of the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from har_convert.tflite.compat import input_of, layers_after, layers_before

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Precision = Literal["int8", "float16"]
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

# Channels are never stretched more than this: one that hardly ever fires has no known range.
MAX_STRETCH = 100.0
# int8 weights are symmetric: -127..127.
LEVELS = 127
# Share of the mean curvature added to its diagonal, so that it can be inverted.
DAMPING = 0.01
# Positions per layer that the rounding looks at; more changes nothing that can be measured.
MAX_POSITIONS = 40_000
# Frames that the rounding runs on; their activations fill some 1.5 GB of memory.
ROUNDING_FRAMES = 64
# Linear bottlenecks that belong to the stem.
STEM_STREAMS = 1


def prepare(
    encoder: keras.Model, frames: NDArray[np.uint8], *, float_stem: bool = True
) -> list[str]:
    """Do all three steps for int8 on the network inside a frame encoder, in place.

    Args:
        encoder: Keras model (N, H, W, 3) -> (N, D) with the backbone as a nested model.
        frames: Calibration frames, (N, H, W, 3), 0..255.
        float_stem: Whether the stem is to stay in float.

    Returns:
        Names of the stem's layers, in order; none if it is rounded with the others.
    """
    backbone, inputs = backbone_and_inputs(encoder, frames)
    equalize(backbone, inputs)
    stem = stem_of(backbone) if float_stem else []
    round_weights(backbone, _spread(inputs), leave=stem)
    return stem


def prepare_float16(encoder: keras.Model, frames: NDArray[np.uint8]) -> list[str]:
    """Round the network inside a frame encoder to half precision, in place.

    Depthwise filters that sharpen have large weights of both signs, whose rounding errors do not
    cancel as the weights do. They are few, so they stay as they are, and so does the stem. Only
    the widest are halved: they hold most of the bytes, and come last.

    Returns:
        Names of the layers whose weights are to stay in float32.
    """
    backbone, inputs = backbone_and_inputs(encoder, frames)
    depthwise = {x.name: x for x in backbone.layers if _kind(x) == "DepthwiseConv2D"}
    widest = max((x.kernel.shape[-2] for x in depthwise.values()), default=0)
    kept = {name for name, x in depthwise.items() if x.kernel.shape[-2] < widest}
    kept |= set(stem_of(backbone))
    round_weights(backbone, _spread(inputs), precision="float16", leave=kept)
    return sorted(kept)


def backbone_of(encoder: keras.Model) -> keras.Model:
    """The network inside a frame encoder."""
    return next(layer for layer in encoder.layers if hasattr(layer, "layers"))


def backbone_and_inputs(
    encoder: keras.Model, frames: NDArray[np.uint8]
) -> tuple[keras.Model, FloatArray]:
    """The network inside a frame encoder, and what it is given for some frames."""
    import keras

    backbone = backbone_of(encoder)
    given = input_of(backbone)
    if any(given is tensor for tensor in encoder.inputs):  # it scales pixels by itself
        return backbone, frames.astype(np.float32)
    scale = keras.Model(encoder.inputs, given)
    return backbone, np.asarray(scale.predict_on_batch(frames.astype(np.float32)), np.float32)


def _spread(inputs: FloatArray) -> FloatArray:
    """Some of the inputs, evenly spread, for they come ordered by class."""
    chosen = np.unique(np.linspace(0, len(inputs) - 1, ROUNDING_FRAMES).astype(int))
    return np.asarray(inputs[chosen])


def stem_of(network: keras.Model) -> list[str]:
    """Names of the layers up to the second linear stream's source, in order; empty without one."""
    streams = list(itertools.islice(linear_streams(network), STEM_STREAMS))
    names = [layer.name for layer in network.layers]
    return names[: names.index(streams[-1].sources[0].name) + 1] if streams else []


@dataclass
class Stream:
    """Layers whose outputs must keep a common scale per channel.

    Attributes:
        sources: BatchNormalization layers that write into the stream.
        additions: Add layers inside it.
        readers: Conv2D layers that read from it.
    """

    sources: list[keras.Layer] = field(default_factory=list)
    additions: list[keras.Layer] = field(default_factory=list)
    readers: list[keras.Layer] = field(default_factory=list)


def equalize(network: keras.Model, frames: FloatArray, *, batch: int = 16) -> int:
    """Rescale the channels of all linear streams of a functional Keras network, in place.

    Args:
        network: Takes what `frames` holds; its layers are changed.
        frames: Calibration input, (N, H, W, 3).
        batch: Frames to run at a time.

    Returns:
        How many streams were rescaled.
    """
    streams = list(linear_streams(network))
    if not streams:
        return 0
    for stream, ranges in zip(streams, _ranges(network, streams, frames, batch), strict=True):
        factors = np.clip(ranges / ranges.max(), 1 / MAX_STRETCH, 1).astype(np.float32)
        for layer in stream.sources:
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma / factors, beta / factors, mean, variance])
        for layer in stream.readers:
            kernel, *bias = layer.get_weights()  # kernel (h, w, in, out)
            layer.set_weights([kernel * factors[:, np.newaxis], *bias])
    return len(streams)


def linear_streams(network: keras.Model) -> Iterable[Stream]:
    """Find the streams: batch norms whose output reaches convolutions through additions alone."""
    seen: set[str] = set()
    for layer in network.layers:
        if layer.name in seen or _kind(layer) != "BatchNormalization":
            continue
        stream, closed, todo = Stream(), True, [layer]
        while todo:
            member = todo.pop()
            if member.name in seen:
                continue
            seen.add(member.name)
            kind = _kind(member)
            if kind == "Add":
                stream.additions.append(member)
                todo += layers_before(member)
            elif kind == "BatchNormalization" and member.scale and member.center:
                stream.sources.append(member)
            else:
                closed = False
                continue
            for reader in layers_after(member):
                if _kind(reader) == "Conv2D" and reader.groups == 1:
                    stream.readers.append(reader)
                else:
                    todo.append(reader)
        # Several additions may hand the stream to one reader; it is rescaled once.
        stream.readers = list({r.name: r for r in stream.readers}.values())
        if closed and stream.readers:
            yield stream


def _kind(layer: keras.Layer) -> str:
    return type(layer).__name__


def _ranges(
    network: keras.Model, streams: list[Stream], frames: FloatArray, batch: int
) -> list[FloatArray]:
    """Largest magnitude of each channel of each stream over all frames, (C,) each."""
    import keras

    members = [[*s.sources, *s.additions] for s in streams]
    flat = [layer.output for group in members for layer in group]
    probe = keras.Model(network.inputs, flat)
    found: list[FloatArray] = [np.zeros(t.shape[-1], dtype=np.float32) for t in flat]
    for i in range(0, len(frames), batch):
        for j, array in enumerate(probe.predict_on_batch(frames[i : i + batch])):
            values = np.abs(np.asarray(array))
            found[j] = np.maximum(found[j], values.max(axis=tuple(range(values.ndim - 1))))
    merged, start = [], 0
    for group in members:
        merged.append(np.max(found[start : start + len(group)], axis=0))
        start += len(group)
    return merged


def round_weights(
    network: keras.Model,
    inputs: FloatArray,
    *,
    precision: Precision = "int8",
    leave: Collection[str] = (),
) -> None:
    """Round the kernels of all convolutions to a coarser grid and correct the means, in place.

    The network is run once, layer by layer, as it was and as it becomes, side by side: each
    filter sees inputs that carry the errors of the layers before it.

    Args:
        network: Functional Keras network; a convolution is followed by a batch norm.
        inputs: Calibration input, (N, H, W, 3).
        precision: The grid: int8's steps, one for each filter, or half precision.
        leave: Names of layers that stay as they are.
    """
    exact: dict[int, tf.Tensor | FloatArray] = {id(network.inputs[0]): inputs}
    rounded: dict[int, tf.Tensor | FloatArray] = dict(exact)
    uses = _count_uses(network)
    for layer in network.layers:
        if _kind(layer) == "InputLayer":
            continue
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        exact_out = _call(layer, [exact[id(t)] for t in tensors])
        now = [rounded[id(t)] for t in tensors]
        if _kind(layer) in CONVOLUTIONS and layer.name not in leave:
            _round_layer(layer, np.asarray(now[0]), precision)
        rounded_out = _call(layer, now)
        if _kind(layer) == "BatchNormalization" and layer.center:
            shift = _channel_means(exact_out) - _channel_means(rounded_out)
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta + shift, mean, variance])
            rounded_out = rounded_out + shift
        exact[id(layer.output)], rounded[id(layer.output)] = exact_out, rounded_out
        for tensor in tensors:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                del exact[id(tensor)], rounded[id(tensor)]


CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")


def _count_uses(network: keras.Model) -> dict[int, int]:
    """How many layers read each tensor; its arrays are dropped after the last."""
    uses: dict[int, int] = {}
    for layer in network.layers:
        if _kind(layer) != "InputLayer":
            for tensor in layer.input if isinstance(layer.input, list) else [layer.input]:
                uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    return uses


def _call(layer: keras.Layer, arrays: list[tf.Tensor | FloatArray]) -> tf.Tensor:
    return layer(arrays if len(arrays) > 1 else arrays[0], training=False)


def _channel_means(array: tf.Tensor | FloatArray) -> FloatArray:
    values = np.asarray(array)
    return np.asarray(values.mean(axis=tuple(range(values.ndim - 1)), dtype=np.float64), np.float32)


def _round_layer(layer: keras.Layer, inputs: FloatArray, precision: Precision) -> None:
    """Round one convolution's kernel as the converter will see it, batch norm folded in."""
    depthwise = _kind(layer) == "DepthwiseConv2D"
    kernel, *bias = layer.get_weights()  # (h, w, in, out), depthwise (h, w, in, 1)
    scale = _folded_scale(layer)
    per_filter = scale[:, np.newaxis] if depthwise else scale
    folded = kernel * per_filter
    patches = _patches(layer, inputs)  # (P, h, w, in)
    height, width, channels, filters = kernel.shape
    if depthwise:  # every channel is a problem of its own: (in, 1, h w)
        rows = folded.reshape(height * width, channels).T[:, np.newaxis]
        samples = patches.reshape(len(patches), height * width, channels).transpose(2, 0, 1)
        result = _round_rows(rows, samples, precision)[:, 0].T.reshape(kernel.shape)
    else:  # all filters share their inputs: (1, out, h w in)
        rows = folded.reshape(-1, filters).T[np.newaxis]
        samples = patches.reshape(1, len(patches), -1)
        result = _round_rows(rows, samples, precision)[0].T.reshape(kernel.shape)
    layer.set_weights([(result / per_filter).astype(np.float32), *bias])


def _folded_scale(layer: keras.Layer) -> FloatArray:
    """What the following batch norm multiplies each output channel by, (out,)."""
    after = layers_after(layer)
    if len(after) == 1 and _kind(after[0]) == "BatchNormalization" and after[0].scale:
        gamma, *_, variance = after[0].get_weights()
        factors = gamma / np.sqrt(variance + after[0].epsilon)
        return np.asarray(np.where(factors == 0, 1, factors), dtype=np.float32)
    return np.ones(layer.output.shape[-1], dtype=np.float32)


def _patches(layer: keras.Layer, inputs: FloatArray) -> FloatArray:
    """Some of the input patches that a convolution's kernel meets, (P, h, w, in)."""
    size, stride = layer.kernel_size[0], layer.strides[0]
    if layer.padding == "same" and size > 1:
        height = inputs.shape[1]
        total = max((-(-height // stride) - 1) * stride + size - height, 0)
        pad = (total // 2, total - total // 2)
        inputs = np.pad(inputs, ((0, 0), pad, pad, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(inputs, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]  # (N, rows, columns, in, h, w)
    positions = len(windows) * windows.shape[1] * windows.shape[2]
    step = int(np.ceil(np.sqrt(positions / MAX_POSITIONS)))
    chosen = windows[:, ::step, ::step].transpose(0, 1, 2, 4, 5, 3)
    return np.asarray(chosen.reshape(-1, *chosen.shape[3:]), dtype=np.float32)


def _round_rows(rows: FloatArray, samples: FloatArray, precision: Precision) -> DoubleArray:
    """Round filters so that their outputs change least, up to a constant.

    Args:
        rows: G groups of R filters of n weights, (G, R, n).
        samples: Inputs of each group, (G, P, n).
        precision: The grid.

    Returns:
        Rounded weights on each filter's grid, (G, R, n).
    """
    steps = np.maximum(np.abs(rows).max(axis=-1), 1e-12) / LEVELS  # (G, R), of int8
    order, factor = _order_and_factor(samples)
    work = np.take_along_axis(rows.astype(np.float64), order[:, np.newaxis, :], axis=2)
    rounded = np.zeros_like(work)
    for j in range(rows.shape[-1]):
        if precision == "int8":
            levels = np.clip(np.rint(work[..., j] / steps), -LEVELS, LEVELS)
            rounded[..., j] = levels * steps
        else:
            rounded[..., j] = work[..., j].astype(np.float16)
        error = (work[..., j] - rounded[..., j]) / factor[:, j, j, np.newaxis]
        work[..., j + 1 :] -= error[..., np.newaxis] * factor[:, np.newaxis, j, j + 1 :]
    result = np.empty_like(rounded)
    np.put_along_axis(result, order[:, np.newaxis, :], rounded, axis=2)
    return _keep_largest(result, rows, steps) if precision == "int8" else result


def _order_and_factor(samples: FloatArray) -> tuple[NDArray[np.intp], DoubleArray]:
    """Order in which to round, and how later weights make good for each one's error.

    Returns:
        Weight numbers, those that matter most first, (G, n), and the upper factor of the
        inverse curvature in that order, (G, n, n).
    """
    centred = samples - samples.mean(axis=1, keepdims=True)
    curvature = (centred.transpose(0, 2, 1) @ centred / samples.shape[1]).astype(np.float64)
    diagonal = np.einsum("gnn->gn", curvature)
    order = np.argsort(-diagonal, axis=-1)
    damping = DAMPING * diagonal.mean(axis=-1) + 1e-9
    curvature = curvature + damping[:, np.newaxis, np.newaxis] * np.eye(samples.shape[-1])
    curvature = np.take_along_axis(curvature, order[:, :, np.newaxis], axis=1)
    curvature = np.take_along_axis(curvature, order[:, np.newaxis, :], axis=2)
    return order, np.linalg.cholesky(np.linalg.inv(curvature)).transpose(0, 2, 1)


def _keep_largest(rounded: DoubleArray, rows: FloatArray, steps: FloatArray) -> DoubleArray:
    """Put each filter's largest weight back to the end of the scale if rounding moved it.

    The converter takes a filter's step from its largest weight; from another one it would round
    all the others a second time on another grid.
    """
    end = LEVELS * steps[..., np.newaxis]
    largest = np.abs(rows).argmax(axis=-1)[..., np.newaxis]
    ends = end * np.sign(np.take_along_axis(rows, largest, axis=-1))
    kept = np.isclose(np.abs(rounded).max(axis=-1, keepdims=True), end)
    current = np.take_along_axis(rounded, largest, axis=-1)
    np.put_along_axis(rounded, largest, np.where(kept, current, ends), axis=-1)
    return rounded
