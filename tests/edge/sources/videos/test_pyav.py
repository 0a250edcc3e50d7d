"""Videos as a player shows them: turned, mirrored, trimmed, joined, cut, encrypted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from har_edge.arrays import Pixels
from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import HOW_TO_GET_AV, reads_videos
from har_edge.frames.sampling import FrameSampler
from har_edge.sources import files
from har_edge.sources.base import SourceStatus
from har_edge.sources.files import VideoSource
from har_edge.sources.open import open_source
from har_edge.sources.web_files import UrlVideoSource
from tests.conftest import MakeVideo
from tests.support.corpus import H264, RAW, TURNS, all_frames, encode, ffmpeg, with_matrix

pytestmark = pytest.mark.skipif(
    not (reads_videos() and shutil.which("ffmpeg")), reason="needs PyAV and the program ffmpeg"
)

LONG = "testsrc=s=64x48:r=25:d=4"


def first_by_ffmpeg(path: Path, height: int, width: int) -> Pixels:
    raw = ffmpeg("-i", path, "-frames:v", "1", *RAW)
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("name", TURNS)
def test_turned_and_mirrored_as_ffmpeg_does(name: str, tmp_path: Path) -> None:
    path = with_matrix(encode(tmp_path / "a.mp4"), TURNS[name])
    source = VideoSource(path)
    first = all_frames(path)[0].pixels
    assert first.shape == (source.height, source.width, 3)
    expected = first_by_ffmpeg(path, source.height, source.width)
    assert np.abs(first.astype(int) - expected).mean() < 3
    assert np.array_equal(source.look()[0], first)


def test_interlaced_pictures_are_filled(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", f"{H264} -flags +ildct+ilme -x264-params tff=1", LONG)
    plain = encode(tmp_path / "b.mp4", H264, LONG)
    for woven, progressive in zip(all_frames(path), all_frames(plain), strict=True):
        assert woven.pixels.mean() == pytest.approx(progressive.pixels.mean(), abs=3)


def test_sound_may_outlast_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    sound = ("-f", "lavfi", "-i", "sine=d=9", "-c:a", "aac")
    ffmpeg("-f", "lavfi", "-i", LONG, *sound, *H264.split(), path)
    assert len(all_frames(path)) == 100
    source = VideoSource(path)
    assert len(source.look()) == 3 and source.num_frames == 100


@pytest.mark.parametrize("ending", ["mkv", "webm", "mp4"])
def test_a_variable_rate_is_no_damage(ending: str, tmp_path: Path) -> None:
    codec = "-c:v libvpx" if ending == "webm" else H264
    still = "select='lt(n,10)+gt(n,80)'"
    path = encode(tmp_path / f"a.{ending}", f"-vf {still} -vsync vfr {codec}", LONG)
    frames = all_frames(path)
    assert len(frames) == 29
    assert frames[-1].timestamp_s == pytest.approx(3.96, abs=0.01)
    assert len(VideoSource(path).look()) == 3


def test_a_trimmed_file_is_whole(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.mp4", f"{H264} -g 100", LONG)
    path = tmp_path / "b.mp4"
    ffmpeg("-ss", "2", "-i", whole, "-c", "copy", path)
    frames = all_frames(path)
    assert len(frames) == pytest.approx(50, abs=2)
    assert frames[0].timestamp_s == 0
    assert len(VideoSource(path).look()) == 3


@pytest.mark.parametrize("ending", ["mkv", "mp4", "avi", "flv"])
def test_what_is_cut_is_called_so(ending: str, tmp_path: Path) -> None:
    fast = "-movflags +faststart" if ending == "mp4" else ""
    path = encode(tmp_path / f"a.{ending}", f"{H264} {fast}", LONG)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(SourceError, match=r"should have 10\d frames, but only .*cut short"):
        all_frames(path)
    with pytest.raises(SourceError, match=r"should have 10\d frames, but number .*cut short"):
        VideoSource(path).look()


def test_joined_recordings_go_on(tmp_path: Path) -> None:
    red, blue = (
        encode(tmp_path / f"{name}.mkv", H264, f"color={name}:s=64x48:r=25:d=2")
        for name in ("red", "blue")
    )
    path = tmp_path / "joined.mkv"
    path.write_bytes(red.read_bytes() + blue.read_bytes())
    said: list[SourceStatus] = []
    frames = list(VideoSource(path, said.append).frames(FrameSampler(5.0)))
    assert [f.timestamp_s for f in frames] == pytest.approx([i / 5 for i in range(20)], abs=2e-3)
    assert [f.index for f in frames if f.after_gap] == [50]
    assert frames[-1].pixels[..., 2].mean() > 150 > frames[0].pixels[..., 2].mean()
    assert len(said) == 1 and "start again at 2.0 s" in said[0].detail
    assert np.array_equal(VideoSource(path).look()[2], all_frames(path)[-1].pixels)


def test_an_encrypted_file_is_called_so(tmp_path: Path) -> None:
    key = "0123456789abcdef0123456789abcdef"
    scheme = f"-encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key}"
    path = encode(tmp_path / "a.mp4", f"{H264} {scheme}")
    for read in (lambda: all_frames(path), lambda: VideoSource(path).look()):
        with pytest.raises(SourceError, match="is encrypted"):
            read()


def test_av1_is_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", "-c:v libaom-av1 -cpu-used 8")
    assert len(all_frames(path)) == 10


def test_a_recording_by_a_playlist_is_read_in_full(web: str, tmp_path: Path) -> None:
    plain = encode(tmp_path / "a.mp4", f"{H264} -g 25", LONG)
    ffmpeg(
        "-i",
        plain,
        *["-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0"],
        tmp_path / "v.m3u8",
    )
    (tmp_path / "main.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n")
    for name in ("v", "main"):
        source = open_source(f"{web}/{name}.m3u8")
        assert isinstance(source, UrlVideoSource)
        frames = list(source.frames(FrameSampler(1000.0)))
        assert len(frames) == 100
        assert frames[-1].timestamp_s == pytest.approx(3.96, abs=0.01)
    text = (tmp_path / "v.m3u8").read_text().replace("#EXT-X-ENDLIST", "")
    (tmp_path / "live.m3u8").write_text(text)
    assert open_source(f"{web}/live.m3u8").live


def test_a_file_names_no_other_to_be_read(tmp_path: Path, web: str) -> None:
    encode(tmp_path / "a.ts")
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{web}/a.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.mp4").write_text(text)
    with pytest.raises(SourceError):
        all_frames(tmp_path / "a.mp4")


def test_the_second_choice_is_said(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video()
    expected = [frame.pixels for frame in all_frames(path)]
    monkeypatch.setattr(files, "reads_videos", lambda: False)
    said: list[SourceStatus] = []
    source = VideoSource(path, said.append)
    frames = list(source.frames(FrameSampler(1000.0)))
    assert all(np.array_equal(f.pixels, e) for f, e in zip(frames, expected, strict=True))
    assert len(said) == 1 and HOW_TO_GET_AV in said[0].detail


def test_frames_are_freed_at_once(tmp_path: Path) -> None:
    """Thirty frames of 1280 x 720 would take 120 MiB more."""
    path = encode(tmp_path / "a.mp4", f"{H264} -preset ultrafast", "testsrc=s=1280x720:r=25:d=2")
    code = (
        "import gc, resource, sys; gc.disable()\n"
        "from har_edge.frames.sampling import FrameSampler\n"
        "from har_edge.sources.files import VideoSource\n"
        "def most():\n"
        "    for _ in VideoSource(sys.argv[1]).frames(FrameSampler(1000.0)): pass\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "first = most(); [most() for _ in range(3)]; print(most() - first)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert int(done.stdout) < 60


def test_who_leaves_early_does_not_wait(make_video: MakeVideo) -> None:
    frames = VideoSource(make_video(count=500)).frames(FrameSampler(5.0))
    next(frames)
    started = time.perf_counter()
    frames.close()
    assert time.perf_counter() - started < 1.0
