"""Stills and videos on the disk: their instants, their colours, and those that are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.opencv import import_cv2
from har_edge.frames.sampling import FrameSampler
from har_edge.sources import files
from har_edge.sources.files import ImageSource, VideoSource, open_file
from har_edge.sources.open import open_source
from har_edge.sources.videos import opencv
from tests.conftest import MakeVideo, moving_square, write_video


def test_video_gives_the_instants_of_its_timestamps(make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=50, fps=25.0))
    frames = list(source.frames(FrameSampler(5.0)))
    assert source.duration_s == pytest.approx(2.0)
    assert [f.index for f in frames] == list(range(0, 50, 5))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 5 for i in range(10)])


def test_same_instants_from_another_frame_rate(tmp_path: Path) -> None:
    """A scene filmed at 30 and at 12 fps gives the same pictures at 6 Hz."""
    scene = moving_square(60)
    fast = write_video(tmp_path / "fast.mp4", scene, 30.0)
    slow = write_video(tmp_path / "slow.mp4", [scene[round(i * 2.5)] for i in range(24)], 12.0)
    a, b = (list(VideoSource(p).frames(FrameSampler(6.0))) for p in (fast, slow))
    assert len(a) == len(b) == 12
    assert [f.timestamp_s for f in a] == pytest.approx([f.timestamp_s for f in b], abs=2e-3)
    for x, y in zip(a, b, strict=True):
        assert np.abs(x.pixels.astype(int) - y.pixels.astype(int)).mean() < 4  # codec noise


def test_video_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    frames = list(VideoSource(write_video(tmp_path / "r.mp4", [red] * 5)).frames(FrameSampler(25)))
    assert frames[0].pixels[..., 0].mean() > 150
    assert frames[0].pixels[..., 2].mean() < 50


def test_what_opencv_cannot_do_is_an_error_of_the_source(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pixels: Pixels) -> Pixels:
        return np.asarray(import_cv2().resize(pixels, (0, 0)))

    monkeypatch.setattr(files, "reads_videos", lambda: False)
    monkeypatch.setattr(opencv, "view_as_rgb", fail)
    source = VideoSource(make_video())
    with pytest.raises(SourceError, match="cannot be decoded: OpenCV says"):
        list(source.frames(FrameSampler(5.0)))


def test_still_is_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "blue").save(tmp_path / "a.png")
    (frame,) = ImageSource(tmp_path / "a.png").frames(FrameSampler(5.0))
    assert frame.pixels.shape == (10, 20, 3)
    assert (frame.timestamp_s, frame.index) == (0.0, 0)


def test_names_that_are_not_utf8(tmp_path: Path, make_video: MakeVideo) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(make_video(), raw)  # noqa: PTH104  (a name of bytes)
    source = open_source(os.fsdecode(raw))
    assert len(list(source.frames(FrameSampler(5.0)))) == 10
    assert source.name.endswith("caf\\xe9.mp4")


def test_names_that_look_like_patterns(make_video: MakeVideo) -> None:
    """OpenCV would read a picture series, a user means this file."""
    source = open_source(make_video("walk_%02d.mp4"))
    assert len(list(source.frames(FrameSampler(5.0)))) == 10


def test_cut_short_header_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    content = make_video().read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="cut short"):
        open_source(tmp_path / "cut.mp4")


def test_cut_short_stream_gives_what_there_is_and_then_an_error(tmp_path: Path) -> None:
    """An AVI has its header first: the frames before the cut can be used, the rest is missed."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for frame in moving_square(100):
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    seen = 0
    with pytest.raises(SourceError, match="should have 100 frames"):
        for _ in VideoSource(path).frames(FrameSampler(25.0)):
            seen += 1
    assert 20 < seen < 50


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 50])
def test_a_look_gives_first_middle_and_last(count: int, make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=count))
    frames = [f.pixels for f in source.frames(FrameSampler(1e6))]
    for looked_at, index in zip(source.look(), (0, count // 2, count - 1), strict=True):
        assert np.array_equal(looked_at, frames[index])


def test_a_look_forgives_what_decoding_forgives(make_video: MakeVideo) -> None:
    source = VideoSource(make_video(count=50))
    source.num_frames = 54
    list(source.frames(FrameSampler(1.0)))
    assert len(source.look()) == 3
    source.num_frames = 60
    for read in (source.look, lambda: list(source.frames(FrameSampler(1.0)))):
        with pytest.raises(SourceError, match="should have 60 frames"):
            read()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_look_misses_the_end_of_a_cut_file(share: float, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for frame in moving_square(100):
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SourceError, match="should have 100 frames, but number"):
        VideoSource(path).look()


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.mp4\n",
        "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n",
        '<?xml version="1.0"?>\n<MPD profiles="dash:profile:x"></MPD>',
        "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_playlists_with_a_videos_ending_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_text(text)
    with pytest.raises(SourceError, match="playlist"):
        open_file(path)
