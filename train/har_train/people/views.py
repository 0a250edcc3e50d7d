"""Views of a picture as the network takes it, with the labels moved along.

The plain view is the whole picture in the middle of the input, black around. Others are
mirrored, smaller somewhere in the input, or cut, so that people of all sizes are learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from har_edge.arrays import FloatArray, Pixels
from har_edge.frames.frame import KEYPOINTS
from har_train.people.teachers import cut_square

# Keypoints of the mirrored person, in order.
MIRRORED = tuple(
    KEYPOINTS.index(name.replace("left", "?").replace("right", "left").replace("?", "right"))
    for name in KEYPOINTS
)
ZOOMS = (0.45, 1.3)
LEAST_VISIBLE = 0.4  # of a box that is cut: share of its area


@dataclass(frozen=True)
class View:
    """A square of a picture.

    Attributes:
        zoom: Side of the picture in sides of the input; above 1 a part is cut off.
        x, y: Where the free space goes, or the cut lies: 0 left or top, 1 right or bottom.
        mirrored: Whether left and right change places.
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5
    mirrored: bool = False

    def square(self, height: int, width: int) -> tuple[float, float, float]:
        """Left, top and side of the square in a picture, in pixels."""
        side = max(height, width) / self.zoom
        return (width - side) * self.x, (height - side) * self.y, side


def random_view(random: np.random.Generator, zooms: tuple[float, float] = ZOOMS) -> View:
    """Draw a view, its zoom between two."""
    zoom, x, y = random.uniform(*zooms), *random.uniform(0, 1, 2)
    return View(float(zoom), float(x), float(y), bool(random.random() < 0.5))


def show(picture: Pixels, view: View, side: int) -> Pixels:
    """Make the input of a view, (side, side, 3)."""
    seen = cut_square(picture, *view.square(*picture.shape[:2]), side)
    return np.ascontiguousarray(seen[:, ::-1]) if view.mirrored else seen


def move_people(people: FloatArray, view: View, height: int, width: int) -> FloatArray:
    """Move people from fractions of a picture to fractions of a view of it.

    Args:
        people: (M, 56), see `Teacher`.
        view: The view.
        height, width: Size of the picture in pixels.

    Returns:
        (M', 56); boxes are cut at the input's edges, people who are mostly outside left out.
    """
    x, y, side = view.square(height, width)
    moved = people.copy()
    for axis, (start, length) in enumerate(((x, width), (y, height))):
        for columns in (slice(1 + axis, 5, 2), slice(5 + axis, None, 3)):
            moved[:, columns] = (moved[:, columns] * length - start) / side
    if view.mirrored:
        moved[:, [1, 3]] = 1 - moved[:, [3, 1]]
        keypoints = moved[:, 5:].reshape(len(moved), len(KEYPOINTS), 3)[:, MIRRORED]
        keypoints[..., 0] = 1 - keypoints[..., 0]
        moved[:, 5:] = keypoints.reshape(len(moved), 3 * len(KEYPOINTS))
    cut = np.clip(moved[:, 1:5], 0, 1)
    visible = _area(cut) / np.maximum(_area(moved[:, 1:5]), 1e-9)
    moved[:, 1:5] = cut
    return moved[visible >= LEAST_VISIBLE]


def back_to_picture(people: FloatArray, height: int, width: int) -> FloatArray:
    """Move people from fractions of the plain view to fractions of the picture."""
    x, y, side = View().square(height, width)
    moved = people.copy()
    for axis, (start, length) in enumerate(((x, width), (y, height))):
        for columns in (slice(1 + axis, 5, 2), slice(5 + axis, None, 3)):
            moved[:, columns] = (moved[:, columns] * side + start) / length
    moved[:, 1:5] = np.clip(moved[:, 1:5], 0, 1)
    return moved


def _area(boxes: FloatArray) -> FloatArray:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
