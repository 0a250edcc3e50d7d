"""Resize to what a model takes: after `decode`, the only preprocessing there is.

Training, calibration, verification, the runner and the benchmarks all call these two modules,
so that the same file gives the same tensor everywhere. Scaling to [-1, 1] is not done
here: the model does it inside its `encode` signature.

Resize rule (`resize_frame`): each axis is first averaged over whole blocks of
floor(size / target) pixels, then interpolated linearly to the target. The first step keeps
large pictures free of aliasing, the second is exact integer arithmetic in OpenCV
(INTER_LINEAR_EXACT), so that two machines agree to the bit; together they cost a fifth of
area interpolation.
"""

from __future__ import annotations

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import ShapeError
from har_edge.frames.opencv import bgr_to_rgb, import_cv2
from har_edge.model.spec import ClipSpec


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
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise ShapeError(
            f"A frame should be RGB pixels of shape (height, width, 3), uint8. "
            f"Received {frame.shape}, {frame.dtype}."
        )
    if frame.strides[2] < 0:  # see view_as_rgb: no channel depends on another
        return bgr_to_rgb(resize_frame(frame[..., ::-1], clip))
    cv2 = import_cv2()
    if clip.resize == "crop":
        frame = _crop_to_aspect(frame, clip)
    block_y = max(1, frame.shape[0] // clip.height)
    block_x = max(1, frame.shape[1] // clip.width)
    if block_y > 1 or block_x > 1:
        rows, columns = frame.shape[0] // block_y, frame.shape[1] // block_x
        # Rows and columns that fill no block (under 0.5 % of the picture) are dropped.
        whole = frame[: rows * block_y, : columns * block_x]
        frame = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    if frame.shape != clip.frame_shape:
        size = (clip.width, clip.height)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return np.ascontiguousarray(frame)


def _crop_to_aspect(frame: Pixels, clip: ClipSpec) -> Pixels:
    """Cut the largest centred part that has the aspect ratio of the target."""
    height, width = frame.shape[:2]
    scale = min(height / clip.height, width / clip.width)
    rows = max(1, min(height, round(clip.height * scale)))
    columns = max(1, min(width, round(clip.width * scale)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frame[top : top + rows, left : left + columns]
