"""Which found box is which wanted one, for judging networks that find people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray

OVERLAP = 0.5


def overlaps(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union of boxes, each left, top, right, bottom: (N, 4), (M, 4) -> (N, M).

    Example:
        >>> left, right = np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 3, 2.0], [5, 5, 6, 6]])
        >>> overlaps(left, right).round(2).tolist()
        [[0.33, 0.0]]
    """
    low = np.maximum(first[:, np.newaxis, :2], second[np.newaxis, :, :2])
    high = np.minimum(first[:, np.newaxis, 2:], second[np.newaxis, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (first, second)]
    union = areas[0][:, np.newaxis] + areas[1][np.newaxis] - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float64)


def match_boxes(
    wanted: FloatArray, found: FloatArray, least_overlap: float = OVERLAP
) -> NDArray[np.intp]:
    """For each wanted box the number of the found one that it is given to, or -1, (N,).

    Found boxes choose in turn, the best first, the wanted one that they overlap most.

    Args:
        wanted: (N, 4), left, top, right, bottom.
        found: (M, 4), the best first.
        least_overlap: Of a pair.
    """
    given = np.full(len(wanted), -1, np.intp)
    if not len(wanted) or not len(found):
        return given
    pairs = overlaps(wanted, found)
    for number in range(len(found)):
        open_pairs = np.where(given < 0, pairs[:, number], 0)
        best = int(open_pairs.argmax())
        if open_pairs[best] >= least_overlap:
            given[best] = number
    return given
