"""Pictures cut out of a stream of bytes: all that are whole, none that is not."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from har_edge.sources.captures.mjpeg import JpegSplitter, decode_jpeg

pytest.importorskip("simplejpeg")


def noise(seed: int, height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 255, (15, 20, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(seed: int = 0, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(seed)).save(file, "JPEG", **options)  # type: ignore[arg-type]
    return file.getvalue()


def with_thumbnail() -> bytes:
    """A picture with another one in its header, as cameras' Exif data has it."""
    inner, outer = jpeg(1), jpeg(0)
    assert len(inner) < 60000
    segment = b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner
    return outer[:2] + segment + outer[2:]


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**6])
def test_stream_is_cut_into_its_pictures_however_it_arrives(chunk: int) -> None:
    pictures = [jpeg(0), jpeg(1, progressive=True), with_thumbnail(), jpeg(2, quality=100)]
    between = b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 12\r\n\r\n"
    stream = between + between.join(pictures) + between
    splitter = JpegSplitter()
    found = []
    for i in range(0, len(stream), chunk):
        found += splitter.feed(stream[i : i + chunk])
    assert found == pictures


def test_picture_is_given_with_its_last_byte() -> None:
    """A reader of multipart boundaries would have to wait for the next picture."""
    splitter = JpegSplitter()
    assert splitter.feed(jpeg()[:-1]) == []
    assert splitter.feed(jpeg()[-1:]) == [jpeg()]


def test_cut_off_pictures_are_counted_and_the_next_one_is_found() -> None:
    rng = random.Random(0)
    splitter = JpegSplitter()
    found = []
    for i in range(50):
        data = jpeg(i)
        cut = data[: rng.randrange(700, len(data) - 1)]
        found += splitter.feed(b"--b\r\n\r\n" + cut + b"\r\n--b\r\n\r\n" + data)
    assert found[1::2] == [jpeg(i) for i in range(50)]
    assert found[::2] == [None] * 50


def test_endless_picture_does_not_fill_the_memory() -> None:
    splitter = JpegSplitter(max_bytes=10_000)
    start = jpeg()[:700]
    assert splitter.feed(start + bytes(20_000)) == [None]
    assert splitter.feed(jpeg()) == [jpeg()]


def test_any_bytes_are_survived() -> None:
    rng = random.Random(1)
    splitter = JpegSplitter()
    whole = jpeg()
    for _ in range(300):
        splitter.feed(bytes(rng.choice((0xFF, 0xD8, 0xD9, 0xDA, 0, 2, 65)) for _ in range(200)))
        data = bytearray(whole)
        for _ in range(5):
            data[rng.randrange(len(data))] = rng.randrange(256)
        splitter.feed(bytes(data))
    # Two in a row: what is left of the rubbish may swallow the first one's start.
    assert whole in splitter.feed(whole + whole + whole)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_decoder_agrees_with_pillow(options: dict[str, object]) -> None:
    data = jpeg(3, **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    pixels = decode_jpeg(data)
    assert pixels is not None
    assert np.array_equal(pixels, expected)


def test_grey_becomes_rgb() -> None:
    file = io.BytesIO()
    Image.fromarray(noise(0)).convert("L").save(file, "JPEG")
    pixels = decode_jpeg(file.getvalue())
    assert pixels is not None
    assert pixels.shape == (120, 160, 3)


LOST_BYTES = 1400  # what one lost packet holds


def damaged(kind: str, data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(700, len(data) - LOST_BYTES - 100)
    if kind == "cut off":
        return data[:at]
    if kind == "cut off and closed":
        return data[:at] + b"\xff\xd9"
    lost = {"hole": b"", "zeroed": bytes(LOST_BYTES), "random": rng.randbytes(LOST_BYTES)}[kind]
    return data[:at] + lost + data[at + LOST_BYTES :]


@pytest.mark.parametrize("kind", ["cut off", "cut off and closed", "hole", "zeroed", "random"])
def test_damaged_pictures_are_refused_not_filled_with_grey(kind: str) -> None:
    rng = random.Random(kind)
    file = io.BytesIO()
    Image.fromarray(noise(4, 480, 640)).save(file, "JPEG", quality=90)
    shown = [decode_jpeg(damaged(kind, file.getvalue(), rng)) for _ in range(100)]
    assert [pixels for pixels in shown if pixels is not None] == []


def test_no_picture_at_all() -> None:
    for data in (b"", b"\xff\xd8\xff\xd9", b"GIF89a", jpeg()[:20]):
        assert decode_jpeg(data) is None
