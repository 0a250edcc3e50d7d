"""What every decoder of a finished video gives: facts, pictures as they are shown, its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler

# A file that lacks a little of what it states is whole: encoders are stopped, rates rounded.
COMPLETE_SHARE = 0.9
FEW_FRAMES = 5
# Below this size one thread decodes as fast as several, which only take time from the model.
LARGE_PIXELS = 1_000_000


@dataclass(frozen=True)
class VideoFacts:
    """What a file says of itself before it is decoded.

    Attributes:
        frame_rate_hz: Frames a second on average; 0 if unknown.
        num_frames: Frames; 0 if unknown.
        duration_s: Length; None if unknown.
    """

    frame_rate_hz: float
    num_frames: int
    duration_s: float | None


class Picture(NamedTuple):
    """A picture of a video that was taken.

    Attributes:
        number: Its number in the file, from 0.
        timestamp_s: Time from the first picture; never falls.
        pixels: RGB, (H, W, 3), uint8.
        after_gap: Whether the file's own times jumped back since the one before.
    """

    number: int
    timestamp_s: float
    pixels: Pixels
    after_gap: bool = False


class VideoReader(Protocol):
    """An open video; one thread uses it at a time.

    Attributes:
        caveat: What the user should know about this way of reading, one sentence; mostly empty.
        count: Pictures that `pictures` came by so far, taken or not.
    """

    caveat: str
    count: int

    def facts(self) -> VideoFacts:
        """Give what the file says of itself."""

    def size(self) -> tuple[int, int]:
        """Find width and height of the first picture, as shown; open the file anew afterwards."""

    def pictures(self, sampler: FrameSampler) -> Iterator[Picture]:
        """Decode all of it, once, and give the pictures that `sampler` takes.

        The others are not converted, and not even decoded where no other builds on them.

        Raises:
            SourceError: if it holds no picture that can be decoded.
        """

    def lacks_frames(self, stated: int) -> bool:
        """Whether the file was cut or is damaged, once it is decoded.

        Args:
            stated: Pictures that it should hold.
        """

    def ends_early(self, stated: int) -> bool:
        """Whether the file ends well before its last picture, once it is looked through."""

    def num_shown(self) -> int | None:
        """Count the pictures; None if that cannot be known but by `pictures`."""

    def look(self, numbers: Sequence[int]) -> list[Pixels | None]:
        """Decode some pictures only, by seeking; None for those that are not there."""

    def close(self) -> None:
        """Close the file."""


def clearly_fewer(count: int, stated: int) -> bool:
    """Whether so many frames are too few of those stated to be an estimate's fault."""
    return count < stated * COMPLETE_SHARE and count < stated - FEW_FRAMES


def no_picture(name: str, codec: str = "") -> SourceError:
    """Make the error for a file of which nothing can be decoded."""
    what = f" ({codec})" if codec else ""
    return SourceError(f"{name} should contain frames. None can be decoded{what}. Copy it again.")


def no_video(name: str) -> SourceError:
    """Make the error for what is no video."""
    return SourceError(
        f"{name} is not a video that can be decoded. It may be cut short, or another kind of "
        "file with the extension of a video."
    )
