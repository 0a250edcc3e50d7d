"""Containers and codecs that people have, beside what the program `ffmpeg` makes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from har_edge.frames.ffmpeg import reads_videos
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource

pytestmark = pytest.mark.skipif(
    not (reads_videos() and shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="needs PyAV and the program ffmpeg",
)

FRAMES, SIZE = 10, (64, 48)
RAW = ("-map", "0:v:0", "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
H264 = "-c:v libx264 -pix_fmt yuv420p"
# Ending and how it is encoded.
CORPUS = {
    "h264": ("mp4", H264),
    "h264-444": ("mp4", "-c:v libx264 -pix_fmt yuv444p"),
    "h264-10bit": ("mkv", "-c:v libx264 -pix_fmt yuv420p10le"),
    "h264-full-range": ("mp4", "-c:v libx264 -pix_fmt yuvj420p"),
    "h264-709": ("mp4", f"{H264} -colorspace bt709"),
    "h264-fragmented": ("mp4", f"{H264} -g 3 -movflags frag_keyframe+empty_moov"),
    "h264-interlaced": ("mp4", f"{H264} -flags +ildct+ilme -x264-params tff=1"),
    "h264-late-start": ("mkv", f"{H264} -output_ts_offset 7"),
    "h264-avi": ("avi", f"{H264} -bf 2"),
    "h264-ts": ("ts", H264),
    "h264-mts": ("mts", H264),
    "h264-flv": ("flv", H264),
    "h264-3gp": ("3gp", H264),
    "h264-rgb": ("mkv", "-c:v libx264rgb"),
    "hevc": ("mp4", "-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none"),
    "hevc-mov": ("mov", "-c:v libx265 -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=none"),
    "mpeg4": ("avi", "-c:v mpeg4 -q:v 3"),
    "mpeg4-b-frames": ("avi", "-c:v mpeg4 -q:v 3 -bf 2"),
    "mpeg4-mp4": ("mp4", "-c:v mpeg4 -q:v 3"),
    "mpeg2": ("mpg", "-c:v mpeg2video -q:v 3"),
    "mpeg2-interlaced": ("ts", "-c:v mpeg2video -q:v 3 -flags +ildct+ilme -top 1"),
    "mpeg1": ("mpg", "-c:v mpeg1video -q:v 3"),
    "mjpeg": ("avi", "-c:v mjpeg -q:v 3"),
    "mjpeg-mov": ("mov", "-c:v mjpeg -q:v 3"),
    "vp8": ("webm", "-c:v libvpx -b:v 1M"),
    "vp9": ("webm", "-c:v libvpx-vp9 -b:v 1M"),
    "wmv": ("wmv", "-c:v wmv2 -q:v 3"),
    "flv1": ("flv", "-c:v flv -q:v 3"),
    "gif": ("gif", ""),
    "apng": ("apng", "-f apng"),
    "prores": ("mov", "-c:v prores"),
    "ffv1": ("mkv", "-c:v ffv1"),
    "raw": ("avi", "-c:v rawvideo -pix_fmt yuv420p"),
    "theora": ("ogv", "-c:v libtheora -q:v 8"),
}


def ffmpeg(*arguments: str | Path, program: str = "ffmpeg") -> bytes:
    quiet = ["-v", "error", *(["-y", "-nostdin"] if program == "ffmpeg" else [])]
    done = subprocess.run([program, *quiet, *arguments], capture_output=True, check=False)
    if b"Unknown encoder" in done.stderr:
        pytest.skip(done.stderr.decode())
    assert done.returncode == 0, done.stderr
    return done.stdout


def encode(path: Path, options: str = H264, source: str = "") -> Path:
    """Encode a moving picture of `FRAMES` frames, 25 a second."""
    width, height = SIZE
    source = source or f"testsrc=s={width}x{height}:r=25:d={FRAMES / 25}"
    ffmpeg("-f", "lavfi", "-i", source, *options.split(), path)
    return path


def all_frames(path: Path) -> list[Frame]:
    return list(VideoSource(path).frames(FrameSampler(1000.0)))


def reference_times(path: Path) -> list[float]:
    shown = "-select_streams v:0 -show_entries frame=best_effort_timestamp_time -of json"
    found = json.loads(ffmpeg(*shown.split(), path, program="ffprobe"))["frames"]
    return [float(frame["best_effort_timestamp_time"]) for frame in found]


@pytest.mark.parametrize("name", CORPUS)
def test_frames_times_and_brightness_are_those_of_ffmpeg(name: str, tmp_path: Path) -> None:
    ending, options = CORPUS[name]
    path = encode(tmp_path / f"a.{ending}", options)
    frames = all_frames(path)
    raw = ffmpeg("-i", path, *RAW)
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)
    assert len(frames) == len(pictures) == FRAMES
    means = [frame.pixels.mean() for frame in frames]
    assert means == pytest.approx([picture.mean() for picture in pictures], abs=3.0)
    times = [frame.timestamp_s for frame in frames]
    if ending in ("avi", "mpg"):  # ffprobe has no times for all of their pictures
        assert times == pytest.approx([number / 25 for number in range(FRAMES)])
    else:
        expected = reference_times(path)
        assert times == pytest.approx([time - expected[0] for time in expected], abs=2e-3)
    looked_at = [picture.mean() for picture in VideoSource(path).look()]
    assert looked_at == pytest.approx([means[0], means[FRAMES // 2], means[-1]])
