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
from har_train.people.targets import NEAR, draw_targets

HARD, RANDOM = 60, 40  # cells of a view beside those near a middle


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
    targets = draw_targets(people, rows, columns)
    near = np.argwhere(targets.bump >= NEAR)
    y, x = np.nonzero(targets.open & (targets.bump < NEAR))
    order = np.argsort(-center[y, x])
    hard, rest = order[:HARD], order[HARD:]
    drawn = random.permutation(rest)[:RANDOM]
    others = np.stack([y, x], axis=1)[np.concatenate([hard, drawn])]
    weight = np.ones(len(near) + len(others), np.float32)
    if len(drawn):
        weight[-len(drawn) :] = len(rest) / len(drawn)
    place = tuple(np.concatenate([near, others]).T)
    padded = np.pad(pyramid, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    patches = windows[place].transpose(0, 2, 3, 1).astype(np.float16)
    return Cells(patches, targets.bump[place], weight, targets.box[place], targets.keypoints[place])
