"""Turns and mirrors pictures as their display matrix says: phones write one, editors too."""

from __future__ import annotations

import numpy as np

from har_edge.arrays import Pixels

# 3 x 3 numbers of 32 bits, row by row. Source: ISO/IEC 14496-12 (2015), 8.3.2.
MATRIX_BYTES = 36


class Turn:
    """What a display matrix does to a picture, in quarter turns and reflections.

    A stored point (x, y) is shown at (a x + c y, b x + d y).

    Example:
        >>> quarter = np.array([0, 1, 0, -1, 0, 0, 0, 0, 1 << 14], np.int32) << 16
        >>> Turn(quarter.tobytes())(np.array([[[1], [2]]]))[..., 0].tolist()
        [[1], [2]]
    """

    def __init__(self, matrix: bytes) -> None:
        """Read a matrix, as FFmpeg keeps it; an angle between quarters becomes the nearest one."""
        a, b, _, c, d = np.frombuffer(matrix[:MATRIX_BYTES], np.int32)[:5].astype(np.int64)
        self.swaps_axes = bool(abs(b) + abs(c) > abs(a) + abs(d))
        from_x, from_y = (c, b) if self.swaps_axes else (a, d)
        self._steps = (
            slice(None, None, -1 if from_y < 0 else 1),
            slice(None, None, -1 if from_x < 0 else 1),
        )

    def __call__(self, pixels: Pixels) -> Pixels:
        """Turn a picture, (H, W, C); gives a copy whose rows lie one after the other."""
        turned = pixels.swapaxes(0, 1) if self.swaps_axes else pixels
        return np.ascontiguousarray(turned[self._steps])
