"""Resizing, against a plain second implementation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from har_edge.arrays import Box
from har_edge.errors import ShapeError
from har_edge.frames.opencv import bgr_to_rgb, view_as_rgb
from har_edge.frames.preprocess import (
    Cut,
    Letterbox,
    crop_box,
    cut_box,
    letterbox_frame,
    resize_frame,
    stretch_frame,
)
from har_edge.model.spec import ClipSpec, CropSpec

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


@pytest.mark.parametrize(
    ("size", "target", "place"),
    [
        ((480, 640), (192, 192), (0, 24, 192, 144)),
        ((640, 480), (192, 192), (24, 0, 144, 192)),
        ((192, 192), (192, 192), (0, 0, 192, 192)),
        ((40, 640), (256, 256), (0, 120, 256, 16)),
        ((1, 5000), (64, 64), (0, 31, 64, 1)),
        ((1, 1), (9, 7), (0, 1, 7, 7)),
        ((100, 33), (64, 96), (37, 0, 21, 64)),
    ],
)
def test_a_letterboxed_picture_keeps_its_shape(
    size: tuple[int, int], target: tuple[int, int], place: tuple[int, int, int, int]
) -> None:
    assert Letterbox.fit(size, target) == Letterbox(*place, target)
    frame = noise(*size)
    pixels, where = letterbox_frame(frame, *target)
    assert pixels.shape == (*target, 3)
    assert pixels.flags.c_contiguous
    left, top, width, height = place
    inside = pixels[top : top + height, left : left + width]
    assert (inside == stretch_frame(frame, height, width)).all()
    around = pixels.copy()
    around[top : top + height, left : left + width] = 0
    assert not around.any()
    corner = np.array([left / target[1], top / target[0]], np.float32)
    assert where.to_picture(corner).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_places_go_into_a_letterboxed_picture_and_back() -> None:
    place = Letterbox.fit((270, 480), (256, 256))
    points = np.random.default_rng(0).uniform(0, 1, (20, 2)).astype(np.float32)
    inside = place.from_picture(points)
    assert inside[:, 1].min() >= place.top / 256
    assert np.abs(place.to_picture(inside) - points).max() < 1e-6


def test_a_view_of_bgr_is_letterboxed_like_its_copy() -> None:
    bgr = noise(90, 50)
    (one, _), (other, _) = (letterbox_frame(f, 32, 32) for f in (view_as_rgb(bgr), bgr_to_rgb(bgr)))
    assert (one == other).all()


SQUARE, AS_IS = CropSpec(scale=1.25), CropSpec(scale=1.0, square=False)


@pytest.mark.parametrize(
    ("box", "crop", "cut"),
    [
        ((0.25, 0.25, 0.5, 0.75), AS_IS, Cut(25, 20, 25, 40)),
        ((0.4, 0.25, 0.6, 0.75), SQUARE, Cut(25, 15, 50, 50)),
        ((0.0, 0.25, 0.1, 0.75), SQUARE, Cut(0, 15, 50, 50)),  # moved into the picture
        ((0.9, 0.8, 1.0, 1.0), SQUARE, Cut(80, 60, 20, 20)),
        ((0.4, 0.0, 0.6, 1.0), SQUARE, Cut(0, -10, 100, 100)),  # taller than the picture
        ((0.5, 0.5, 0.5, 0.5), SQUARE, Cut(50, 40, 1, 1)),  # of no size
        ((-5.0, -5.0, 9.0, 9.0), SQUARE, Cut(-50, -60, 200, 200)),  # of any size
    ],
)
def test_crops_are_made_of_boxes_by_whole_pixels(box: Box, crop: CropSpec, cut: Cut) -> None:
    assert crop_box(box, (80, 100), crop) == cut


@pytest.mark.parametrize("box", [(0.1, 0.1, 0.4, 0.9), (-0.3, 0.5, 0.2, 1.4), (0.0, 0.0, 1.0, 1.0)])
@pytest.mark.parametrize("size", [(80, 100), (100, 40), (40, 640), (3, 2)])
def test_what_lies_outside_is_black(box: Box, size: tuple[int, int]) -> None:
    """Against a plain second implementation: pixel by pixel."""
    frame = noise(*size)
    frame[frame == 0] = 1
    cut = crop_box(box, size, SQUARE)
    pixels = cut_box(frame, cut)
    assert pixels.shape == (cut.height, cut.width, 3)
    for y in range(0, cut.height, 7):
        for x in range(0, cut.width, 7):
            row, column = cut.top + y, cut.left + x
            inside = 0 <= row < size[0] and 0 <= column < size[1]
            expected = frame[row, column].tolist() if inside else [0, 0, 0]
            assert pixels[y, x].tolist() == expected


def test_a_crop_inside_the_picture_is_a_view() -> None:
    frame = noise(80, 100)
    assert cut_box(frame, Cut(10, 20, 30, 40)).base is frame
