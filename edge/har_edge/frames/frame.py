"""One decoded picture and what is known about it; a person in it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from har_edge.arrays import Box, FloatArray, Pixels

# The order of the COCO data set (Lin et al., Microsoft COCO, 2014); left and right are the
# person's own.
KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
# Keypoints below this score are guesses about what is hidden.
SEEN_SCORE = 0.3


# Equal to itself alone: whether arrays are equal is no yes or no.
@dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame.

    Example:
        >>> person = Person(score=0.9, box=(0.25, 0.25, 0.5, 0.75))
        >>> person.size
        0.125

    Attributes:
        score: How sure it is that this is a person, in [0, 1].
        box: Where the person is.
        keypoints: (17, 3), float32, in the order of `KEYPOINTS`: x and y in fractions of the
            picture, and a score in [0, 1]; None if only boxes are known.
        id: Number of the person's track in the source, from 1; None before tracking.
        located: Whether the person was found in this very frame; else the box is carried on
            from earlier ones.
    """

    score: float
    box: Box
    keypoints: FloatArray | None = None
    id: int | None = None
    located: bool = True

    @property
    def size(self) -> float:
        """Share of the picture that the box covers."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        pixels: RGB, (H, W, 3), uint8, in the source's own size; in the model's where nobody looks
            at pictures. May be a view of BGR pixels, see `view_as_rgb`: libraries that take no
            negative strides need `np.ascontiguousarray` of it.
        timestamp_s: Time in the source, from its first frame.
        index: Number in the source, counting all frames from 0.
        source: Name of the source, printable.
        decode_ms: Time spent on reading and decoding, skipped frames included.
        captured_s: Monotonic time of capture for live sources, else None.
        after_gap: Whether frames are missing before it (the source was lost, frozen or black),
            so that no window may hold it together with earlier ones.
        resized: The same picture at the model's size, if it was made ahead, (H, W, 3), uint8.
        preprocess_ms: Time spent on making it.
        features: What the model's `encode` gives for it, if it was called ahead, (D,), float32.
        encode_ms: Time spent on that.
        people: Who is in it; None if nobody looked.
        locate_ms: Time spent on looking.
        number: Number among the frames that were taken of the source, from 0.
    """

    pixels: Pixels
    timestamp_s: float
    index: int
    source: str
    decode_ms: float
    captured_s: float | None = None
    after_gap: bool = False
    resized: Pixels | None = None
    preprocess_ms: float = 0.0
    features: FloatArray | None = None
    encode_ms: float = 0.0
    people: tuple[Person, ...] | None = None
    locate_ms: float = 0.0
    number: int = 0

    @property
    def captured_at_s(self) -> float | None:
        """Unix time of capture for live sources, else None."""
        if self.captured_s is None:
            return None
        return time.time() - (time.monotonic() - self.captured_s)
