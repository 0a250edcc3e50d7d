"""One decoded picture and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

from har_edge.arrays import FloatArray, Pixels
from har_edge.frames.person import Person


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
