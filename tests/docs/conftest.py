"""A folder as pages assume it: a picture, clips, a model, data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from har_edge.model.file import BUNDLED_FOLDER
from har_edge.paths import sample_path
from tests.conftest import ASSETS, moving_square, write_video
from tests.support.pages import ROOT, shims


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """What `photo.jpg`, `video.mp4`, `models/mine` and others on the pages are."""
    clip, picture = sample_path("falling.mp4"), sample_path("lying.jpg")
    for name in ("video.mp4", "clip.mp4", "falling.mp4", "videos/one.mp4", "clips/two.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(clip, tmp_path / name)
    shutil.copy(picture, tmp_path / "photo.jpg")
    shutil.copy(picture, tmp_path / "seated.jpg")
    (tmp_path / "models" / "mine").mkdir(parents=True)
    shutil.copy(ASSETS / "tiny-int8.tflite", tmp_path / "models" / "mine" / "mine-int8.tflite")
    shutil.copy(BUNDLED_FOLDER / "clips-int8.tflite", tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "edge").symlink_to(ROOT / "edge")
    return tmp_path


@pytest.fixture
def training_desk(desk: Path) -> Path:
    """The same with clips of two actions, for a model of squares, and none of its files yet."""
    shutil.rmtree(desk / "models")
    for label, step in (("falling", 1), ("walking", 3)):
        (desk / "DATA" / label).mkdir(parents=True)
        for number in range(12):
            frames = moving_square(24 + number)[::step]
            write_video(desk / "DATA" / label / f"clip-{number}.mp4", frames, 25.0 / step)
    shutil.copytree(desk / "DATA", desk / "NIGHT")
    (desk / "NIGHT" / "walking").rename(desk / "NIGHT" / "crawling")
    return desk


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """The environment in which our programs are this tree's."""
    return shims(tmp_path / "bin")
