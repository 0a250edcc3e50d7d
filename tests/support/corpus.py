"""Small videos of every kind that people have, and what the program `ffmpeg` makes of them.

    python -m tests.support.corpus [-o docs/videos.md]

writes a table of all kinds: our frames, times and brightness beside the program's.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource

FRAMES, SIZE, RATE_HZ = 10, (64, 48), 25
RAW = ("-map", "0:v:0", "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
H264 = "-c:v libx264 -pix_fmt yuv420p"
HEVC = "-c:v libx265 -pix_fmt yuv420p -x265-params log-level=none"
FIELDS = "-flags +ildct+ilme"
UNEVEN = "-vf select='not(mod(n,3))+lt(n,3)' -vsync vfr"
# The first two rows and columns of a display matrix: a, b, c, d.
TURNS = {
    "hflip": (-1, 0, 0, 1),
    "vflip": (1, 0, 0, -1),
    "half": (-1, 0, 0, -1),
    "quarter": (0, 1, -1, 0),
    "three quarters": (0, -1, 1, 0),
    "transposed": (0, 1, 1, 0),
    "transverse": (0, -1, -1, 0),
}


@dataclass(frozen=True)
class Case:
    """How a video is made: ending, options of the encoder, and what is done to the file then."""

    ending: str
    options: str
    trim_s: float = 0.0
    turn: tuple[int, int, int, int] | None = None


CORPUS = {
    # Containers
    "h264": Case("mp4", H264),
    "h264 mov": Case("mov", H264),
    "h264 m4v": Case("m4v", f"{H264} -f mp4"),
    "h264 mkv": Case("mkv", H264),
    "h264 fragmented": Case("mp4", f"{H264} -g 3 -movflags frag_keyframe+empty_moov"),
    "h264 avi": Case("avi", f"{H264} -bf 0"),
    "h264 ts": Case("ts", H264),
    "h264 mts": Case("mts", H264),
    "h264 flv": Case("flv", H264),
    "h264 3gp": Case("3gp", H264),
    "hevc": Case("mp4", HEVC),
    "hevc mov": Case("mov", f"{HEVC} -tag:v hvc1"),
    "hevc mkv": Case("mkv", HEVC),
    "hevc ts": Case("ts", HEVC),
    "mpeg4": Case("avi", "-c:v mpeg4 -q:v 3"),
    "mpeg4 mp4": Case("mp4", "-c:v mpeg4 -q:v 3"),
    "mpeg4 mkv": Case("mkv", "-c:v mpeg4 -q:v 3"),
    "mpeg4 3gp": Case("3gp", "-c:v mpeg4 -q:v 3"),
    "mpeg2": Case("mpg", "-c:v mpeg2video -q:v 3"),
    "mpeg2 ts": Case("ts", "-c:v mpeg2video -q:v 3"),
    "mpeg2 mkv": Case("mkv", "-c:v mpeg2video -q:v 3"),
    "mpeg2 vob": Case("vob", "-c:v mpeg2video -q:v 3"),
    "mpeg1": Case("mpg", "-c:v mpeg1video -q:v 3"),
    "mjpeg": Case("avi", "-c:v mjpeg -q:v 3"),
    "mjpeg mov": Case("mov", "-c:v mjpeg -q:v 3"),
    "mjpeg mkv": Case("mkv", "-c:v mjpeg -q:v 3"),
    "vp8": Case("webm", "-c:v libvpx -b:v 1M"),
    "vp8 mkv": Case("mkv", "-c:v libvpx -b:v 1M"),
    "vp9": Case("webm", "-c:v libvpx-vp9 -b:v 1M"),
    "vp9 mp4": Case("mp4", "-c:v libvpx-vp9 -b:v 1M"),
    "av1": Case("webm", "-c:v libaom-av1 -cpu-used 8 -b:v 1M"),
    "av1 mp4": Case("mp4", "-c:v libaom-av1 -cpu-used 8 -b:v 1M"),
    "wmv1": Case("wmv", "-c:v wmv1 -q:v 3"),
    "wmv2": Case("wmv", "-c:v wmv2 -q:v 3"),
    "msmpeg4": Case("avi", "-c:v msmpeg4 -q:v 3"),
    "flv1": Case("flv", "-c:v flv -q:v 3"),
    "gif": Case("gif", ""),
    "apng": Case("apng", "-f apng"),
    "theora": Case("ogv", "-c:v libtheora -q:v 8"),
    # For editing and archives
    "prores": Case("mov", "-c:v prores"),
    "ffv1": Case("mkv", "-c:v ffv1"),
    "ffv1 avi": Case("avi", "-c:v ffv1"),
    "huffyuv": Case("avi", "-c:v huffyuv"),
    "png": Case("mov", "-c:v png"),
    "qtrle": Case("mov", "-c:v qtrle"),
    "raw": Case("avi", "-c:v rawvideo -pix_fmt yuv420p"),
    "y4m": Case("y4m", "-pix_fmt yuv420p"),
    # Pixel formats and colours
    "h264 4:2:2": Case("mp4", "-c:v libx264 -pix_fmt yuv422p"),
    "h264 4:4:4": Case("mp4", "-c:v libx264 -pix_fmt yuv444p"),
    "h264 10 bit": Case("mkv", "-c:v libx264 -pix_fmt yuv420p10le"),
    "h264 full range": Case("mp4", "-c:v libx264 -pix_fmt yuvj420p"),
    "h264 BT.709": Case("mp4", f"{H264} -colorspace bt709"),
    "h264 RGB": Case("mkv", "-c:v libx264rgb"),
    "h264 grey": Case("mkv", "-c:v libx264 -pix_fmt gray"),
    "hevc 10 bit": Case("mp4", HEVC.replace("yuv420p", "yuv420p10le")),
    "vp9 4:4:4": Case("webm", "-c:v libvpx-vp9 -b:v 1M -pix_fmt yuv444p"),
    "mjpeg 4:4:4": Case("avi", "-c:v mjpeg -q:v 3 -pix_fmt yuvj444p"),
    # Interlaced
    "h264 top field first": Case("mp4", f"{H264} {FIELDS} -x264-params tff=1"),
    "h264 bottom field first": Case("mkv", f"{H264} {FIELDS} -x264-params bff=1"),
    "mpeg2 interlaced": Case("ts", f"-c:v mpeg2video -q:v 3 {FIELDS} -top 1"),
    "mpeg2 bottom field first": Case("mpg", f"-c:v mpeg2video -q:v 3 {FIELDS} -top 0"),
    "mpeg4 interlaced": Case("mp4", f"-c:v mpeg4 -q:v 3 {FIELDS}"),
    # Times
    "h264 B-frames avi": Case("avi", f"{H264} -bf 2"),
    "mpeg4 B-frames avi": Case("avi", "-c:v mpeg4 -q:v 3 -bf 2"),
    "late start mkv": Case("mkv", f"{H264} -output_ts_offset 7"),
    "late start ts": Case("ts", f"{H264} -output_ts_offset 1000"),
    "late start mp4": Case("mp4", f"{H264} -output_ts_offset 3"),
    "uneven mp4": Case("mp4", f"{UNEVEN} {H264}"),
    "uneven mkv": Case("mkv", f"{UNEVEN} {H264}"),
    "uneven webm": Case("webm", f"{UNEVEN} -c:v libvpx -b:v 1M"),
    "edit list mp4": Case("mp4", f"{H264} -g 25", trim_s=0.2),
    "edit list mov": Case("mov", f"{H264} -g 25 -bf 2", trim_s=0.16),
    # Turned and mirrored
    **{f"turned: {name}": Case("mp4", H264, turn=turn) for name, turn in TURNS.items()},
}
# Where the program has no times for all pictures, they are counted.
COUNTED = ("avi", "mpg", "vob")


def ffmpeg(*arguments: str | Path, program: str = "ffmpeg") -> bytes:
    """Run one of FFmpeg's programs.

    Raises:
        LookupError: if it has no such encoder.
    """
    quiet = ["-v", "error", *(["-y", "-nostdin"] if program == "ffmpeg" else [])]
    done = subprocess.run([program, *quiet, *arguments], capture_output=True, check=False)
    if b"Unknown encoder" in done.stderr:
        raise LookupError(done.stderr.decode())
    assert done.returncode == 0, done.stderr
    return done.stdout


def encode(path: Path, options: str = H264, source: str = "") -> Path:
    """Encode a moving picture of `FRAMES` frames, 25 a second."""
    width, height = SIZE
    source = source or f"testsrc=s={width}x{height}:r={RATE_HZ}:d={FRAMES / RATE_HZ}"
    ffmpeg("-f", "lavfi", "-i", source, *options.split(), path)
    return path


def make(case: Case, folder: Path) -> Path:
    """Make the video of a case in an empty folder."""
    path = encode(folder / f"a.{case.ending}", case.options)
    if case.trim_s:
        whole = path.rename(folder / f"whole.{case.ending}")
        ffmpeg("-ss", str(case.trim_s), "-i", whole, "-c", "copy", path)
    return with_matrix(path, case.turn) if case.turn else path


def with_matrix(path: Path, turn: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into a track's header."""
    content = bytearray(path.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = content.index(plain, content.index(b"tkhd"))
    a, b, c, d = (number << 16 for number in turn)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def all_frames(path: Path) -> list[Frame]:
    """All frames of a file, as we read it."""
    return list(VideoSource(path).frames(FrameSampler(1000.0)))


@dataclass(frozen=True)
class Found:
    """A file as one reader sees it: its frames' times from the first, and their mean grey."""

    times_s: list[float]
    greys: list[float]


def by_us(path: Path) -> Found:
    """What we make of a file."""
    frames = all_frames(path)
    return Found([f.timestamp_s for f in frames], [float(f.pixels.mean()) for f in frames])


def by_ffmpeg(path: Path) -> Found:
    """What the programs make of it; every picture has as many pixels, however it is turned."""
    raw = np.frombuffer(ffmpeg("-i", path, *RAW), np.uint8).reshape(-1, 3 * SIZE[0] * SIZE[1])
    if path.suffix[1:] in COUNTED:
        times_s = [number / RATE_HZ for number in range(len(raw))]
    else:
        shown = "-select_streams v:0 -show_entries frame=best_effort_timestamp_time -of json"
        found = json.loads(ffmpeg(*shown.split(), path, program="ffprobe"))["frames"]
        times_s = [float(frame["best_effort_timestamp_time"]) for frame in found]
    return Found([time_s - times_s[0] for time_s in times_s], raw.mean(axis=1).tolist())


def table() -> str:
    """Lay all cases out as a page of Markdown."""
    rows = []
    for name, case in CORPUS.items():
        folder = Path(tempfile.mkdtemp())
        try:
            path = make(case, folder)
            ours, theirs = by_us(path), by_ffmpeg(path)
        except LookupError:
            continue
        finally:
            shutil.rmtree(folder)
        apart_ms = max(abs(a - b) for a, b in zip(ours.times_s, theirs.times_s, strict=False)) * 1e3
        grey = max(abs(a - b) for a, b in zip(ours.greys, theirs.greys, strict=False))
        counts = f"{len(ours.times_s)} | {len(theirs.times_s)}"
        rows.append(f"| {name} | .{case.ending} | {counts} | {apart_ms:.1f} | {grey:.1f} |")
    return "\n".join((HEADER, *rows, ""))


HEADER = """\
# Videos that are read

Each kind is encoded by Debian's `ffmpeg` and read twice: by `har-edge`, and by that program. Times
count from the first frame; grey is the mean of a frame, 0 to 255.
`python -m tests.support.corpus -o docs/videos.md` writes this page, and
`tests/edge/sources/videos/test_corpus.py` holds every row to it. Cut, joined and encrypted files,
sound that outlasts the picture, and playlists are in `test_pyav.py` beside it.

| kind | file | our frames | its frames | times apart by at most, ms | grey apart by at most |
|---|---|---|---|---|---|"""


if __name__ == "__main__":
    if sys.argv[1:2] == ["-o"]:
        Path(sys.argv[2]).write_text(table(), encoding="utf-8")
    else:
        sys.stdout.write(table())
