"""Whole clips as arrays, for training, calibration and verification.

The frames are those that the runner would see of the same file: same decoder, same
instants, same resize.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.frame import Frame
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import TOLERANCE_S, FrameSampler
from har_edge.model.spec import ClipSpec
from har_edge.paths import display_path
from har_edge.sources.files import open_file


class _SpanSampler(FrameSampler):
    """Samples a span of a video on a grid that starts with the span's first frame.

    The first frame at or after the end is taken too: it tells the reader to stop decoding.
    """

    def __init__(self, frame_rate_hz: float, start_s: float, end_s: float) -> None:
        super().__init__(frame_rate_hz)
        self._span_s = (start_s - TOLERANCE_S, end_s - TOLERANCE_S)
        self.ended = False

    def takes(self, timestamp_s: float) -> bool:
        start_s, end_s = self._span_s
        self.ended = timestamp_s >= end_s
        return self.ended or (timestamp_s >= start_s and super().takes(timestamp_s))


def load_frames(
    path: str | os.PathLike[str],
    clip: ClipSpec,
    *,
    start_s: float = 0.0,
    end_s: float = math.inf,
) -> Pixels:
    """Decode, sample and resize a still, a video or a span of one.

    Args:
        path: The file.
        clip: Rate, size and resize rule.
        start_s, end_s: Span in seconds from the video's first frame; the end is not in it.

    Returns:
        All sampled frames, (N, H, W, 3), uint8; N is 1 for a still.

    Raises:
        SourceError: if the file cannot be decoded in full or has no frame in the span.
    """
    with contextlib.closing(span_frames(path, clip.frame_rate_hz, start_s, end_s)) as frames:
        return np.stack([resize_frame(frame.pixels, clip) for frame in frames])


def span_frames(
    path: str | os.PathLike[str],
    frame_rate_hz: float,
    start_s: float = 0.0,
    end_s: float = math.inf,
) -> Generator[Frame, None, None]:
    """Decode and sample a still, a video or a span of one, frame by frame in the file's own size.

    Args:
        path: The file.
        frame_rate_hz: Frames a second.
        start_s, end_s: See `load_frames`.

    Raises:
        SourceError: as `load_frames`.
    """
    sampler = _SpanSampler(frame_rate_hz, start_s, end_s)
    empty = True
    with contextlib.closing(open_file(path).frames(sampler)) as frames:
        for frame in frames:
            if sampler.ended:
                break
            empty = False
            yield frame
    if empty:
        raise empty_span(path, start_s, end_s)


def empty_span(path: str | os.PathLike[str], start_s: float, end_s: float) -> SourceError:
    """Make the error for a span that no frame lies in."""
    return SourceError(
        f"{display_path(Path(path))} should have frames from {start_s:g} s to {end_s:g} s. "
        "Received none, since it is shorter. Correct start_s and end_s."
    )


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
