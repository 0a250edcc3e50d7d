"""Videos that are written: their codec, their times, their sizes, and what a kill leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import Pixels
from har_edge.errors import OutputError
from har_edge.frames import encode
from har_edge.frames.encode import open_encoder, video_path
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource
from tests.support.videos import needs_av

KILLED = """
import os, sys, numpy as np
from pathlib import Path
from har_edge.frames.encode import open_encoder
encoder = open_encoder(Path(sys.argv[1]), 8.0, (64, 48))
for i in range(40):
    encoder.write(np.full((48, 64, 3), 5 * i, np.uint8))
os._exit(9)
"""


def grey(level: int, size: tuple[int, int] = (64, 48)) -> Pixels:
    return np.full((size[1], size[0], 3), level, np.uint8)


def written(path: Path, rate_hz: float = 8.0, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    encoder = open_encoder(path, rate_hz, size)
    for i in range(10):
        encoder.write(grey(20 * i, size))
    encoder.close()
    return list(VideoSource(path).frames(FrameSampler(1000.0)))


@needs_av
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "avi"])
def test_pictures_come_back_at_their_times(ending: str, tmp_path: Path) -> None:
    frames = written(tmp_path / f"a.{ending}", 12.5)
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 12.5 for i in range(10)], abs=2e-3)
    levels = [frame.pixels.mean() for frame in frames]
    assert levels == pytest.approx([20 * i for i in range(10)], abs=6)


@needs_av
def test_a_browser_can_play_it(tmp_path: Path) -> None:
    """H.264 in 4:2:0, in an MP4 file whose index is whole."""
    import av

    written(tmp_path / "a.mp4")
    with av.open(tmp_path / "a.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.frames == 10 and float(stream.average_rate or 0) == 8.0


@needs_av
@pytest.mark.parametrize("size", [(65, 49), (1, 1), (33, 24)])
def test_odd_sizes_get_a_margin(size: tuple[int, int], tmp_path: Path) -> None:
    frames = written(tmp_path / "a.mp4", size=size)
    height, width = size[1] + size[1] % 2, size[0] + size[0] % 2
    assert {frame.pixels.shape for frame in frames} == {(height, width, 3)}
    assert abs(int(frames[5].pixels[-1, -1, 0]) - 100) < 7


@needs_av
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_kill_leaves_a_file_that_plays(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == 9
    frames = list(VideoSource(path).frames(FrameSampler(1000.0)))
    assert len(frames) >= 20  # of five seconds, two at most are lost
    assert frames[19].pixels.mean() == pytest.approx(95, abs=6)


@needs_av
def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written as a video"):
        open_encoder(tmp_path / "none" / "a.mp4", 8.0, (64, 48))


def test_without_an_encoder_it_is_motion_jpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "writes_h264", lambda: False)
    path = video_path(tmp_path / "a.mp4")
    assert path.name == "a.mkv"
    levels = [frame.pixels.mean() for frame in written(path)]
    assert levels == pytest.approx([20 * i for i in range(10)], abs=6)
    with pytest.raises(OutputError, match="cannot be written as a video"):
        open_encoder(tmp_path / "none" / "a.mkv", 8.0, (64, 48))
