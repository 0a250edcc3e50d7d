"""Pixels by formula, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def golden_frames(height: int, width: int, count: int) -> NDArray[np.uint8]:
    """Moving stripes with a quadratic pattern, (count, H, W, 3)."""
    t, y, x, c = np.ogrid[:count, :height, :width, :3]
    return ((x * 3 + y * 5 + t * 17 + c * 41 + (x * y) // 7) % 256).astype(np.uint8)
