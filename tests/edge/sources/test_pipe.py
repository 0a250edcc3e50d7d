"""Pipes at a stated rate: all frames are read, at their own time."""

from __future__ import annotations

import contextlib
import io
import os
import threading

import numpy as np
import pytest
from PIL import Image

from har_edge.config import StdinFormat
from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.pipe import PipeCapture
from har_edge.sources.pipe import PipeSource
from tests.conftest import moving_square


def jpegs(count: int) -> bytes:
    pictures = []
    for frame in moving_square(count):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG")
        pictures.append(file.getvalue())
    return b"".join(pictures)


def pipe_source(data: bytes, form: str) -> tuple[PipeSource, threading.Thread]:
    """A pipe with somebody who writes into it."""
    read, write = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    parsed = StdinFormat.parse(form)
    assert parsed.frame_rate_hz is not None
    return PipeSource("-", PipeCapture(read, parsed), parsed.frame_rate_hz), writer


def test_pipe_of_pictures_gives_the_instants_of_its_rate() -> None:
    pytest.importorskip("simplejpeg")
    source, _ = pipe_source(jpegs(50), "mjpeg@25")
    frames = list(source.frames(FrameSampler(5.0)))
    assert not source.live
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 5 for i in range(10)])


def test_pipe_of_pixels() -> None:
    pictures = moving_square(20)
    data = b"".join(frame.tobytes() for frame in pictures)
    source, _ = pipe_source(data + b"half a frame", "rgb24:64x48@10")
    frames = list(source.frames(FrameSampler(10.0)))
    assert len(frames) == 20
    assert all(np.array_equal(f.pixels, p) for f, p in zip(frames, pictures, strict=True))
    assert frames[-1].timestamp_s == pytest.approx(1.9)
    assert source._capture.corrupt == 1


def test_pipe_waits_for_a_slow_reader() -> None:
    """The writer is held up, so nothing is lost and nothing piles up here."""
    data = b"".join(frame.tobytes() for frame in moving_square(200))
    source, writer = pipe_source(data, "rgb24:64x48@10")
    frames = source.frames(FrameSampler(10.0))
    next(frames)
    writer.join(0.3)
    assert writer.is_alive()
    assert 1 + sum(1 for _ in frames) == 200


def test_damaged_pictures_of_a_pipe_keep_their_time() -> None:
    pytest.importorskip("simplejpeg")
    file = io.BytesIO()
    Image.fromarray(moving_square(1)[0]).save(file, "JPEG")
    whole = file.getvalue()
    source, _ = pipe_source(whole + whole[:-30] + whole, "mjpeg@10")
    assert [f.timestamp_s for f in source.frames(FrameSampler(10.0))] == pytest.approx([0.0, 0.2])


def test_pipe_without_pictures_is_refused() -> None:
    pytest.importorskip("simplejpeg")
    source, _ = pipe_source(b"this is no picture" * 1000, "mjpeg")
    with pytest.raises(SourceError, match="at least one whole frame"):
        list(source.frames(FrameSampler(5.0)))


def test_silent_pipe_can_be_stopped() -> None:
    read, write = os.pipe()
    source = PipeSource("-", PipeCapture(read, StdinFormat("rgb24", 4, 4, 10.0)), 10.0)
    threading.Timer(0.2, source.stop).start()
    assert list(source.frames(FrameSampler(5.0))) == []
    os.close(write)
