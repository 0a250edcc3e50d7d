"""Cells to learn from: of each view those that say most, with what the heads should give there.

A head looks at 3 x 3 cells of the pyramid. Of the 4,096 cells of a view a hundred are taken: all
near a person's middle, those that the head takes for one now, and some at random, which count for
all the others. So an epoch takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_train.people.network import NUM_KEYPOINTS

SURE = 0.4  # score of a teacher's box that is taught; others are left alone
NEAR = 0.5  # height of the bump around a middle down to which boxes and keypoints are learnt
BUMP = 0.06  # spread of that bump in sides of the box
LEAST_BUMP = 0.6  # cells
HARD, RANDOM = 60, 40  # cells of a view beside those near a middle
SEEN = 0.3  # score of a keypoint that is learnt


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells with what is to be learnt there.

    Attributes:
        patches: The pyramid around each, (M, 3, 3, channels), float16.
        bump: 1 at the middle of a person, less around it, 0 elsewhere, (M,).
        weight: Cells that each stands for, (M,).
        box: Left, top, right and bottom from the cell, in cells, (M, 4); zeros where `bump` is
            below `NEAR`.
        keypoints: y, x and score of each keypoint from the cell, (M, 17, 3); score 0 if unknown.
    """

    patches: NDArray[np.float16]
    bump: FloatArray
    weight: FloatArray
    box: FloatArray
    keypoints: FloatArray

    @classmethod
    def join(cls, parts: Iterable[Cells]) -> Cells:
        """Put several together."""
        columns = zip(
            *((p.patches, p.bump, p.weight, p.box, p.keypoints) for p in parts), strict=True
        )
        return cls(*(np.concatenate(column) for column in columns))

    def __len__(self) -> int:
        return len(self.bump)


def choose_cells(
    pyramid: FloatArray, center: FloatArray, people: FloatArray, random: np.random.Generator
) -> Cells:
    """Choose cells of one view.

    Args:
        pyramid: What the heads look at, (rows, columns, channels).
        center: What the head of middles says now, (rows, columns).
        people: (M, 56) in fractions of the input.
        random: Chooses some of the cells.
    """
    rows, columns = center.shape
    sure = people[people[:, 0] >= SURE]
    boxes = sure[:, 1:5] * np.array([columns, rows, columns, rows], np.float32)
    bump, owner = _bumps(boxes, rows, columns)
    open_cells = _open_cells(people[people[:, 0] < SURE], rows, columns) & (bump < NEAR)
    near = np.argwhere(bump >= NEAR)
    y, x = np.nonzero(open_cells)
    order = np.argsort(-center[y, x])
    hard, rest = order[:HARD], order[HARD:]
    drawn = random.permutation(rest)[:RANDOM]
    others = np.stack([y, x], axis=1)[np.concatenate([hard, drawn])]
    weight = np.ones(len(near) + len(others), np.float32)
    if len(drawn):
        weight[-len(drawn) :] = len(rest) / len(drawn)
    cells = np.concatenate([near, others])
    owners = owner[tuple(near.T)]
    at = near[:, [1, 0, 1, 0]].astype(np.float32)
    box = np.zeros((len(cells), 4), np.float32)
    keypoints = np.zeros((len(cells), NUM_KEYPOINTS, 3), np.float32)
    if len(near):
        box[: len(near)] = boxes[owners] - at
        found = sure[owners, 5:].reshape(-1, NUM_KEYPOINTS, 3)
        keypoints[: len(near), :, 0] = found[..., 1] * rows - at[:, 1:2]
        keypoints[: len(near), :, 1] = found[..., 0] * columns - at[:, 0:1]
        keypoints[: len(near), :, 2] = np.where(found[..., 2] >= SEEN, found[..., 2], 0)
    padded = np.pad(pyramid, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    patches = windows[tuple(cells.T)].transpose(0, 2, 3, 1)
    values = bump[tuple(cells.T)]
    return Cells(patches.astype(np.float16), values, weight, box, keypoints)


def _bumps(boxes: FloatArray, rows: int, columns: int) -> tuple[FloatArray, NDArray[np.intp]]:
    """The highest bump at each cell, (rows, columns), and the person that it belongs to."""
    bump = np.zeros((rows, columns), np.float32)
    owner = np.zeros((rows, columns), np.intp)
    y, x = np.mgrid[:rows, :columns]
    for number, (left, top, right, bottom) in enumerate(boxes):
        middle_x = min(int((left + right) / 2), columns - 1)
        middle_y = min(int((top + bottom) / 2), rows - 1)
        spread = max(LEAST_BUMP, BUMP * float(np.sqrt((right - left) * (bottom - top))))
        away = (y - middle_y) ** 2 + (x - middle_x) ** 2
        height = np.exp(-away / (2 * spread**2)).astype(np.float32)
        higher = height > bump
        bump[higher], owner[higher] = height[higher], number
    return bump, owner


def _open_cells(unsure: FloatArray, rows: int, columns: int) -> NDArray[np.bool_]:
    """Cells that may be called empty: not in the inner part of a box that may be a person."""
    is_open = np.ones((rows, columns), np.bool_)
    for left, top, right, bottom in unsure[:, 1:5]:
        inset_x, inset_y = (right - left) / 4, (bottom - top) / 4
        first_y, last_y = int((top + inset_y) * rows), int(np.ceil((bottom - inset_y) * rows))
        first_x = int((left + inset_x) * columns)
        is_open[first_y:last_y, first_x : int(np.ceil((right - inset_x) * columns))] = False
    return is_open
