"""Animated pictures as videos: WebP through Pillow, GIF, PNG and AVIF through FFmpeg."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from har_edge.errors import SourceError
from har_edge.frames.decode import image_pixels
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource
from har_edge.sources.open import open_source
from har_edge.sources.videos.webp import WebpVideo
from tests.support.videos import needs_av


def animated(path: Path, count: int = 10) -> Path:
    """Frames of 0.1 s that grow brighter."""
    frames = [Image.new("RGB", (64, 48), (20 * i, 20 * i, 20 * i)) for i in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    return path


@pytest.mark.parametrize(
    "ending", ["webp", "gif", *(pytest.param(each, marks=needs_av) for each in ("png", "avif"))]
)
def test_an_animated_picture_is_a_video(ending: str, tmp_path: Path) -> None:
    source = open_source(animated(tmp_path / f"a.{ending}"))
    assert isinstance(source, VideoSource)
    assert source.size == (64, 48)
    frames = list(source.frames(FrameSampler(1000.0)))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 10 for i in range(10)])
    assert [f.pixels.mean() for f in frames] == pytest.approx([20 * i for i in range(10)], abs=2)


def test_a_webp_video_says_what_it_holds(tmp_path: Path) -> None:
    source = VideoSource(animated(tmp_path / "a.webp"))
    assert (source.num_frames, source.duration_s) == (10, pytest.approx(1.0))
    assert [p.mean() for p in source.look()] == pytest.approx([0, 100, 180], abs=2)
    assert [f.index for f in source.frames(FrameSampler(5.0))] == [0, 2, 4, 6, 8]


def test_one_that_is_cut_is_called_so(tmp_path: Path) -> None:
    path = animated(tmp_path / "a.webp")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match="cut short"):
        list(VideoSource(path).frames(FrameSampler(1000.0)))
    with pytest.raises(SourceError, match="cut short"):
        VideoSource(path).look()


def test_a_still_webp_is_none(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp")
    with pytest.raises(SourceError, match="not a video"):
        WebpVideo(str(tmp_path / "a.webp"), "a.webp", image_pixels)
