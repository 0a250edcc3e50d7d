"""Frames out of pipes, in the formats that --stdin-format knows."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest

from har_edge.config import StdinFormat
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.captures.pipe import PipeCapture
from har_edge.sources.live.open import live_pipe
from tests.conftest import MakeVideo, moving_square


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mjpeg", StdinFormat("mjpeg", 0, 0, 25.0)),
        ("mjpeg@12.5", StdinFormat("mjpeg", 0, 0, 12.5)),
        ("mjpeg@live", StdinFormat("mjpeg", 0, 0, None)),
        ("rgb24:640x480", StdinFormat("rgb24", 640, 480, 25.0)),
        ("rgb24:640x480@30", StdinFormat("rgb24", 640, 480, 30.0)),
        ("rgb24:1x2@live", StdinFormat("rgb24", 1, 2, None)),
    ],
)
def test_formats_of_standard_input(text: str, expected: StdinFormat) -> None:
    assert StdinFormat.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "h264", "rgb24", "rgb24:0x5", "mjpeg@0", "mjpeg@", "mjpeg:3x4", "rgb24:3x4@x"]
)
def test_other_formats_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected mjpeg"):
        StdinFormat.parse(text)


def test_live_pipe_gives_the_newest_frame_and_ends_with_the_pipe() -> None:
    read, write = os.pipe()
    source = live_pipe("-", PipeCapture(read, StdinFormat.parse("rgb24:64x48@live")))

    def feed() -> None:
        with os.fdopen(write, "wb") as file:
            for frame in moving_square(20):
                file.write(frame.tobytes())
                file.flush()
                time.sleep(0.02)

    threading.Thread(target=feed, daemon=True).start()
    seen = []
    for frame in source.frames(FrameSampler(100.0)):
        seen.append(frame.index)
        time.sleep(0.1)
    assert source.live
    assert seen[0] == 0 and len(seen) < 10
    assert source.stats.read == 20


def test_ffmpeg_pipes_into_the_command(make_video: MakeVideo) -> None:
    """`ffmpeg ... -f mjpeg - | har-edge run -`, as far as the frames."""
    pytest.importorskip("simplejpeg")
    try:
        with subprocess.Popen(
            ["ffmpeg", "-v", "quiet", "-i", str(make_video(count=50)), "-f", "mjpeg", "-"],
            stdout=subprocess.PIPE,
        ) as ffmpeg:
            assert ffmpeg.stdout is not None
            capture = PipeCapture(ffmpeg.stdout.fileno(), StdinFormat())
            count = 0
            while capture.grab():
                assert capture.retrieve() is not None
                count += 1
    except FileNotFoundError:
        pytest.skip("needs ffmpeg")
    assert count == 50
