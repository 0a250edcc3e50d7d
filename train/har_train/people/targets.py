"""What the maps of `locate` should say of a view, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_train.people.network import NUM_KEYPOINTS

SURE = 0.4  # score of a teacher's box that is taught; others are left alone
NEAR = 0.5  # height of the bump around a middle down to which boxes and keypoints are learnt
BUMP = 0.06  # spread of that bump in sides of the box
LEAST_BUMP = 0.6  # cells
SEEN = 0.3  # score of a keypoint that is learnt
# Of the bumps of single keypoints: spread in sides of the box, and cells in each direction.
KEYPOINT_BUMP, KEYPOINT_REACH = 0.03, 4


@dataclass(frozen=True, eq=False)
class Targets:
    """Maps of one view, or of several where each shape has a batch in front.

    Attributes:
        bump: 1 at the middle of a person, less around it, 0 elsewhere, (rows, columns).
        open: Whether a cell may be called empty: not if it lies inside of somebody who may be a
            person.
        box: Left, top, right and bottom from the cell, in cells, (rows, columns, 4); zeros where
            `bump` is below `NEAR`.
        keypoints: y, x and score of each keypoint from the cell, (rows, columns, 17, 3); score 0
            if unknown.
    """

    bump: FloatArray
    open: NDArray[np.bool_]
    box: FloatArray
    keypoints: FloatArray


@dataclass(frozen=True, eq=False)
class Heat:
    """Maps of single keypoints of one view.

    Attributes:
        bump: 1 where a keypoint lies, less around it, (rows, columns, 17).
        weight: 0 where a keypoint may lie that the teacher does not see, (rows, columns, 17).
        offset: y and x from the cell to the keypoint, (rows, columns, 17, 2); zeros where `bump`
            is below `NEAR`.
    """

    bump: FloatArray
    weight: FloatArray
    offset: FloatArray


def draw_targets(people: FloatArray, rows: int, columns: int) -> Targets:
    """Draw what the heads of middles, boxes and keypoints should say.

    Args:
        people: (M, 56) in fractions of the view.
        rows, columns: Cells.
    """
    sure, boxes = _sure_boxes(people, rows, columns)
    bump, owner = _bumps(boxes, rows, columns)
    box = np.zeros((rows, columns, 4), np.float32)
    keypoints = np.zeros((rows, columns, NUM_KEYPOINTS, 3), np.float32)
    near = np.argwhere(bump >= NEAR)
    if len(near):
        place, owners = tuple(near.T), owner[tuple(near.T)]
        at = near[:, [1, 0, 1, 0]].astype(np.float32)
        box[place] = boxes[owners] - at
        found = sure[owners, 5:].reshape(-1, NUM_KEYPOINTS, 3)
        y, x = found[..., 1] * rows - at[:, 1:2], found[..., 0] * columns - at[:, 0:1]
        keypoints[place] = np.stack(
            [y, x, np.where(found[..., 2] >= SEEN, found[..., 2], 0)], axis=-1
        )
    is_open = _open_cells(people[people[:, 0] < SURE], rows, columns)
    return Targets(bump, is_open, box, keypoints)


def draw_heat(people: FloatArray, rows: int, columns: int) -> Heat:
    """Draw what the heads that refine keypoints should say.

    Args:
        people, rows, columns: See `draw_targets`.
    """
    sure, boxes = _sure_boxes(people, rows, columns)
    bump = np.zeros((rows, columns, NUM_KEYPOINTS), np.float32)
    offset = np.zeros((rows, columns, NUM_KEYPOINTS, 2), np.float32)
    is_open = _open_cells(people[people[:, 0] < SURE], rows, columns)
    weight = np.repeat(is_open[..., np.newaxis], NUM_KEYPOINTS, axis=2).astype(np.float32)
    for person, (left, top, right, bottom) in zip(sure, boxes, strict=True):
        spread = max(LEAST_BUMP, KEYPOINT_BUMP * float(np.sqrt((right - left) * (bottom - top))))
        inside = np.s_[max(int(top), 0) : int(bottom) + 1, max(int(left), 0) : int(right) + 1]
        for joint, (x, y, score) in enumerate(person[5:].reshape(NUM_KEYPOINTS, 3)):
            if score < SEEN:
                weight[(*inside, joint)] = 0
            else:
                maps = bump[..., joint], offset[..., joint, :]
                _draw_keypoint(*maps, y * rows, x * columns, spread)
    weight[bump >= NEAR] = 1
    return Heat(bump, weight, offset)


def _draw_keypoint(bump: FloatArray, offset: FloatArray, y: float, x: float, spread: float) -> None:
    """Add one keypoint to the maps of its kind; y and x in cells."""
    rows, columns = bump.shape
    row, column = int(np.floor(y)), int(np.floor(x))
    if not (0 <= row < rows and 0 <= column < columns):
        return
    low_y, low_x = max(row - KEYPOINT_REACH, 0), max(column - KEYPOINT_REACH, 0)
    window = np.s_[low_y : row + KEYPOINT_REACH + 1, low_x : column + KEYPOINT_REACH + 1]
    there = bump[window]
    at_y, at_x = np.mgrid[low_y : low_y + there.shape[0], low_x : low_x + there.shape[1]]
    height = np.exp(-((at_y - row) ** 2 + (at_x - column) ** 2) / (2 * spread**2))
    higher = height > there
    there[higher] = height[higher]
    learnt = higher & (height >= NEAR)
    offset[window][learnt] = np.stack([y - at_y, x - at_x], axis=-1)[learnt]


def _sure_boxes(people: FloatArray, rows: int, columns: int) -> tuple[FloatArray, FloatArray]:
    """The people who are taught, and their boxes in cells."""
    sure = people[people[:, 0] >= SURE]
    return sure, sure[:, 1:5] * np.array([columns, rows, columns, rows], np.float32)


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
