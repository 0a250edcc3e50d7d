"""Resize to what a model takes: after `decode`, the only preprocessing there is.

Training, calibration, verification, the runner and the benchmarks all call these two modules,
so that the same file gives the same tensor everywhere. Scaling to [-1, 1] is not done
here: the model does it inside its `encode` signature.

Resize rule (`resize_frame`): each axis is first averaged over whole blocks of
floor(size / target) pixels, then interpolated linearly to the target. The first step keeps
large pictures free of aliasing, the second is exact integer arithmetic in OpenCV
(INTER_LINEAR_EXACT), so that two machines agree to the bit; together they cost a fifth of
area interpolation.

Letterbox rule (`letterbox_frame`): the whole picture is brought, by the resize rule and without
changing its shape, to the largest size that fits the target, rounded to whole pixels and at least
one; it lies in the middle, or half a pixel to the left or above, and what is left is black.

Crop rule (`crop_box`, `cut_box`): a box is widened about its middle by `CropSpec.scale`, and to a
square of its longer side if `CropSpec.square` says so, in pixels of the picture. Its sides are
rounded to whole pixels, and it is moved, not cut, to lie in the picture. Along an axis where it is
longer than the picture, the picture lies in the middle of it, and what is left is black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from har_edge.arrays import Box, FloatArray, Pixels
from har_edge.errors import ShapeError
from har_edge.frames.opencv import bgr_to_rgb, import_cv2
from har_edge.model.spec import ClipSpec, CropSpec

# A box may be as wrong as it likes: no crop is longer than this many times the picture's side.
LONGEST_CROP = 2


def resize_frame(frame: Pixels, clip: ClipSpec) -> Pixels:
    """Bring one RGB frame to the model's size by the model's rule.

    Args:
        frame: RGB pixels, (h, w, 3), uint8, any size from 1 x 1.
        clip: Target size and rule.

    Returns:
        (H, W, 3), uint8, C-contiguous; the input itself if it is so already.

    Raises:
        ShapeError: if `frame` is not (h, w, 3) uint8.
    """
    _check(frame)
    if clip.resize == "crop":
        frame = _crop_to_aspect(frame, clip)
    return stretch_frame(frame, clip.height, clip.width)


@dataclass(frozen=True)
class Letterbox:
    """Where a whole picture lies in a letterboxed one, in pixels of that.

    Example:
        >>> place = Letterbox.fit((480, 640), (192, 192))
        >>> place
        Letterbox(left=0, top=24, width=192, height=144, target=(192, 192))
        >>> place.to_picture(np.array([0.25, 0.5], np.float32)).tolist()
        [0.25, 0.5]

    Attributes:
        left, top: Its corner.
        width, height: Its size.
        target: Height and width of the letterboxed picture.
    """

    left: int
    top: int
    width: int
    height: int
    target: tuple[int, int]

    @classmethod
    def fit(cls, size: tuple[int, int], target: tuple[int, int]) -> Letterbox:
        """Fit a picture into a target, both (height, width) in pixels from 1 x 1."""
        (rows, columns), (height, width) = size, target
        if rows * width >= columns * height:  # as tall as the target, or taller
            high, wide = height, max(1, (2 * columns * height + rows) // (2 * rows))
        else:
            high, wide = max(1, (2 * rows * width + columns) // (2 * columns)), width
        return cls((width - wide) // 2, (height - high) // 2, wide, high, target)

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Turn places in fractions of the letterboxed picture into those of the whole one.

        Args:
            points: x and y, (..., 2).
        """
        height, width = self.target
        scale = np.array([width / self.width, height / self.height])
        offset = np.array([self.left / self.width, self.top / self.height])
        return np.asarray(points * scale - offset, dtype=np.float32)

    def from_picture(self, points: FloatArray) -> FloatArray:
        """Turn places in fractions of the whole picture into those of the letterboxed one."""
        height, width = self.target
        scale = np.array([self.width / width, self.height / height])
        offset = np.array([self.left / width, self.top / height])
        return np.asarray(points * scale + offset, dtype=np.float32)


def letterbox_frame(frame: Pixels, height: int, width: int) -> tuple[Pixels, Letterbox]:
    """Fit a whole RGB frame into a size without changing its shape; see the module.

    Args:
        frame: RGB pixels, (h, w, 3), uint8, any size from 1 x 1.
        height, width: Target size in pixels.

    Returns:
        (H, W, 3), uint8, C-contiguous, and where the picture lies in it.

    Raises:
        ShapeError: if `frame` is not (h, w, 3) uint8.
    """
    _check(frame)
    place = Letterbox.fit((frame.shape[0], frame.shape[1]), (height, width))
    inside = stretch_frame(frame, place.height, place.width)
    if inside.shape == (height, width, 3):
        return inside, place
    pixels = np.zeros((height, width, 3), np.uint8)
    bottom, right = place.top + place.height, place.left + place.width
    pixels[place.top : bottom, place.left : right] = inside
    return pixels, place


@dataclass(frozen=True)
class Cut:
    """A rectangle in whole pixels of a picture; parts of it may lie outside."""

    left: int
    top: int
    width: int
    height: int


def crop_box(box: Box, size: tuple[int, int], crop: CropSpec) -> Cut:
    """Make the rectangle that is cut for a box; see the module.

    Args:
        box: In fractions of the picture; may lie outside in part or altogether.
        size: Height and width of the picture in pixels.
        crop: The model's rule.

    Example:
        >>> crop_box((0.25, 0.25, 0.5, 0.75), (480, 640), CropSpec(scale=1.25))
        Cut(left=90, top=90, width=300, height=300)
    """
    rows, columns = size
    left, top, right, bottom = box
    wide, high = (right - left) * columns * crop.scale, (bottom - top) * rows * crop.scale
    if crop.square:
        wide = high = max(wide, high)
    most = LONGEST_CROP * max(rows, columns)
    width, height = (max(1, min(most, round(side))) for side in (wide, high))
    return Cut(
        _place((left + right) / 2 * columns, width, columns),
        _place((top + bottom) / 2 * rows, height, rows),
        width,
        height,
    )


def _place(middle: float, length: int, side: int) -> int:
    """Where a stretch about a middle begins: inside, or around all of the side."""
    if length >= side:
        return -((length - side) // 2)
    return max(0, min(side - length, round(middle - length / 2)))


def cut_box(frame: Pixels, cut: Cut) -> Pixels:
    """Cut a rectangle out of a frame; what lies outside is black.

    Args:
        frame: RGB pixels, (H, W, 3), uint8.
        cut: As `crop_box` makes it.

    Returns:
        (height, width, 3), uint8; a view of the frame where all of it lies inside.
    """
    rows, columns = frame.shape[:2]
    top, left = max(0, cut.top), max(0, cut.left)
    inside = frame[top : min(rows, cut.top + cut.height), left : min(columns, cut.left + cut.width)]
    if inside.shape[:2] == (cut.height, cut.width):
        return inside
    pixels = np.zeros((cut.height, cut.width, 3), np.uint8)
    y, x = top - cut.top, left - cut.left
    pixels[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return pixels


def _check(frame: Pixels) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ShapeError(
            f"A frame should be RGB pixels of shape (height, width, 3), uint8. "
            f"Received {frame.shape}, {frame.dtype}."
        )


def stretch_frame(frame: Pixels, height: int, width: int) -> Pixels:
    """Bring an RGB frame to a size by the resize rule, whatever its shape was.

    Args:
        frame: RGB pixels, (h, w, 3), uint8, any size from 1 x 1.
        height, width: Target size in pixels.

    Returns:
        (H, W, 3), uint8, C-contiguous; the input itself if it is so already.
    """
    if frame.strides[2] < 0:  # see view_as_rgb: no channel depends on another
        return bgr_to_rgb(stretch_frame(frame[..., ::-1], height, width))
    cv2 = import_cv2()
    block_y = max(1, frame.shape[0] // height)
    block_x = max(1, frame.shape[1] // width)
    if block_y > 1 or block_x > 1:
        rows, columns = frame.shape[0] // block_y, frame.shape[1] // block_x
        # Rows and columns that fill no block (under 0.5 % of the picture) are dropped.
        whole = frame[: rows * block_y, : columns * block_x]
        frame = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    if frame.shape[:2] != (height, width):
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    return np.ascontiguousarray(frame)


def _crop_to_aspect(frame: Pixels, clip: ClipSpec) -> Pixels:
    """Cut the largest centred part that has the aspect ratio of the target."""
    height, width = frame.shape[:2]
    scale = min(height / clip.height, width / clip.width)
    rows = max(1, min(height, round(clip.height * scale)))
    columns = max(1, min(width, round(clip.width * scale)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frame[top : top + rows, left : left + columns]
