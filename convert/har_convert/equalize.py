"""Make a backbone fit for int8 without changing what it computes.

int8 gives a whole activation tensor one scale. In networks with linear bottlenecks, such as
MobileNetV2, a few channels reach ten times further than the rest, which are left with a
handful of steps. Between two convolutions without a non-linearity each channel may be
divided by any factor, if the next convolution's weights for it are multiplied by the same:
the function stays, the ranges become equal.

Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction
(2019), section 4.1, here with measured activation ranges and across residual additions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Channels are never stretched more than this: one that hardly ever fires has no known range.
MAX_STRETCH = 100.0


@dataclass
class Stream:
    """Layers whose outputs must keep a common scale per channel.

    Attributes:
        sources: BatchNormalization layers that write into the stream.
        additions: Add layers inside it.
        readers: Conv2D layers that read from it.
    """

    sources: list[Any] = field(default_factory=list)
    additions: list[Any] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)


def equalize(network: Any, frames: NDArray[np.float32], *, batch: int = 16) -> int:
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


def linear_streams(network: Any) -> Iterable[Stream]:
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
                todo += _before(member)
            elif kind == "BatchNormalization" and member.scale and member.center:
                stream.sources.append(member)
            else:
                closed = False
                continue
            for reader in _after(member):
                if _kind(reader) == "Conv2D" and reader.groups == 1:
                    stream.readers.append(reader)
                else:
                    todo.append(reader)
        # Several additions may hand the stream to one reader; it is rescaled once.
        stream.readers = list({r.name: r for r in stream.readers}.values())
        if closed and stream.readers:
            yield stream


def _kind(layer: Any) -> str:
    return type(layer).__name__


def _before(layer: Any) -> list[Any]:
    return [t._keras_history.operation for node in layer._inbound_nodes for t in node.input_tensors]


def _after(layer: Any) -> list[Any]:
    return [node.operation for node in layer._outbound_nodes]


def _ranges(
    network: Any, streams: list[Stream], frames: NDArray[np.float32], batch: int
) -> list[NDArray[np.float32]]:
    """Largest magnitude of each channel of each stream over all frames, (C,) each."""
    import keras

    members = [[*s.sources, *s.additions] for s in streams]
    flat = [layer.output for group in members for layer in group]
    probe = keras.Model(network.inputs, flat)
    found: list[NDArray[np.float32]] = [np.zeros(t.shape[-1], dtype=np.float32) for t in flat]
    for i in range(0, len(frames), batch):
        for j, array in enumerate(probe.predict_on_batch(frames[i : i + batch])):
            values = np.abs(np.asarray(array))
            found[j] = np.maximum(found[j], values.max(axis=tuple(range(values.ndim - 1))))
    merged, start = [], 0
    for group in members:
        merged.append(np.max(found[start : start + len(group)], axis=0))
        start += len(group)
    return merged
