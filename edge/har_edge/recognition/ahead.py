"""What can be done to a frame before its turn: resize it, encode it."""

from __future__ import annotations

import time
from dataclasses import replace

from har_edge.frames.frame import Frame
from har_edge.frames.preprocess import resize_frame
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ClipSpec


def resize_ahead(frame: Frame, clip: ClipSpec, *, keep_pixels: bool = True) -> Frame:
    """Bring a frame to the model's size, so that `Recognizer.push` need not; once is enough.

    Args:
        frame: What to bring there.
        clip: The model's size.
        keep_pixels: Whether the frame keeps its own pixels; else they are those for the model.
    """
    if frame.resized is not None:
        return frame
    started = time.perf_counter()
    resized = resize_frame(frame.pixels, clip)
    preprocess_ms = (time.perf_counter() - started) * 1e3
    pixels = frame.pixels if keep_pixels else resized
    return replace(frame, pixels=pixels, resized=resized, preprocess_ms=preprocess_ms)


def encode_ahead(frame: Frame, model: LoadedModel) -> Frame:
    """Encode a frame, so that `Recognizer.push` need not; once is enough."""
    if frame.features is not None:
        return frame
    frame = resize_ahead(frame, model.spec.clip)
    assert frame.resized is not None
    started = time.perf_counter()
    features = model.encode(frame.resized)
    return replace(frame, features=features, encode_ms=(time.perf_counter() - started) * 1e3)
