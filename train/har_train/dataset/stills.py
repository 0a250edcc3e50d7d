"""Stills among clips: a picture becomes a training clip by a smooth random crop path.

The camera pans and zooms slowly from one random crop to another. Only training samples are
turned into clips; a held-out still is one frame, which a window repeats, as the runner does.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from har_edge.arrays import Pixels
from har_edge.frames.decode import load_image
from har_edge.frames.preprocess import resize_frame
from har_edge.model.spec import ClipSpec

# Share of the picture's height and width that the smallest crop keeps.
SMALLEST_CROP = 0.7


def crop_path(num_frames: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw a path of crops that starts and ends at rest.

    Args:
        num_frames: Crops, at least 1.
        random: Draws both ends of the path.

    Returns:
        Rows of top, left and size as shares of the picture, (T, 3); top + size and
        left + size are at most 1.
    """
    sizes = random.uniform(SMALLEST_CROP, 1.0, 2)
    corners = random.uniform(0.0, 1.0, (2, 2)) * (1 - sizes)[:, np.newaxis]
    ends = np.column_stack([corners, sizes])
    steps = np.linspace(0.0, 1.0, num_frames)
    # Smoothstep, 3 s^2 - 2 s^3: its slope is 0 at both ends.
    eased = (steps * steps * (3 - 2 * steps))[:, np.newaxis]
    return np.asarray((1 - eased) * ends[0] + eased * ends[1], dtype=np.float64)


def load_still_as_clip(
    path: str | os.PathLike[str], clip: ClipSpec, random: np.random.Generator
) -> Pixels:
    """Turn a picture into a clip of T frames along a random crop path.

    Returns:
        Frames, (T, H, W, 3), uint8.

    Raises:
        SourceError: if the picture cannot be decoded.
    """
    picture = load_image(path)
    shape = np.array(picture.shape[:2])
    frames = []
    for top, left, size in crop_path(clip.num_frames, random):
        first = np.floor(np.array([top, left]) * shape).astype(int)
        last = np.minimum(shape, first + np.maximum(1, np.round(size * shape)).astype(int))
        frames.append(resize_frame(picture[first[0] : last[0], first[1] : last[1]], clip))
    return np.stack(frames)
