"""Whole clips as arrays, for training, calibration and verification.

The frames are those that the runner would see of the same file: same decoder, same
instants, same resize.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from har_edge.preprocess import Pixels, resize_frame
from har_edge.sampling import FrameSampler
from har_edge.sources import open_source
from har_edge.spec import ClipSpec


def load_frames(path: str | os.PathLike[str], clip: ClipSpec) -> Pixels:
    """Decode, sample and resize a still or a video.

    Returns:
        All sampled frames, (N, H, W, 3), uint8; N is 1 for a still.

    Raises:
        SourceError: if the file cannot be decoded in full.
    """
    frames = open_source(path).frames(FrameSampler(clip.frame_rate_hz))
    return np.stack([resize_frame(frame.pixels, clip) for frame in frames])


def window_indices(count: int, num_frames: int, stride: int = 1) -> NDArray[np.intp]:
    """Number the frames of each window of a clip.

    Args:
        count: Frames in the clip, at least 1.
        num_frames: Frames in a window, T.
        stride: Frames from one window's start to the next one's.

    Returns:
        Frame numbers, (M, T). The last window always ends with the last frame. A clip
        shorter than T gives one window that repeats its first frame at the front.
    """
    last_start = count - num_frames
    starts = np.unique(np.append(np.arange(0, max(1, last_start + 1), stride), last_start))
    if last_start < 0:
        starts = np.array([last_start])
    return np.maximum(0, starts[:, np.newaxis] + np.arange(num_frames)).astype(np.intp)
