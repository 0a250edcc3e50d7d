"""Pictures out of files, in RGB, as a viewer would show them."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import math
import os
import re
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.media import HEAD_BYTES, FileKind, kind_of
from har_edge.paths import display_path

if TYPE_CHECKING:
    from PIL import Image

# Source: Exif 2.3, 4.6.4 A.
_ORIENTATION = 0x0112
# What one picture may take while Pillow decodes it: some 110 megapixels. A plain JPEG takes 3 bytes
# for each, and is bounded by Pillow's own limit.
MAX_DECODED_BYTES = 768 * 10**6
# Large pictures are converted in bands of so many pixels: each step would copy all of them.
BAND_PIXELS = 4_000_000
# Each scan of a JPEG costs as much as decoding the picture once; editors write ten at most.
MAX_JPEG_SCANS = 100
USUAL_JPEG_SCANS = 16
# A scan's start; counted by a pattern in a third of the time that `bytes.count` takes.
_JPEG_SCAN = re.compile(rb"\xff\xda")

# Formats that not every installation reads: the module that does, and how to get it.
_READERS = {
    "HEIF": ("pillow_heif", 'pip install "har-edge[heif]"'),
    "AVIF": ("PIL._avif", "pip install --upgrade pillow"),
}

Room = Callable[[int], AbstractContextManager[None]]


def load_image(path: str | os.PathLike[str], *, smallest: int | None = None) -> Pixels:
    """Decode a picture as a viewer would show it.

    EXIF orientation is applied, transparency is laid over white, 16-bit greyscale keeps its
    full range, CMYK and palettes become RGB.

    Args:
        path: A picture in any format that Pillow reads.
        smallest: For looking, not for models: a JPEG may come out at 1/2, 1/4 or 1/8 of its
            size, though no side below this; all of the file is read, several times faster.

    Returns:
        RGB pixels, (H, W, 3), uint8.

    Raises:
        SourceError: if the file is missing, empty, cut short or not a picture.
    """
    shown = display_path(path)
    try:
        if Path(path).stat().st_size == 0:
            raise SourceError(f"{shown} is empty (0 bytes). Copy the picture again.")
        with Path(path).open("rb") as file:
            return decode_image(file, shown, smallest=smallest)
    except FileNotFoundError as error:
        raise SourceError(f"{shown} does not exist. Check the path.") from error
    except OSError as error:
        raise SourceError(f"{shown} cannot be decoded: {error}. Check the file.") from error


@functools.cache
def _silence_pillow() -> None:
    """Keep Pillow from warning of pictures that are large, and that it decodes all the same."""
    from PIL import Image

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def _most_pixels() -> int:
    """What Pillow refuses to exceed: twice what it warns of."""
    from PIL import Image

    return 2 * (Image.MAX_IMAGE_PIXELS or 0)


def decode_image(
    file: BinaryIO,
    shown: str,
    *,
    smallest: int | None = None,
    max_pixels: int | None = None,
    formats: tuple[str, ...] | None = None,
    room: Room | None = None,
) -> Pixels:
    """Decode a picture from an open file, as `load_image` does.

    Args:
        file: The picture; may be in memory.
        shown: What to call it in messages.
        smallest: As for `load_image`.
        max_pixels: Refuse larger pictures by what their header says, before any of their pixels
            takes memory, and JPEG pictures of so many scans that they cost as much.
        formats: Pillow's names of the formats to try; None for all that it knows.
        room: Waits until there is room for so many bytes, and lets go of it at the block's end.

    Returns:
        RGB pixels, (H, W, 3), uint8.

    Raises:
        SourceError: if it is cut short, too large or not a picture.
    """
    from PIL import Image, UnidentifiedImageError

    _prepare_reader(file, shown)
    _silence_pillow()
    try:
        with Image.open(file, formats=formats) as image:
            if max_pixels is not None:
                _check_cost(image, file, shown, max_pixels)
            if smallest is not None:
                image.draft(None, (smallest, smallest))
            elif (pixels := _decode_plain_jpeg(image, file)) is not None:
                return pixels
            size_bytes = _decoded_bytes(image)
            if size_bytes > MAX_DECODED_BYTES:
                area = image.width * image.height
                raise _too_large(shown, MAX_DECODED_BYTES * area // size_bytes, image.size)
            with room(size_bytes) if room is not None else contextlib.nullcontext():
                return image_pixels(image)
    except UnidentifiedImageError as error:
        raise SourceError(
            f"{shown} is not a picture that can be decoded. Expected JPEG, PNG, WebP, BMP, AVIF or "
            "HEIC; check that the file extension matches the content."
        ) from error
    except Image.DecompressionBombError as error:
        most = _most_pixels() if max_pixels is None else min(max_pixels, _most_pixels())
        raise _too_large(shown, most) from error
    # Broken files surface as SyntaxError (PNG), ValueError or RuntimeError (AVIF, HEIC) too.
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SourceError(
            f"{shown} cannot be decoded: {reason}. It may be cut short; copy it again."
        ) from error


def _check_cost(image: Image.Image, file: BinaryIO, shown: str, max_pixels: int) -> None:
    """Refuse a picture by its header.

    Raises:
        SourceError: if it has too many pixels, or a JPEG too many scans for their number.
    """
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise _too_large(shown, max_pixels, image.size)
    if image.format != "JPEG":
        return
    position = file.tell()
    file.seek(0)
    scans = len(_JPEG_SCAN.findall(file.read()))
    file.seek(position)
    most = min(MAX_JPEG_SCANS, max(1, USUAL_JPEG_SCANS * max_pixels // pixels))
    if scans > most:
        raise SourceError(
            f"{shown} should have at most {most} scans at this size. Received {scans}. Save it "
            "again in an image editor."
        )


def _decoded_bytes(image: Image.Image) -> int:
    """What a picture takes while it is decoded by Pillow and made RGB."""
    each = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    if image.format == "WEBP":  # a canvas, the frame on it, and the bytes in between
        each *= 4
    elif image.format in _READERS:  # planes of luma and chroma, and the bytes in between
        each *= 3
    return image.width * image.height * (each + 3)


def _too_large(shown: str, most: int, size: tuple[int, int] | None = None) -> SourceError:
    """What a picture of more pixels than there may be is told; its size, where it is known."""
    received = "more" if size is None else f"{size[0]} x {size[1]}"
    return SourceError(
        # Rounded down: a picture of so many is taken.
        f"{shown} should have at most {math.floor(most / 1e5) / 10:g} megapixels. Received "
        f"{received}. Make it smaller."
    )


def image_pixels(image: Image.Image) -> Pixels:
    """Pixels of a Pillow image as a viewer would show it, RGB, (H, W, 3), uint8."""
    from PIL import ImageOps

    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.width * image.height <= BAND_PIXELS:
        return np.array(_to_rgb(image), dtype=np.uint8)
    # No step of `_to_rgb` looks at another pixel than the one that it makes.
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.asarray(_to_rgb(image.crop((0, top, image.width, bottom))))
    return pixels


def _decode_plain_jpeg(image: Image.Image, file: BinaryIO) -> Pixels | None:
    """Decode a common JPEG to the same pixels as Pillow, in a third of its time.

    Both use libjpeg-turbo with the same settings, but Pillow copies the pixels three times, and
    holds other Python threads up meanwhile.

    Returns:
        None for what Pillow has to judge: turned pictures, CMYK, damage, other formats.
    """
    simplejpeg = _find_simplejpeg()
    common = image.format == "JPEG" and image.mode in ("RGB", "L")
    if simplejpeg is None or not common or image.getexif().get(_ORIENTATION, 1) != 1:
        return None
    file.seek(0)
    data = file.read()
    # Two parsers may disagree on an odd header; no more is decoded than was checked.
    shape = (image.height, image.width, 3)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colorspace="RGB", strict=True, buffer=np.empty(shape, np.uint8)
        )
    except ValueError:
        return None
    return pixels if pixels.shape == shape else None


def lacks_reader(form: str) -> str:
    """Say what a picture is, and what to install, where nothing that is installed reads it.

    Args:
        form: Its format, as `har_edge.media` calls it.

    Returns:
        What follows its name in a sentence; "" where it can be read.

    Example:
        >>> lacks_reader("JPEG")
        ''
    """
    if form not in _READERS:
        return ""
    module, remedy = _READERS[form]
    if importlib.util.find_spec(module) is not None:
        return ""
    return (
        f"is in {FileKind(form, 'picture')}, and nothing that is installed reads that. Install "
        f"what does: {remedy}"
    )


def _prepare_reader(file: BinaryIO, shown: str) -> None:
    """Teach Pillow HEIC where a file is one.

    Raises:
        SourceError: if nothing is installed that reads the file's format.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    form = kind_of(head).form
    if missing := lacks_reader(form):
        raise SourceError(f"{shown} {missing}")
    if form == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()


@functools.cache
def _find_simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:  # there are machines that it has no wheels for
        return None
    module: ModuleType = simplejpeg
    return module


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a Pillow image of any mode to RGB without losing what a viewer shows."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":  # 16 or 32 bits a pixel
        values = np.asarray(image, dtype=np.float64)
        # Pillow would clip at 255; 16-bit files are full range by definition.
        return Image.fromarray((np.clip(values, 0, 65535) / 257 + 0.5).astype(np.uint8)).convert(
            "RGB"
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
