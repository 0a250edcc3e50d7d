"""Pictures are decoded as a viewer shows them, by whichever decoder is there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.errors import SourceError
from har_edge.frames import decode
from har_edge.frames.decode import decode_image, load_image
from har_edge.frames.opencv import import_cv2


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


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
    monkeypatch.setattr("har_edge.frames.decode._find_simplejpeg", lambda: None)
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


def test_huge_pictures_are_refused_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "wide.png"
    Image.new("L", (300, 200)).save(path)
    decode._silence_pillow.cache_clear()  # pytest has set its own filters since
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    assert load_image(path).shape == (200, 300, 3)  # one that Pillow warns of
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    with pytest.raises(SourceError, match=r"wide\.png should have at most 0 megapixels.*smaller"):
        load_image(path)
