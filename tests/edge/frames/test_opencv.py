"""OpenCV's order of colours is turned into ours and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from har_edge.frames.opencv import bgr_to_rgb, rgb_to_bgr, view_as_rgb


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_bgr_grey_and_bgra_become_rgb() -> None:
    frame = noise(3, 5, 4)
    assert np.array_equal(bgr_to_rgb(frame[..., :3].copy()), frame[..., 2::-1])
    assert np.array_equal(bgr_to_rgb(frame), frame[..., 2::-1])
    grey = bgr_to_rgb(frame[..., 0].copy())
    assert np.array_equal(grey, np.repeat(frame[..., :1], 3, axis=2))


def test_what_opencv_gets_is_a_copy_in_bgr() -> None:
    bgr = noise(6, 4)
    for rgb in (view_as_rgb(bgr), bgr_to_rgb(bgr)):
        copy = rgb_to_bgr(rgb)
        assert np.array_equal(copy, bgr)
        assert copy.flags.c_contiguous and not np.shares_memory(copy, rgb)
    assert np.array_equal(view_as_rgb(bgr[..., 0]), bgr_to_rgb(bgr[..., 0].copy()))
