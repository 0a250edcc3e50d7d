"""Containers and codecs that people have, beside what the program `ffmpeg` makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from har_edge.frames.ffmpeg import reads_videos
from har_edge.sources.files import VideoSource
from tests.support.corpus import CORPUS, by_ffmpeg, by_us, make

pytestmark = pytest.mark.skipif(
    not (reads_videos() and shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="needs PyAV and the program ffmpeg",
)


@pytest.mark.parametrize("name", CORPUS)
def test_frames_times_and_brightness_are_those_of_ffmpeg(name: str, tmp_path: Path) -> None:
    try:
        path = make(CORPUS[name], tmp_path)
    except LookupError as error:
        pytest.skip(str(error))
    ours, theirs = by_us(path), by_ffmpeg(path)
    assert len(ours.times_s) == len(theirs.times_s) > 3
    assert ours.greys == pytest.approx(theirs.greys, abs=3.0)
    assert ours.times_s == pytest.approx(theirs.times_s, abs=2e-3)
    looked_at = [float(picture.mean()) for picture in VideoSource(path).look()]
    middle = len(ours.greys) // 2
    assert looked_at == pytest.approx([ours.greys[0], ours.greys[middle], ours.greys[-1]])
