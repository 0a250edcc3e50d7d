"""Animated pictures that were cut are called so: GIF and PNG do not say how long they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from har_edge.errors import SourceError
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource
from har_edge.sources.videos.animated import breaks_off
from tests.support.videos import needs_av

needs_av_for_png = pytest.param("png", marks=needs_av)


@pytest.fixture
def whole_ones(tmp_path: Path) -> Path:
    """Where GIF and PNG of ten frames lie."""
    frames = [Image.effect_noise((64, 48), 20.0 + 10 * i).convert("RGB") for i in range(10)]
    for ending in ("gif", "png"):
        path = tmp_path / f"whole.{ending}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return tmp_path


@pytest.mark.parametrize("ending", ["gif", needs_av_for_png])
def test_what_is_left_comes_and_then_that_it_was_cut(ending: str, whole_ones: Path) -> None:
    content = (whole_ones / f"whole.{ending}").read_bytes()
    path = whole_ones / f"cut.{ending}"
    path.write_bytes(content[: len(content) * 6 // 10])
    frames, source = [], VideoSource(path)
    with pytest.raises(SourceError, match="cut short"):
        for frame in source.frames(FrameSampler(1000.0)):
            frames.append(frame.index)
    assert 4 <= len(frames) <= 7
    with pytest.raises(SourceError, match="cut short"):
        VideoSource(path).look()


@pytest.mark.parametrize("ending", ["gif", needs_av_for_png])
@pytest.mark.parametrize("behind", [b"", b"\0\0 appended by an editor"])
def test_a_whole_one_is_whole_whatever_stands_behind_it(
    ending: str, behind: bytes, whole_ones: Path
) -> None:
    path = whole_ones / f"whole.{ending}"
    path.write_bytes(path.read_bytes() + behind)
    assert len(list(VideoSource(path).frames(FrameSampler(1000.0)))) == 10
    assert len(VideoSource(path).look()) == 3


@pytest.mark.parametrize(("ending", "mark_bytes"), [("gif", 1), ("png", 12)])
def test_wherever_it_ends_too_soon(ending: str, mark_bytes: int, whole_ones: Path) -> None:
    content = (whole_ones / f"whole.{ending}").read_bytes()
    path = whole_ones / f"part.{ending}"
    for length in [*range(8, 1200, 7), len(content) // 2, len(content) - mark_bytes]:
        path.write_bytes(content[:length])
        assert breaks_off(path), length
    path.write_bytes(content)
    assert not breaks_off(path)


def test_other_files_have_ends_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for content in (b"", b"GIF8", b"\x1aE\xdf\xa3 a Matroska file"):
        path.write_bytes(content)
        assert not breaks_off(path)
