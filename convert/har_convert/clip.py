"""A clip as the conversion takes it: frames, the windows among them, and the class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import FloatArray, Pixels

NO_FRAMES: Pixels = np.zeros((0, 0, 0, 3), np.uint8)


@dataclass(frozen=True)
class LabelledClip:
    """Frames of one clip with the windows to classify.

    Attributes:
        frames: (N, H, W, 3), uint8, preprocessed; none where there are rows.
        windows: Rows of frame numbers, (M, T).
        label: True class, or "" if unknown.
        rows: What a model without `encode` takes of each frame, (N, D'); None for others.
    """

    frames: Pixels
    windows: NDArray[np.intp]
    label: str
    rows: FloatArray | None = None


def thin(clip: LabelledClip, windows: int) -> LabelledClip:
    """Keep some windows, evenly spread, and the frames that they need.

    The kept frames of a run come ordered by class, so that every class keeps its share.
    """
    if windows >= len(clip.windows):
        return clip
    chosen = clip.windows[np.linspace(0, len(clip.windows) - 1, windows).astype(int)]
    used, numbers = np.unique(chosen, return_inverse=True)
    thinned = replace(clip, windows=numbers.reshape(chosen.shape).astype(np.intp))
    if clip.rows is not None:
        return replace(thinned, rows=clip.rows[used])
    return replace(thinned, frames=clip.frames[used])
