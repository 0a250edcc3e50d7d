"""Pictures are decoded as a viewer shows them, by whichever decoder is there."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.errors import SourceError
from har_edge.frames import decode
from har_edge.frames.decode import decode_image, image_pixels, load_image
from har_edge.frames.opencv import import_cv2
from tests.support.hostile import many_scans


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


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("turned", [False, True])
def test_bands_give_the_same_pixels(
    mode: str, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is large is converted in bands, to save memory, and nothing else changes."""
    image = Image.fromarray(noise(37, 23)).resize((230, 370))
    image = image.convert("L").convert(mode) if mode[0] in "IF" else image.convert(mode)
    if mode == "P":
        image.info["transparency"] = 3
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    if turned:
        image.getexif()[0x0112] = 6
    whole = image_pixels(image)
    monkeypatch.setattr("har_edge.frames.decode.BAND_PIXELS", 5000)
    assert np.array_equal(image_pixels(image), whole)
    assert whole.shape == ((230, 370, 3) if turned else (370, 230, 3))


def test_a_picture_that_takes_too_much_is_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (13_000, 13_000)).save(stream, "PNG", compress_level=1)
    assert len(stream.getvalue()) < 4 * 10**6
    with pytest.raises(SourceError, match=r"at most 109\.7 megapixels\. Received 13000 x"):
        decode_image(stream, "picture")


def test_a_huge_picture_is_told_the_limit_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.new("L", (3000, 1000)).save(stream, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)  # Pillow takes twice as many
    with pytest.raises(SourceError, match=r"at most 0\.9 megapixels\. .*Make it smaller"):
        decode_image(stream, "picture", max_pixels=999_999)
    stream.seek(0)
    with pytest.raises(SourceError, match=r"at most 1 megapixels\. Received"):
        decode_image(stream, "picture", max_pixels=25_000_000)


def test_scans_are_counted_against_the_size() -> None:
    """A hundred scans are fine in a small picture, and ten seconds of work in a large one."""
    small, large = many_scans((64, 64), 80), many_scans((2000, 1000), 80)
    assert decode_image(io.BytesIO(small), "picture", max_pixels=2_500_000).shape == (64, 64, 3)
    with pytest.raises(SourceError, match="at most 20 scans at this size"):
        decode_image(io.BytesIO(large), "picture", max_pixels=2_500_000)
    with pytest.raises(SourceError, match="at most 100 scans"):
        decode_image(io.BytesIO(many_scans((64, 64), 120)), "picture", max_pixels=2_500_000)


def test_room_is_asked_for_before_pixels_take_memory() -> None:
    asked: list[int] = []

    @contextlib.contextmanager
    def room(size_bytes: int) -> Iterator[None]:
        asked.append(size_bytes)
        yield

    stream = io.BytesIO()
    Image.new("RGBA", (30, 20)).save(stream, "PNG")
    assert decode_image(stream, "picture", room=room).shape == (20, 30, 3)
    assert asked == [30 * 20 * 7]


@pytest.mark.parametrize(("ending", "package"), [("heic", "pillow_heif"), ("avif", "PIL")])
def test_pictures_of_phones_are_read(ending: str, package: str, tmp_path: Path) -> None:
    module = pytest.importorskip(package)
    if ending == "heic":
        module.register_heif_opener()
    Image.new("RGB", (64, 48), (200, 100, 50)).save(tmp_path / f"a.{ending}")
    pixels = load_image(tmp_path / f"a.{ending}")
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.mean(axis=(0, 1)) - (200, 100, 50)).max() < 6


def test_heic_without_its_package_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(SourceError, match=r"har-edge\[heif\]"):
        load_image(tmp_path / "a.heic")


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
