"""Videos that give back every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import OutputError
from har_edge.model.spec import ClipSpec
from har_edge.sources.clips import load_frames
from har_train.people.lossless import LosslessVideo

pytest.importorskip("av")


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_every_pixel_comes_back(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, *size, 3), np.uint8)
    video = LosslessVideo(tmp_path / "clip.mkv", 8.0, size)
    for frame in frames:
        video.write(frame)
    video.close()
    np.testing.assert_array_equal(
        load_frames(tmp_path / "clip.mkv", ClipSpec(1, 8.0, *size)), frames
    )


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        LosslessVideo(tmp_path / "missing" / "clip.mkv", 8.0, (32, 32)).write(
            np.zeros((32, 32, 3), np.uint8)
        )
