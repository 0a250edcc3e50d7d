"""Training of the heads of middles, boxes and keypoints on chosen cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from har_train.model.network import import_keras
from har_train.model.types import KerasModel, Tensor
from har_train.people.cells import NEAR, Cells
from har_train.people.network import HEAD_FILTERS, HEADS, NUM_KEYPOINTS
from har_train.people.slim import copy_weights

TRAINED = ("center", "size", "middle", "regress")
BATCH = 1024
LEARNING_RATE = 1e-3
# Weights of the losses of boxes and of keypoints beside that of middles.
BOX, KEYPOINTS = 1.0, 0.5


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
            loss = _loss(tf, outputs, *targets)
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


def _loss(
    tf: ModuleType,
    outputs: Sequence[Tensor],
    bump: Tensor,
    weight: Tensor,
    box: Tensor,
    keypoints: Tensor,
) -> Tensor:
    """The loss of a batch of cells.

    Source: Zhou et al., Objects as Points (2019), equation 1, for middles; Yu et al., UnitBox
    (2016), for boxes.
    """
    center, size, middle, regress = (tf.reshape(o, (tf.shape(o)[0], -1)) for o in outputs)
    logit = center[:, 0]
    likely = tf.sigmoid(logit)
    peak = tf.cast(tf.greater(bump, 0.999), tf.float32)
    hit = tf.square(1 - likely) * tf.math.softplus(-logit)
    miss = tf.subtract(1.0, bump) ** 4 * tf.square(likely) * tf.math.softplus(logit)
    people = tf.maximum(tf.reduce_sum(peak), 1.0)
    of_centers = tf.reduce_sum(weight * (peak * hit + (1 - peak) * miss)) / people
    near = tf.cast(tf.greater_equal(bump, NEAR), tf.float32)
    cells = tf.maximum(tf.reduce_sum(near), 1.0)
    of_boxes = tf.reduce_sum(near * _box_loss(tf, size, middle, box)) / cells
    of_keypoints = tf.reduce_sum(near * _keypoint_loss(tf, regress, box, keypoints)) / cells
    loss: Tensor = of_centers + BOX * of_boxes + KEYPOINTS * of_keypoints
    return loss


def _box_loss(tf: ModuleType, size: Tensor, middle: Tensor, box: Tensor) -> Tensor:
    """1 minus the overlap, and how far the sides are off, in sides of the box, (M,)."""
    half = tf.maximum(size, 0.1) / 2
    low, high = (tf.reverse(middle + sign * half, [1]) for sign in (-1, 1))  # x, y
    true_low, true_high = tf.split(box, 2, axis=1)
    extent = tf.maximum(true_high - true_low, 0.5)
    common = tf.reduce_prod(
        tf.nn.relu(tf.minimum(high, true_high) - tf.maximum(low, true_low)), axis=1
    )
    union = tf.reduce_prod(high - low, axis=1) + tf.reduce_prod(extent, axis=1) - common
    sides = tf.abs(low - true_low) + tf.abs(high - true_high)
    loss: Tensor = 1 - common / tf.maximum(union, 1e-3) + tf.reduce_mean(sides / extent, axis=1)
    return loss


def _keypoint_loss(tf: ModuleType, regress: Tensor, box: Tensor, keypoints: Tensor) -> Tensor:
    """How far keypoints are off, in sides of the box, by how sure the teacher is, (M,)."""
    found = tf.reshape(regress, (-1, NUM_KEYPOINTS, 2))
    low, high = tf.split(box, 2, axis=1)
    side = tf.maximum(tf.reduce_max(high - low, axis=1), 1.0)
    where, sure = tf.split(keypoints, [2, 1], axis=2)
    off = tf.reduce_sum(tf.abs(found - where) * sure, axis=[1, 2])
    loss: Tensor = off / (NUM_KEYPOINTS * side)
    return loss
