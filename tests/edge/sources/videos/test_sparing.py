"""Leaving pictures out: what is taken stays the same to the bit, and so do its numbers."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from har_edge.errors import SourceError
from har_edge.frames.ffmpeg import reads_videos
from har_edge.frames.sampling import FrameSampler
from har_edge.sources.files import VideoSource
from har_edge.sources.videos import sparing
from tests.support.corpus import H264, encode

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

pytestmark = pytest.mark.skipif(
    not (reads_videos() and shutil.which("ffmpeg")), reason="needs PyAV and the program ffmpeg"
)

LONG = "testsrc=s=64x48:r=25:d=4"
FORMS = {
    "pyramid": ("mp4", f"{H264} -bf 4 -b_strategy 0"),
    "flat": ("mkv", f"{H264} -bf 3 -b_strategy 0 -x264-params b-pyramid=none"),
    "late": ("ts", f"{H264} -bf 2 -b_strategy 0 -output_ts_offset 5"),
    "interlaced": ("mp4", f"{H264} -bf 2 -flags +ildct+ilme -x264-params tff=1"),
    "uneven": ("mp4", f"{H264} -bf 3 -b_strategy 0 -vf select='lt(n,10)+gt(n,50)' -vsync vfr"),
    "without": ("mp4", f"{H264} -bf 0"),
    "mjpeg": ("avi", "-c:v mjpeg"),
    "mjpeg late": ("mkv", "-c:v mjpeg -output_ts_offset 5"),
    "mjpeg uneven": ("mov", "-c:v mjpeg -vf select='lt(n,10)+gt(n,50)' -vsync vfr"),
    "prores": ("mov", "-c:v prores"),
    "huffyuv": ("avi", "-c:v huffyuv"),
}


def taken(path: Path, rate_hz: float) -> list[tuple[int, float, bytes]]:
    source = VideoSource(path)
    frames = source.frames(FrameSampler(rate_hz))
    return [(frame.index, frame.timestamp_s, frame.pixels.tobytes()) for frame in frames]


@pytest.mark.parametrize("name", FORMS)
def test_what_is_taken_is_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, options = FORMS[name]
    path = encode(tmp_path / f"a.{ending}", options, LONG)
    rates_hz = (2.0, 8.0, 12.5, 1000.0)
    spared = [taken(path, rate_hz) for rate_hz in rates_hz]
    monkeypatch.setattr(sparing, "CODECS", frozenset())
    monkeypatch.setattr(sparing.Sparing, "passes_over", lambda self, packet: False)
    assert spared == [taken(path, rate_hz) for rate_hz in rates_hz]


def damaged(path: Path) -> Path:
    """Every other picture is none."""
    data, mark = path.read_bytes(), b"\xff\xd8\xff"
    first, *rest = data.split(mark)
    parts = (part if number % 2 else bytes(3) + part for number, part in enumerate(rest))
    whole = first + b"".join(part if part[:3] == bytes(3) else mark + part for part in parts)
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("name", ["joined", "damaged"])
def test_broken_recordings_give_what_they_gave(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.mkv", "-c:v mjpeg", LONG)
    if name == "joined":
        path.write_bytes(path.read_bytes() * 2)

    def all_taken(rate_hz: float) -> list[tuple[int, float, bytes]]:
        found = []
        with contextlib.suppress(SourceError):
            for frame in VideoSource(path).frames(FrameSampler(rate_hz)):
                found.append((frame.index, frame.timestamp_s, frame.pixels.tobytes()))
        return found

    if name == "damaged":
        damaged(path)
    spared = [all_taken(rate_hz) for rate_hz in (2.0, 8.0)]
    monkeypatch.setattr(sparing.Sparing, "passes_over", lambda self, packet: False)
    plain = [all_taken(rate_hz) for rate_hz in (2.0, 8.0)]
    assert [[each[1:] for each in found] for found in spared] == [
        [each[1:] for each in found] for found in plain
    ]
    assert name == "damaged" or spared == plain
    assert len(spared[1]) > 20


def test_what_stands_for_itself_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []
    asked = sparing.Sparing.passes_over
    monkeypatch.setattr(
        sparing.Sparing, "passes_over", lambda *given: passed.append(asked(*given)) or passed[-1]
    )
    path = encode(tmp_path / "a.avi", "-c:v mjpeg", LONG)
    assert len(taken(path, 5.0)) == 20
    assert passed.count(True) == 80


def test_pictures_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    count = sparing.Sparing.left_out_before

    def counted(self: sparing.Sparing, frame: VideoFrame) -> int:
        counts.append(count(self, frame))
        return counts[-1]

    monkeypatch.setattr(sparing.Sparing, "left_out_before", counted)
    taken(encode(tmp_path / "a.mp4", f"{H264} -bf 3 -b_strategy 0", LONG), 5.0)
    assert sum(counts) > 20
