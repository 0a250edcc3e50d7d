"""Rows of poses in memory: views of a sequence may be longer or shorter than it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray
from har_train.features.cache import EncodedSample


class RowBank:
    """Rows of one split in one or more views.

    Windows are named by their frames in view 0. In a view at another speed the window is the one
    about the same moment.

    Attributes:
        num_views: Views of each sample, at least 1.
    """

    def __init__(self, views: Sequence[Sequence[EncodedSample]]) -> None:
        self.num_views = len(views)
        self._counts = np.array([[len(item.features) for item in view] for view in views])
        counts = self._counts.ravel()
        self._starts = (np.cumsum(counts) - counts).reshape(self._counts.shape)
        self._ends = np.cumsum(self._counts[0])
        self._rows = np.concatenate([item.features for view in views for item in view])

    def gather(self, views: NDArray[np.intp], rows: NDArray[np.intp]) -> FloatArray:
        """Read windows: views (B,) and frame numbers in view 0 (B, T) -> (B, T, D')."""
        num_frames = rows.shape[1]
        clip = np.searchsorted(self._ends, rows[:, -1], side="right")
        count, wanted = self._counts[0, clip], self._counts[views, clip]
        # Middle of the window in view 0; a short clip's window begins before its first frame.
        middle = rows[:, -1] - self._starts[0, clip] - (num_frames - 1) / 2
        scale = (wanted - 1) / np.maximum(count - 1, 1)
        last = np.round(np.where(wanted == count, middle, middle * scale) + (num_frames - 1) / 2)
        last = np.clip(last.astype(np.intp), np.minimum(num_frames, wanted) - 1, wanted - 1)
        numbers = last[:, np.newaxis] - np.arange(num_frames)[::-1]
        starts = self._starts[views, clip][:, np.newaxis]
        found: FloatArray = self._rows[starts + np.maximum(0, numbers)]
        return found
