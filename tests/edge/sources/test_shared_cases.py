"""The inputs that once failed, where they lie beside the shared data: each is read right."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import import_av, reads_videos
from har_edge.media import Skipped, find_media, read_kind
from har_edge.sources.files import VideoSource
from tests.support.corpus import all_frames

CASES = Path(os.environ.get("HAR_DATA", "data")).resolve().parent / "cases"
pytestmark = pytest.mark.skipif(
    not (CASES.is_dir() and reads_videos()), reason="needs the shared cases and PyAV"
)


@pytest.mark.parametrize(
    ("file", "count", "last_s"),
    [
        ("av1-codec-not-built-in/av1.webm", None, None),
        ("av1-codec-not-built-in/phone-av1.mp4", None, None),
        ("avi-b-frames/h264-bframes.avi", 60, 2.36),
        ("avi-b-frames/mpeg4-bframes.avi", 60, 2.36),
        ("frame-count-estimate/audio-outlasts-video.mkv", 50, None),
        ("frame-count-estimate/subtitles-outlast-video.mkv", 50, None),
        ("frame-count-estimate/vfr.mkv", 102, None),
        ("interlaced/falling-interlaced.mp4", None, None),
        ("interlaced/h264-interlaced.mp4", None, None),
        ("interlaced/progressive-control.mp4", None, None),
        ("joined-recordings/joined.mkv", 120, 4.76),
        ("skipped-silently/camera.ts", None, None),
    ],
)
def test_sound_files_are_read_whole(file: str, count: int | None, last_s: float | None) -> None:
    frames = all_frames(CASES / file)
    with import_av().open(str(CASES / file)) as container:
        means = [f.to_ndarray(format="rgb24").mean() for f in container.decode(video=0)]
    assert len(frames) == (count or len(means))
    assert frames[0].timestamp_s == 0.0
    assert last_s is None or frames[-1].timestamp_s == pytest.approx(last_s, abs=0.01)
    assert np.mean([f.pixels.mean() for f in frames]) == pytest.approx(np.mean(means), abs=3)
    assert sum(f.after_gap for f in frames) == ("joined" in file)


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_files_that_were_cut_are_called_so(ending: str) -> None:
    with pytest.raises(SourceError, match="cut short"):
        all_frames(CASES / "frame-count-estimate" / f"really-cut.{ending}")


def test_mirrored_files_are_shown_mirrored() -> None:
    def first(name: str) -> np.ndarray:
        pixels: np.ndarray = VideoSource(CASES / "mirrored" / f"{name}.mp4").look()[0]
        return pixels.astype(int)

    upright = first("rot180-control")[::-1, ::-1]
    with import_av().open(str(CASES / "mirrored" / "display-hflip.mp4")) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(first("display-hflip") - stored[:, ::-1]).mean() < 3
    assert np.abs(first("display-vflip") - stored[::-1]).mean() < 3
    assert upright.shape == stored.shape


def test_a_folder_is_taken_by_content() -> None:
    skipped = Skipped()
    found = find_media(CASES / "skipped-silently", skipped)
    assert {path.suffix for path in found} == {".jpg", ".jfif", ".ts"}
    assert skipped.kinds == {"text": 1}
    assert {read_kind(path).role for path in found} == {"picture", "video"}
