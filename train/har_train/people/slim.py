"""A narrower top for the network, fitted in closed form to give the pyramid what the wide one did.

In the published top two convolutions follow each other without anything between them: one matrix
does both. Of its outputs and of the block's inner channels those stay that matter most for the
pyramid, and least squares on real activations make good for the others.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_train.model.network import import_keras
from har_train.model.types import KerasModel
from har_train.people.network import LAST_BLOCK, TAPS
from har_train.people.published import set_folded

Doubles = NDArray[np.float64]

REFINE_BATCH, REFINE_RATE = 16, 5e-4
RIDGE = 1e-3  # of the mean variance, added so that equal channels share


def copy_weights(source: KerasModel, target: KerasModel) -> None:
    """Give a network the weights of another one's layers of the same names and shapes."""
    known = {layer.name: layer.get_weights() for layer in source.layers}
    for layer in target.layers:
        weights = known.get(layer.name)
        if weights and [w.shape for w in weights] == [w.shape for w in layer.get_weights()]:
            layer.set_weights(weights)


def fit_slim_top(
    published: KerasModel, slim: KerasModel, coarse: FloatArray, target: FloatArray
) -> float:
    """Fit the narrow top of a network.

    Args:
        published: With a published graph's weights.
        slim: Another network with them, but for its top; its layers `top_*` and `lateral_top`
            are set.
        coarse: What the last of `TAPS` gives for some pictures, (V, rows, columns, channels).
        target: What the published `lateral_top` gives for them.

    Returns:
        Share of the target's variance that the narrow top explains.
    """
    keras = import_keras()
    inner = keras.Model(
        published.get_layer(TAPS[-1]).output, published.get_layer("block_16_depthwise_relu").output
    )
    hidden = _rows(np.asarray(inner.predict(coarse, batch_size=16, verbose=0)))
    wanted = _rows(target).astype(np.float64)
    matrix, bias = _joined(published)
    lateral = _kernel(published, "lateral_top")
    before = hidden @ matrix + bias
    width, filters = (_kernel(slim, n).shape[-1] for n in ("top_expand_conv", "top_conv"))
    outer = np.linalg.norm(lateral, axis=1)
    kept = _largest(np.clip(before, 0, 6).std(axis=0) * outer, filters)
    weight = np.linalg.norm(matrix[:, kept] * outer[kept], axis=1)
    chosen = _largest(hidden.std(axis=0) * weight, width)
    kernel, offset = _least_squares(hidden[:, chosen], before[:, kept])
    after = np.clip(hidden[:, chosen] @ kernel + offset, 0, 6)
    last_kernel, last_offset = _least_squares(after, wanted)
    _take_channels(published, slim, chosen)
    slim.get_layer("top_conv").set_weights([_shaped(kernel)])
    set_folded(slim, "top_BN", offset.astype(np.float32))
    slim.get_layer("lateral_top").set_weights([_shaped(last_kernel), last_offset])
    missed = ((after @ last_kernel + last_offset - wanted) ** 2).sum()
    return float(1 - missed / ((wanted - wanted.mean(axis=0)) ** 2).sum())


def refine_top(
    slim: KerasModel, coarse: FloatArray, target: FloatArray, epochs: int, seed: int = 0
) -> float:
    """Train the narrow top, in place, to give still more of what the published one gives.

    Args:
        slim: After `fit_slim_top`, or the part of it above the backbone.
        coarse, target: See `fit_slim_top`.
        epochs: Passes over them.
        seed: Of their order.

    Returns:
        Share of the target's variance that it explains in the end.
    """
    keras = import_keras()
    entry = slim.get_layer("top_expand_conv").input
    top = keras.Model(entry, slim.get_layer("lateral_top").output)
    steps = -(-len(coarse) // REFINE_BATCH)
    rate = keras.optimizers.schedules.CosineDecay(REFINE_RATE, epochs * steps)
    for layer in top.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.trainable = False  # the moving statistics belong to the weights
    top.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
    keras.utils.set_random_seed(seed)
    top.fit(coarse, target, batch_size=REFINE_BATCH, epochs=epochs, verbose=0)
    missed = (
        (np.asarray(top.predict(coarse, batch_size=REFINE_BATCH, verbose=0)) - target) ** 2
    ).sum()
    return float(1 - missed / ((target - target.mean(axis=(0, 1, 2))) ** 2).sum())


def _rows(maps: FloatArray) -> FloatArray:
    return np.asarray(maps.reshape(-1, maps.shape[-1]))


def _kernel(model: KerasModel, name: str) -> FloatArray:
    """A convolution's kernel without its height and width of 1."""
    return np.asarray(cast(FloatArray, model.get_layer(name).get_weights()[0])[0, 0])


def _joined(published: KerasModel) -> tuple[FloatArray, FloatArray]:
    """The two linear layers of the published top as one matrix and bias."""
    project, top = (
        _kernel(published, LAST_BLOCK.removesuffix("_BN")),
        _kernel(published, "top_conv"),
    )
    biases = [
        cast(FloatArray, published.get_layer(n).get_weights()[1]) for n in (LAST_BLOCK, "top_BN")
    ]
    return np.asarray(project @ top), np.asarray(biases[0] @ top + biases[1])


def _largest(importance: FloatArray, count: int) -> NDArray[np.intp]:
    return np.sort(np.argsort(-importance)[:count])


def _least_squares(x: FloatArray | Doubles, y: FloatArray | Doubles) -> tuple[Doubles, Doubles]:
    """Kernel and bias that make y of x, (n, m) and (m,)."""
    mean_x, mean_y = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    centred = (x - mean_x).astype(np.float32)
    gram = (centred.T @ centred).astype(np.float64)
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
    kernel = np.linalg.solve(gram, (centred.T @ (y - mean_y).astype(np.float32)))
    return kernel, mean_y - mean_x @ kernel


def _shaped(kernel: Doubles) -> FloatArray:
    return kernel[np.newaxis, np.newaxis].astype(np.float32)


def _take_channels(published: KerasModel, slim: KerasModel, chosen: NDArray[np.intp]) -> None:
    """Copy some channels of the published network's last block."""
    pairs = {"block_16_expand": "top_expand_conv", "block_16_expand_BN": "top_expand_BN"}
    for source, name in pairs.items():
        weights = published.get_layer(source).get_weights()
        slim.get_layer(name).set_weights([w[..., chosen] for w in weights])
    (depthwise,) = published.get_layer("block_16_depthwise").get_weights()
    slim.get_layer("top_depthwise").set_weights([depthwise[:, :, chosen]])
    norm = published.get_layer("block_16_depthwise_BN").get_weights()
    slim.get_layer("top_depthwise_BN").set_weights([w[chosen] for w in norm])
