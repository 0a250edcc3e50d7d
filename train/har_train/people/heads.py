"""Training of the heads of middles, boxes and keypoints on chosen cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from har_train.model.network import import_keras
from har_train.model.types import KerasModel, Tensor
from har_train.people.cells import Cells
from har_train.people.losses import people_loss
from har_train.people.network import HEAD_FILTERS, HEADS
from har_train.people.slim import copy_weights

TRAINED = ("center", "size", "middle", "regress")
BATCH = 1024
LEARNING_RATE = 1e-3


def build_heads(channels: int) -> KerasModel:
    """Build the trained heads for one cell each: (M, 3, 3, channels) -> (M, 1, 1, ...) each."""
    keras = import_keras()
    patch = keras.Input((3, 3, channels))
    outputs = []
    for name in TRAINED:
        x = keras.layers.DepthwiseConv2D(3, use_bias=False, name=f"{name}_depthwise")(patch)
        x = keras.layers.Conv2D(HEAD_FILTERS, 1, activation="relu", name=f"{name}_hidden")(x)
        outputs.append(keras.layers.Conv2D(HEADS[name], 1, name=f"{name}_out")(x))
    model: KerasModel = keras.Model(patch, outputs, name="heads")
    return model


def train_heads(
    network: KerasModel,
    cells: Cells,
    epochs: int,
    *,
    seed: int = 0,
    learning_rate: float = LEARNING_RATE,
    tick: Callable[[int, float], object] = lambda epoch, loss: None,
) -> list[float]:
    """Train the heads of a network in place.

    Args:
        network: As `build_network` made it.
        cells: What to learn.
        epochs: Passes over the cells.
        seed: Of their order.
        learning_rate: At the start; it falls to 0.
        tick: Called with the number of each epoch, from 1, and its mean loss.

    Returns:
        Mean loss of each epoch.
    """
    import tensorflow as tf

    keras = import_keras()
    heads = build_heads(cells.patches.shape[-1])
    copy_weights(network, heads)
    steps = max(1, len(cells) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    optimizer = keras.optimizers.Adam(rate)

    def step(patches: Tensor, *targets: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(heads(patches, training=True))
            flat = [tf.reshape(o, (tf.shape(o)[0], -1)) for o in outputs]
            loss = people_loss(tf, flat, *targets)
        gradients = tape.gradient(loss, heads.trainable_variables)
        optimizer.apply_gradients(zip(gradients, heads.trainable_variables, strict=True))
        return loss

    traced = tf.function(step, reduce_retracing=True)
    random, losses = np.random.default_rng(seed), []
    for epoch in range(1, epochs + 1):
        order, found = random.permutation(len(cells)), []
        for i in range(steps):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            arrays = (cells.patches, cells.bump, cells.weight, cells.box, cells.keypoints)
            given = [tf.constant(a[chosen].astype(np.float32)) for a in arrays]
            found.append(float(traced(*given)))
        losses.append(float(np.mean(found)))
        tick(epoch, losses[-1])
    copy_weights(heads, network)
    return losses
