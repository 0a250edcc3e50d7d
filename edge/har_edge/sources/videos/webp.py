"""Animated WebP pictures as videos: FFmpeg decodes none, Pillow does."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from har_edge.arrays import Pixels
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.videos.base import Picture, VideoFacts, clearly_fewer, no_picture, no_video

if TYPE_CHECKING:
    from PIL import Image

# Chunks begin with their name and length; that of a frame has its duration, in ms, as three bytes
# from the 13th on. Source: RFC 9649, 2.3 and 2.7.1.1.
_CHUNK = struct.Struct("<4sI")
_DURATION_AT = 12


class WebpVideo:
    """An animated WebP picture; its frames are shown as long as they say."""

    caveat = ""

    def __init__(self, address: str, name: str, to_pixels: Callable[[Image.Image], Pixels]) -> None:
        """Open a file.

        Args:
            address: Its path.
            name: What to call it in messages.
            to_pixels: Makes RGB pixels of a picture of Pillow's.

        Raises:
            SourceError: if it is no animated WebP picture.
        """
        from PIL import Image, UnidentifiedImageError

        self.count = 0
        self._name, self._to_pixels = name, to_pixels
        self._durations_s, self._is_cut = _durations(Path(address))
        try:
            self._image: Image.Image = Image.open(address, formats=("WEBP",))
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            raise no_video(name) from None
        if not self._durations_s:
            self._image.close()
            raise no_video(name)

    def facts(self) -> VideoFacts:
        """Give what the file says of itself."""
        count, duration_s = len(self._durations_s), sum(self._durations_s)
        return VideoFacts(count / duration_s if duration_s else 0.0, count, duration_s or None)

    def size(self) -> tuple[int, int]:
        """Find width and height."""
        return self._image.size

    def pictures(self, sampler: FrameSampler) -> Iterator[Picture]:
        """Decode all of it, and convert what is taken."""
        time_s = 0.0
        for number, duration_s in enumerate(self._durations_s):
            if not self._show(number):
                break
            self.count += 1
            if sampler.takes(time_s):
                yield Picture(number, time_s, self._to_pixels(self._image))
            time_s += duration_s
        if not self.count:
            raise no_picture(self._name, "WebP")

    def lacks_frames(self, stated: int) -> bool:
        """Whether it breaks off."""
        return self._is_cut or clearly_fewer(self.count, stated)

    def ends_early(self, stated: int) -> bool:
        """Whether the file is shorter than it says."""
        return self._is_cut

    def num_shown(self) -> int:
        """Count the pictures."""
        return len(self._durations_s)

    def look(self, numbers: Sequence[int]) -> list[Pixels | None]:
        """Decode some pictures."""
        inside = range(len(self._durations_s))
        return [
            self._to_pixels(self._image) if number in inside and self._show(number) else None
            for number in numbers
        ]

    def close(self) -> None:
        """Close the file."""
        self._image.close()

    def _show(self, number: int) -> bool:
        try:
            self._image.seek(number)
            self._image.load()
        except (EOFError, OSError, ValueError, SyntaxError):
            return False
        return True


def _durations(path: Path) -> tuple[list[float], bool]:
    """Read how long each frame is shown, and whether the file ends before its last chunk."""
    durations_s = list[float]()
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(_CHUNK.size + 4)
        while len(head := file.read(_CHUNK.size)) == _CHUNK.size:
            name, length = _CHUNK.unpack(head)
            begin = file.tell()
            if begin + length > size:
                return durations_s, True
            if name == b"ANMF":
                file.seek(begin + _DURATION_AT)
                durations_s.append(int.from_bytes(file.read(3), "little") / 1e3)
            file.seek(begin + length + length % 2)
        file.seek(4)
        stated = int.from_bytes(file.read(4), "little") + 8
    return durations_s, stated > size
