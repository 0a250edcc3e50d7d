"""Resizing, against a plain second implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.errors import ShapeError
from har_edge.frames.opencv import bgr_to_rgb, view_as_rgb
from har_edge.frames.preprocess import resize_frame
from har_edge.model.spec import ClipSpec

CLIP = ClipSpec(num_frames=1, frame_rate_hz=5.0, height=24, width=32)


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def plain_resize(frame: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """The documented rule in plain numpy: block means, then linear with half-pixel centres."""
    by, bx = max(1, frame.shape[0] // height), max(1, frame.shape[1] // width)
    rows, columns = frame.shape[0] // by, frame.shape[1] // bx
    blocks = frame[: rows * by, : columns * bx].reshape(rows, by, columns, bx, 3)
    image = np.rint(blocks.mean(axis=(1, 3)))

    def axis(
        source: int, target: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        place = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(place).astype(np.intp)
        return low, np.minimum(low + 1, source - 1), place - low

    top, bottom, fy = axis(rows, height)
    left, right, fx = axis(columns, width)
    fx = fx[:, np.newaxis]
    upper = image[top][:, left] * (1 - fx) + image[top][:, right] * fx
    lower = image[bottom][:, left] * (1 - fx) + image[bottom][:, right] * fx
    fy = fy[:, np.newaxis, np.newaxis]
    return np.asarray(upper * (1 - fy) + lower * fy)


@pytest.mark.parametrize(
    ("height", "width"), [(24, 32), (1, 1), (7, 500), (48, 64), (100, 75), (25, 33), (480, 640)]
)
def test_resize_follows_its_rule(height: int, width: int) -> None:
    frame = noise(height, width)
    result = resize_frame(frame, CLIP)
    assert result.shape == CLIP.frame_shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.abs(result - plain_resize(frame, 24, 32)).max() <= 1


def test_resize_is_pinned_to_the_bit() -> None:
    # A change of this sum changes the input of every model ever trained.
    result = resize_frame(noise(101, 173), CLIP)
    assert int(result.astype(np.uint32).sum()) == GOLDEN_SUM
    assert result[5, 7].tolist() == GOLDEN_PIXEL


def test_frame_of_the_right_size_is_untouched() -> None:
    frame = noise(24, 32)
    assert np.array_equal(resize_frame(frame, CLIP), frame)


def test_crop_takes_the_centre() -> None:
    crop = ClipSpec(num_frames=1, frame_rate_hz=5.0, height=20, width=20, resize="crop")
    frame = np.zeros((20, 60, 3), np.uint8)
    frame[:, 20:40] = 200
    assert (resize_frame(frame, crop) == 200).all()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_wrong_frames_are_refused(frame: NDArray[np.uint8]) -> None:
    with pytest.raises(ShapeError, match="RGB pixels"):
        resize_frame(frame, CLIP)


@pytest.mark.parametrize("size", [(480, 640), (101, 173), (24, 32), (7, 5), (1, 1)])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_views_of_bgr_resize_to_the_same_bits(
    size: tuple[int, int], resize: Literal["stretch", "crop"]
) -> None:
    clip, bgr = replace(CLIP, resize=resize), noise(*size)
    rgb, view = bgr_to_rgb(bgr), view_as_rgb(bgr)
    assert view.base is bgr
    assert np.array_equal(view, rgb)
    resized = resize_frame(view, clip)
    assert resized.flags.c_contiguous
    assert np.array_equal(resized, resize_frame(rgb, clip))


GOLDEN_SUM = 293036


GOLDEN_PIXEL = [126, 146, 130]
