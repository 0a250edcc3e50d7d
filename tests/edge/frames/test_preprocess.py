"""Decoding and resizing, against plain second implementations."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.errors import ShapeError, SourceError
from har_edge.frames.opencv import bgr_to_rgb, import_cv2, rgb_to_bgr, view_as_rgb
from har_edge.frames.preprocess import decode_image, load_image, resize_frame
from har_edge.model.spec import ClipSpec
from har_edge.paths import display_path

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


def test_bgr_grey_and_bgra_become_rgb() -> None:
    frame = noise(3, 5, 4)
    assert np.array_equal(bgr_to_rgb(frame[..., :3].copy()), frame[..., 2::-1])
    assert np.array_equal(bgr_to_rgb(frame), frame[..., 2::-1])
    grey = bgr_to_rgb(frame[..., 0].copy())
    assert np.array_equal(grey, np.repeat(frame[..., :1], 3, axis=2))


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


def test_what_opencv_gets_is_a_copy_in_bgr() -> None:
    bgr = noise(6, 4)
    for rgb in (view_as_rgb(bgr), bgr_to_rgb(bgr)):
        copy = rgb_to_bgr(rgb)
        assert np.array_equal(copy, bgr)
        assert copy.flags.c_contiguous and not np.shares_memory(copy, rgb)
    assert np.array_equal(view_as_rgb(bgr[..., 0]), bgr_to_rgb(bgr[..., 0].copy()))


def test_png_is_read_exactly(tmp_path: Path) -> None:
    pixels = noise(9, 13)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(load_image(tmp_path / "a.png"), pixels)


def test_grey_palette_and_one_pixel(tmp_path: Path) -> None:
    Image.new("L", (4, 3), 77).save(tmp_path / "grey.png")
    Image.new("P", (4, 3), 0).save(tmp_path / "palette.png")
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "one.bmp")
    assert (load_image(tmp_path / "grey.png") == 77).all()
    assert load_image(tmp_path / "palette.png").shape == (3, 4, 3)
    assert load_image(tmp_path / "one.bmp").tolist() == [[[1, 2, 3]]]


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    # Invisible pixels often hold black: a viewer shows white there, and so must we.
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    image.save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_sixteen_bits_keep_their_range(tmp_path: Path) -> None:
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100, 255]


def jpeg(pixels: NDArray[np.uint8], sampling: str = "420", *, progressive: bool = False) -> bytes:
    cv2 = import_cv2()
    options = {
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}"),
        cv2.IMWRITE_JPEG_PROGRESSIVE: int(progressive),
        cv2.IMWRITE_JPEG_RST_INTERVAL: 0 if progressive else 2,
    }
    flat = [value for option in options.items() for value in option]
    return bytes(cv2.imencode(".jpg", pixels, flat)[1])


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", ["420", "422", "444", "411", "440"])
@pytest.mark.parametrize("size", [(1, 1), (17, 15), (33, 129, 3), (240, 320, 3)])
def test_both_decoders_give_the_same_pixels(
    size: tuple[int, ...], sampling: str, progressive: bool
) -> None:
    """Models are trained and run with either, so not one bit may differ."""
    simplejpeg = pytest.importorskip("simplejpeg")
    rng = np.random.default_rng(sum(size))
    data = jpeg(rng.integers(0, 256, size, np.uint8), sampling, progressive=progressive)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_image(io.BytesIO(data), "picture"), expected)
    assert np.array_equal(simplejpeg.decode_jpeg(data, colorspace="RGB"), expected)


def test_pillow_decodes_where_the_quick_decoder_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(noise(40, 30))
    expected = decode_image(io.BytesIO(data), "picture")
    monkeypatch.setattr("har_edge.frames.preprocess._find_simplejpeg", lambda: None)
    assert np.array_equal(decode_image(io.BytesIO(data), "picture"), expected)


def test_damage_is_judged_by_pillow_alone() -> None:
    """The quick decoder is stricter; who refuses what must not depend on which is installed."""
    data = jpeg(noise(64, 64))
    cut = data[:-300] + data[-2:]
    with Image.open(io.BytesIO(cut)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_image(io.BytesIO(cut), "picture"), expected)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red, green, blue = load_image(tmp_path / "a.jpg")[4, 4].tolist()
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize(("smallest", "shape"), [(100, (100, 150)), (101, (200, 300))])
def test_a_jpeg_for_looking_may_be_smaller(
    smallest: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (600, 400), (90, 120, 30)).save(path)
    pixels = load_image(path, smallest=smallest)
    assert pixels.shape == (*shape, 3)
    assert np.abs(pixels.mean(axis=(0, 1)) - (90, 120, 30)).max() < 2
    assert load_image(path).shape == (400, 600, 3)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match="cut short"):
        load_image(path, smallest=smallest)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "black")
    exif = image.getexif()
    exif[0x0112] = 6  # turn right by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").shape == (40, 20, 3)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_cut_short_pictures_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(buffer, kind)
    content = buffer.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(SourceError, match=r"a\.jpg"):
        load_image(path)


def test_missing_and_wrong_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello, this is no picture")
    with pytest.raises(SourceError, match="not a picture"):
        load_image(tmp_path / "text.jpg")
    with pytest.raises(SourceError, match="does not exist"):
        load_image(tmp_path / "missing.jpg")
    with pytest.raises(SourceError, match="cannot be decoded"):
        load_image(tmp_path)


def test_any_file_name_can_be_printed() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert display_path(name) == "caf\\xe9.jpg"
    display_path(name).encode("utf-8")


GOLDEN_SUM = 293036
GOLDEN_PIXEL = [126, 146, 130]
