"""Values that pass between the rooms, by the names that signatures use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
# Left, top, right and bottom, in fractions of the picture's width and height.
Box = tuple[float, float, float, float]
