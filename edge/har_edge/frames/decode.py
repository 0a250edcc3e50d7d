"""Pictures out of files, in RGB, as a viewer would show them."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.paths import display_path

if TYPE_CHECKING:
    from PIL import Image

# Source: Exif 2.3, 4.6.4 A.
_ORIENTATION = 0x0112


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
) -> Pixels:
    """Decode a picture from an open file, as `load_image` does.

    Args:
        file: The picture; may be in memory.
        shown: What to call it in messages.
        smallest: As for `load_image`.
        max_pixels: Refuse larger pictures by what their header says, before any of their pixels
            takes memory.
        formats: Pillow's names of the formats to try; None for all that it knows.

    Returns:
        RGB pixels, (H, W, 3), uint8.

    Raises:
        SourceError: if it is cut short, too large or not a picture.
    """
    from PIL import Image, UnidentifiedImageError

    _silence_pillow()
    try:
        with Image.open(file, formats=formats) as image:
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise SourceError(
                    f"{shown} should have at most {max_pixels / 1e6:g} megapixels. Received "
                    f"{image.width} x {image.height}. Make it smaller."
                )
            if smallest is not None:
                image.draft(None, (smallest, smallest))
            elif (pixels := _decode_plain_jpeg(image, file)) is not None:
                return pixels
            return image_pixels(image)
    except UnidentifiedImageError as error:
        raise SourceError(
            f"{shown} is not a picture that can be decoded. Expected JPEG, PNG, WebP or BMP; "
            "check that the file extension matches the content."
        ) from error
    except Image.DecompressionBombError as error:
        raise SourceError(
            f"{shown} should have at most {_most_pixels() / 1e6:.0f} megapixels. Received more, "
            "which would fill the memory. Make it smaller."
        ) from error
    # Broken files surface as SyntaxError (PNG), ValueError or struct-like errors too.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise SourceError(
            f"{shown} cannot be decoded: {error}. It may be cut short; copy it again."
        ) from error


def image_pixels(image: Image.Image) -> Pixels:
    """Pixels of a Pillow image as a viewer would show it, RGB, (H, W, 3), uint8."""
    from PIL import ImageOps

    return np.array(_to_rgb(ImageOps.exif_transpose(image)), dtype=np.uint8)


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
