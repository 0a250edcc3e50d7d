"""What the heads are trained to make small, on cells in any order.

Source: Zhou et al., Objects as Points (2019), equation 1, for middles and keypoints; Yu et al.,
UnitBox (2016), for boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from har_train.model.types import Tensor
from har_train.people.network import NUM_KEYPOINTS
from har_train.people.targets import NEAR

# Weights of the losses of boxes and of keypoints beside that of middles.
BOX, KEYPOINTS = 1.0, 0.5
PEAK = 0.999  # height of a bump from which a cell is its middle


def people_loss(
    tf: ModuleType,
    outputs: Sequence[Tensor],
    bump: Tensor,
    weight: Tensor,
    box: Tensor,
    keypoints: Tensor,
) -> Tensor:
    """The loss of some cells.

    Args:
        tf: The module.
        outputs: Of the heads of middles, sizes, offsets of middles and keypoints, (M, .) each.
        bump, weight, box, keypoints: See `Cells`.
    """
    center, size, middle, regress = outputs
    of_centers = focal_loss(tf, tf.reshape(center, (-1,)), bump, weight)
    near = tf.cast(tf.greater_equal(bump, NEAR), tf.float32)
    cells = tf.maximum(tf.reduce_sum(near), 1.0)
    of_boxes = tf.reduce_sum(near * _box_loss(tf, size, middle, box)) / cells
    of_keypoints = tf.reduce_sum(near * _keypoint_loss(tf, regress, box, keypoints)) / cells
    loss: Tensor = of_centers + BOX * of_boxes + KEYPOINTS * of_keypoints
    return loss


def focal_loss(tf: ModuleType, logit: Tensor, bump: Tensor, weight: Tensor) -> Tensor:
    """How far cells are from saying where the peaks are, by the peak.

    Args:
        tf: The module.
        logit: What cells say.
        bump: 1 at peaks, less around them; of the same shape.
        weight: Of each cell.
    """
    likely = tf.sigmoid(logit)
    peak = tf.cast(tf.greater(bump, PEAK), tf.float32)
    hit = tf.square(1 - likely) * tf.math.softplus(tf.negative(logit))
    miss = tf.subtract(1.0, bump) ** 4 * tf.square(likely) * tf.math.softplus(logit)
    peaks = tf.maximum(tf.reduce_sum(peak), 1.0)
    loss: Tensor = tf.reduce_sum(weight * (peak * hit + (1 - peak) * miss)) / peaks
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
