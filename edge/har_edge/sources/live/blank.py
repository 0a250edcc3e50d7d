"""Does a frame show something, and something new?"""

from __future__ import annotations

from typing import Literal

import numpy as np

from har_edge.arrays import Pixels

# A picture is black if so many of its pixels are this dark in every channel. The share is that
# of FFmpeg's filter blackdetect; the level leaves room for a sensor's noise under a lens cap.
BLACK_SHARE = 0.98
BLACK_LEVEL = 24

Look = Literal["good", "black", "frozen"]


class Screen:
    """Looks at each frame: does it show something, and something new?"""

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._last: Pixels | None = None
        self._changed_s = 0.0
        self._black_since_s: float | None = None

    def look(self, pixels: Pixels, at_s: float) -> Look:
        """Judge a frame, RGB (H, W, 3), by what it shows and by those before it."""
        if self._last is None or not _equal(pixels, self._last):
            self._changed_s = at_s
        self._last = pixels
        if is_black(pixels):
            self._black_since_s = at_s if self._black_since_s is None else self._black_since_s
            return "black"
        self._black_since_s = None
        unchanged_s = at_s - self._changed_s
        return "frozen" if 0 < self._frozen_after_s <= unchanged_s else "good"

    def black_s(self, at_s: float) -> float:
        """For how long the frames have been black."""
        return 0.0 if self._black_since_s is None else at_s - self._black_since_s


def is_black(pixels: Pixels) -> bool:
    """Whether a frame, RGB (H, W, 3), shows nothing: a cap on the lens, no signal.

    Source: FFmpeg's filter blackdetect, picture_black_ratio_th.
    """
    sample = pixels[::4, ::4] if min(pixels.shape[:2]) >= 16 else pixels
    return float((sample.max(axis=-1) <= BLACK_LEVEL).mean()) >= BLACK_SHARE


def _equal(a: Pixels, b: Pixels) -> bool:
    # Few pixels tell most pictures apart; all are compared only if those are the same.
    return (
        a.shape == b.shape and np.array_equal(a[::16, ::16], b[::16, ::16]) and np.array_equal(a, b)
    )
