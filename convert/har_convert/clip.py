"""A clip as the conversion takes it: frames, the windows among them, and the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels


@dataclass(frozen=True)
class LabelledClip:
    """Frames of one clip with the windows to classify.

    Attributes:
        frames: (N, H, W, 3), uint8, preprocessed.
        windows: Rows of frame numbers, (M, T).
        label: True class, or "" if unknown.
    """

    frames: Pixels
    windows: NDArray[np.intp]
    label: str


def thin(clip: LabelledClip, windows: int) -> LabelledClip:
    """Keep some windows, evenly spread, and the frames that they need.

    The kept frames of a run come ordered by class, so that every class keeps its share.
    """
    if windows >= len(clip.windows):
        return clip
    chosen = clip.windows[np.linspace(0, len(clip.windows) - 1, windows).astype(int)]
    used, rows = np.unique(chosen, return_inverse=True)
    return LabelledClip(clip.frames[used], rows.reshape(chosen.shape).astype(np.intp), clip.label)
