"""The last T feature vectors, side by side in order of time."""

from __future__ import annotations

import numpy as np

from har_edge.arrays import FloatArray


class Window:
    """A ring of feature vectors.

    Attributes:
        count: Vectors that were added since it was last emptied.
    """

    def __init__(self, num_frames: int, size: int) -> None:
        # Every vector is stored twice, T apart, so that the last T always lie side by side
        # in order of time and the window is a view, never a copy.
        self._ring = np.zeros((2 * num_frames, size), dtype=np.float32)
        self.num_frames = num_frames
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether there are T vectors."""
        return self.count >= self.num_frames

    def clear(self) -> None:
        """Empty it."""
        self.count = 0

    def add(self, features: FloatArray) -> None:
        """Add a vector, (D,)."""
        slot = self.count % self.num_frames
        self._ring[slot] = self._ring[slot + self.num_frames] = features
        self.count += 1

    def fill(self) -> int:
        """Repeat the first vector before the others until there are T, as in training.

        Returns:
            How many there were.
        """
        count = self.count
        real = self._ring[:count].copy()
        self.count = 0
        for vector in [real[0]] * (self.num_frames - count) + list(real):
            self.add(vector)
        return count

    def filled(self) -> FloatArray:
        """The last T vectors in order of time, (T, D); the first is repeated before fewer."""
        if self.full:
            return self.view()
        return self._ring[np.maximum(np.arange(self.num_frames) - self.num_frames + self.count, 0)]

    def view(self) -> FloatArray:
        """The last T vectors in order of time, (T, D); valid until the next is added."""
        oldest = self.count % self.num_frames
        return self._ring[oldest : oldest + self.num_frames]
