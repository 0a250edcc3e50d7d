"""From the maps of `locate` to people, inside the network: builtin operations alone.

1. A cell is a candidate if no cell near it is more likely to be the middle of a person.
2. The best candidates become boxes; a box that mostly covers a better one is dropped.
3. Each keypoint starts where the middle's cell says, and moves to the best cell near there.

Source: Zhou et al., Objects as Points (2019); step 2 is the parallel suppression of Bolya et al.,
YOLACT (2019), section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from har_train.model.network import import_keras
from har_train.model.types import KerasModel, Tensor
from har_train.people.network import NUM_KEYPOINTS

MAX_PEOPLE = 8
CANDIDATES = 16
NEIGHBOURS = 5  # cells in each direction that have one middle at most
MAX_OVERLAP = 0.6  # of two boxes
REACH = 4  # cells that a keypoint moves at most, in each direction
# Squared cells after which a keypoint's cell counts for 1/e.
SPREAD = 12.0
# Cells of equal value (8 bits have few) are told apart by a pattern of steps this small.
TIE_STEP = 1e-4


def join_decoder(maps: KerasModel) -> KerasModel:
    """Put scaling before the maps and the decoder behind them.

    Args:
        maps: As `build_network` made it.

    Returns:
        `locate`: frame (1, H, W, 3), 0..255 -> people (1, MAX_PEOPLE, 56): score; box as left,
        top, right, bottom; 17 times x, y, score; all in [0, 1] of the input, best first. A row
        of score 0 is nobody.
    """
    keras = import_keras()
    frame = keras.Input(maps.input_shape[1:], batch_size=1, name="frame")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scale")(frame)
    people = decode_people(keras, keras.tree.flatten(maps(scaled, training=False)))
    model: KerasModel = keras.Model(frame, people, name="locate")
    return model


def decode_people(keras: ModuleType, maps: Sequence[Tensor]) -> Tensor:
    """Make people of maps, batch 1.

    Args:
        keras: The module.
        maps: In the order of `HEADS`, each (1, H / 4, W / 4, channels).

    Returns:
        (1, MAX_PEOPLE, 56), see `join_decoder`.
    """
    ops = keras.ops
    center, size, middle, regress, heat, offset = maps
    rows, columns = center.shape[1:3]
    scores, cells = _find_middles(keras, center, rows, columns)
    flat = (rows * columns, -1)
    cell_y = ops.floor(ops.add(cells, 0.5) / columns)
    cell_x = ops.subtract(cells, cell_y * columns)
    corner = ops.stack([cell_y, cell_x], axis=1)  # (K, 2)
    index = ops.cast(cells, "int32")
    centres = corner + ops.take(ops.reshape(middle, flat), index, axis=0)
    half = 0.5 * ops.relu(ops.take(ops.reshape(size, flat), index, axis=0))
    limits = np.array([rows, columns], np.float32)
    top_left = ops.minimum(ops.relu(centres - half), limits) / limits
    bottom_right = ops.minimum(ops.relu(centres + half), limits) / limits
    kept = ops.multiply(scores, _best_of_overlapping(keras, top_left, bottom_right))
    scores, order = ops.top_k(kept, MAX_PEOPLE)
    chosen = ops.take(index, order, axis=0)
    away = ops.reshape(ops.take(ops.reshape(regress, flat), chosen, axis=0), (-1, 1, 2))
    origin = ops.reshape(ops.take(corner, order, axis=0), (-1, 1, 2))
    start = ops.repeat(origin, NUM_KEYPOINTS, axis=0) + away  # (N * 17, 1, 2)
    keypoints = _refine(keras, start, heat, offset)
    box = ops.concatenate(
        [
            ops.flip(ops.take(top_left, order, axis=0), axis=1),
            ops.flip(ops.take(bottom_right, order, axis=0), axis=1),
        ],
        axis=1,
    )
    rows_of = [ops.reshape(scores, (MAX_PEOPLE, 1)), box, keypoints]
    people: Tensor = ops.reshape(ops.concatenate(rows_of, axis=1), (1, MAX_PEOPLE, -1))
    return people


def _find_middles(
    keras: ModuleType, center: Tensor, rows: int, columns: int
) -> tuple[Tensor, Tensor]:
    """Find the best candidates: scores, (CANDIDATES,), and numbers of cells, as floats."""
    ops = keras.ops
    y, x = np.mgrid[:rows, :columns] % NEIGHBOURS
    pattern = (TIE_STEP * (y * NEIGHBOURS + x)).astype(np.float32)
    told_apart = ops.add(center, pattern[np.newaxis, :, :, np.newaxis])
    highest = keras.layers.MaxPooling2D(NEIGHBOURS, 1, padding="same", name="highest")(told_apart)
    is_highest = ops.cast(ops.greater_equal(told_apart, highest), "float32")
    scores = ops.reshape(ops.sigmoid(center) * is_highest, (rows * columns,))
    best, cells = ops.top_k(scores, CANDIDATES)
    return best, ops.cast(cells, "float32")


def _best_of_overlapping(keras: ModuleType, top_left: Tensor, bottom_right: Tensor) -> Tensor:
    """1 for a box, 0 for one that a better one, further up, mostly covers: (CANDIDATES,)."""
    ops = keras.ops
    pair = (CANDIDATES, CANDIDATES)

    def spread(values: Tensor, axis: int) -> Tensor:
        """One coordinate of all boxes against all: along rows (0) or columns (1)."""
        shape = (CANDIDATES, 1) if axis == 0 else (1, CANDIDATES)
        wide: Tensor = ops.broadcast_to(ops.reshape(values, shape), pair)
        return wide

    sides = []
    for k in (0, 1):
        low, high = ops.take(top_left, k, axis=1), ops.take(bottom_right, k, axis=1)
        first = ops.maximum(spread(low, 0), spread(low, 1))
        sides.append(ops.relu(ops.minimum(spread(high, 0), spread(high, 1)) - first))
    common = sides[0] * sides[1]
    extent = ops.subtract(bottom_right, top_left)
    area = extent[:, 0] * extent[:, 1]
    union = ops.add(spread(area, 0), spread(area, 1)) - common
    # By products, for a quotient of nothing by nothing is no number.
    covers = ops.cast(ops.greater(common, MAX_OVERLAP * union), "float32")
    further_up = np.triu(np.ones(pair, np.float32), 1)  # row i is better than column j > i
    kept: Tensor = 1.0 - ops.max(covers * further_up, axis=0)
    return kept


def _refine(keras: ModuleType, start: Tensor, heat: Tensor, offset: Tensor) -> Tensor:
    """Move keypoints to the best cells near where they start.

    Args:
        start: Where each is expected, (N * 17, 1, 2), y and x in cells.
        heat, offset: Maps.

    Returns:
        x, y and score of each, (N, 17 * 3), in [0, 1].
    """
    ops = keras.ops
    rows, columns = heat.shape[1:3]
    steps = np.arange(-REACH, REACH + 1, dtype=np.float32)
    around = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 2)
    last = np.array([rows - 1, columns - 1], np.float32)
    cells = ops.minimum(ops.relu(ops.floor(ops.add(start, 0.5)) + around), last)  # (N * 17, W, 2)
    joint = np.tile(np.arange(NUM_KEYPOINTS, dtype=np.float32), MAX_PEOPLE).reshape(-1, 1)
    place = (cells[:, :, 0] * columns + cells[:, :, 1]) * NUM_KEYPOINTS + joint
    logits = ops.take(ops.reshape(heat, (-1,)), ops.cast(place, "int32"), axis=0)
    likely = ops.sigmoid(logits)  # (N * 17, W)
    away = ops.sum(ops.square(ops.subtract(cells, start)), axis=2)
    value = likely * ops.exp(-away / SPREAD)
    # Keras's argmax tells zeros apart by their bits, for which TFLite has no operation.
    best = ops.reshape(ops.top_k(value, 1)[1], (-1,))
    window = around.shape[1]
    flat = ops.cast(best, "int32") + window * np.arange(MAX_PEOPLE * NUM_KEYPOINTS, dtype=np.int32)
    chosen = ops.take(ops.reshape(cells, (-1, 2)), flat, axis=0)
    score = ops.take(ops.reshape(likely, (-1, 1)), flat, axis=0)
    number = ops.cast(ops.take(ops.reshape(place, (-1,)), flat, axis=0), "int32")
    exact = chosen + ops.take(ops.reshape(offset, (-1, 2)), number, axis=0)
    limits = np.array([rows, columns], np.float32)
    where = ops.flip(ops.minimum(ops.relu(exact), limits) / limits, axis=1)
    keypoints: Tensor = ops.reshape(ops.concatenate([where, score], axis=1), (MAX_PEOPLE, -1))
    return keypoints
